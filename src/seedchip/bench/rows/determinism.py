"""The bits of an answer do not depend on the chip, on its tiling, or on what else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from seedchip import zoo
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.trial import Outputs, compile_trial, quantise_entry
from seedchip.compiler import CompileError
from seedchip.spec import load

if TYPE_CHECKING:
    from seedchip.graph.ir import Graph
    from seedchip.spec import ChipSpec
    from seedchip.zoo.entry import Entry, Feeds

PRESETS = ("micro", "nano", "nvdla-64", "nvdla-2048")
BATCHES = {"digits-cnn": 7, "minilm": 3}
"""Rows in the larger batch."""
CALIBRATION_FEEDS = 4


def chips() -> list[ChipSpec]:
    """Presets, and `micro` with half its scratchpad: the same engines, other tiles."""
    micro = load("micro")
    small = replace(micro, name="micro, 128 KiB", scratchpad=replace(micro.scratchpad, bytes=1 << 17))
    return [*(load(name) for name in PRESETS), small]


def joined(feeds: Sequence[Feeds]) -> Feeds:
    """Feeds of one row each as one batch."""
    return {name: np.concatenate([f[name] for f in feeds]) for name in feeds[0]}


def equal_bits(ours: Outputs, theirs: Outputs) -> bool:
    """Whether two answers are the same in every bit, the sign of zero included."""
    return all(ours[name].shape == value.shape and ours[name].tobytes() == value.tobytes()
               for name, value in theirs.items())


@dataclass(frozen=True)
class Way:
    """One way to compute the rows: its answers and program, or the sentence by which the compiler refuses it."""

    name: str
    outputs: Outputs
    code: bytes
    refusal: str = ""


def _compute(name: str, graph: Graph, chip: ChipSpec, feeds: Sequence[Feeds]) -> Way:
    try:
        trial = compile_trial(graph, chip)
    except CompileError as error:
        return Way(name, {}, b"", str(error).partition(": ")[2] or str(error))
    return Way(name, joined([trial.run(feed) for feed in feeds]), trial.program.code)


def ways(entry: Entry, progress: Progress) -> Iterator[list[Way]]:
    """Ways to compute the first samples whose bits must be equal: one list for scales found at run time, by batch 1 on
    every chip and by a larger batch on two, one for static scales."""
    size = BATCHES[entry.name]
    feeds = entry.samples()[:size]
    graphs = {"scales at run time": quantise_entry(entry, "int8"),
              "static scales": quantise_entry(entry, "int8", CALIBRATION_FEEDS)}
    batch = quantise_entry(entry, "int8", shapes={**entry.shapes, "batch": size})
    for scales, graph in graphs.items():
        found = []
        for chip in chips():
            progress(f"{entry.name} on {chip.name}, batch 1, {scales}")
            found.append(_compute(f"{chip.name}, batch 1, {scales}", graph, chip, feeds))
        for name in ("micro", "nvdla-2048") if scales == "scales at run time" else ():
            progress(f"{entry.name} on {name}, batch {size}")
            found.append(_compute(f"{name}, batch {size}, {scales}", batch, load(name), [joined(feeds)]))
        yield found


def _measure(progress: Progress) -> Measurement:
    rows, values, figures = [], {}, []
    for name in BATCHES:
        compared = [(way, found[0]) for found in ways(zoo.entry(name), progress) for way in found]
        results = ["refused: " + way.refusal if way.refusal else
                   "equal" if equal_bits(way.outputs, first.outputs) else "DIFFERENT" for way, first in compared]
        rows += [[name, way.name, result] for (way, _), result in zip(compared, results, strict=True)]
        ran, equal = sum(not way.refusal for way, _ in compared), results.count("equal")
        programs = len({way.code for way, _ in compared if not way.refusal})
        values[name] = {"ways": len(compared), "ran": ran, "equal": equal, "programs": programs}
        figures.append(f"{name}: {equal} of {ran} ways equal in every bit ({programs} different programs)"
                       + (f", {len(compared) - ran} refused by the compiler" if ran < len(compared) else ""))
    return Measurement("; ".join(figures), all(v["equal"] == v["ran"] for v in values.values()),
                       f"rows {', '.join(f'{n} x {c}' for c, n in BATCHES.items())}; real samples; outputs compared "
                       "byte by byte with `micro`, batch 1", values,
                       [Detail("Ways to compute the same rows", ["model", "way", "bits"], rows)])


DETERMINISM = Row("determinism", "determinism",
                  "a row's output bits do not change with batch size, tile choice or chip preset",
                  "34 % (SGLang) to 61 % (Thinking Machines) slow-down on GPUs", _measure)
