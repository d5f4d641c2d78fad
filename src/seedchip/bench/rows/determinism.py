"""The bits of an answer do not depend on the chip, on its tiling, or on what else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from seedchip import zoo
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.trial import Outputs, compile_trial, quantise_entry
from seedchip.frontend import load_model
from seedchip.quantise import quantise
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


def _variants(entry: Entry, progress: Progress) -> Iterator[tuple[str, bool, bytes]]:
    """For each way to compute the same rows: what it is, whether the bits are the first way's, and the program."""
    size = BATCHES[entry.name]
    feeds = entry.samples()[:size]
    single = quantise(load_model(entry.model(), shapes=entry.shapes))
    batch = quantise(load_model(entry.model(), shapes={**entry.shapes, "batch": size}))
    static = quantise_entry(entry, "int8", CALIBRATION_FEEDS)
    yield from _compare("scales at run time", _runs(single, feeds, progress))
    first = [compile_trial(single, load("micro")).run(feed) for feed in feeds]
    for chip in (load("micro"), load("nvdla-2048")):
        progress(f"{entry.name} on {chip.name}, batch {size}")
        trial = compile_trial(batch, chip)
        yield (f"scales at run time, {chip.name}, batch {size}", equal_bits(trial.run(joined(feeds)), joined(first)),
               trial.program.code)
    yield from _compare("static scales", _runs(static, feeds, progress))


def _runs(graph: Graph, feeds: Sequence[Feeds], progress: Progress) -> Iterator[tuple[str, Outputs, bytes]]:
    """Chip, answers to all feeds one by one, program."""
    for chip in chips():
        progress(f"{graph.name} on {chip.name}, batch 1")
        trial = compile_trial(graph, chip)
        yield chip.name, joined([trial.run(feed) for feed in feeds]), trial.program.code


def _compare(label: str, runs: Iterator[tuple[str, Outputs, bytes]]) -> Iterator[tuple[str, bool, bytes]]:
    first: Outputs | None = None
    for chip, outputs, code in runs:
        first = outputs if first is None else first
        yield f"{label}, {chip}, batch 1", equal_bits(outputs, first), code


def _measure(progress: Progress) -> Measurement:
    rows, values = [], {}
    for name in BATCHES:
        found = list(_variants(zoo.entry(name), progress))
        programs = len({code for _, _, code in found})
        values[name] = {"ways": len(found), "equal": sum(same for _, same, _ in found), "programs": programs}
        rows += [[name, way, "equal" if same else "DIFFERENT"] for way, same, _ in found]
    figure = "; ".join(f"{name}: {v['equal']} of {v['ways']} ways equal in every bit ({v['programs']} different "
                       "programs)" for name, v in values.items())
    return Measurement(figure, all(v["equal"] == v["ways"] for v in values.values()),
                       f"rows {', '.join(f'{n} x {c}' for c, n in BATCHES.items())}; real samples; outputs compared "
                       "byte by byte with `micro`, batch 1", values,
                       [Detail("Ways to compute the same rows", ["model", "way", "bits"], rows)])


DETERMINISM = Row("determinism", "determinism", "a row's output bits do not change with batch size, tile choice or "
                  "chip preset", "batch invariance costs 34 % (SGLang) to 61 % (Thinking Machines) of the speed on GPUs",
                  _measure)
