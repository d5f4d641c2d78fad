"""Cells, area and longest path of the whole chip, by Yosys; area where a cell library is installed."""

from __future__ import annotations

from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.spec import load
from seedchip.synthesis.library import find_library
from seedchip.synthesis.manual import PRESETS, block_cells
from seedchip.synthesis.result import Synthesis
from seedchip.synthesis.synthesize import SynthesisOptions, synthesize

COLUMNS = ("block", "cells", "flip-flops", "area, um2", "longest path, ns", "gates", "from", "to")


def _figure(result: Synthesis) -> str:
    total = result.total
    area = "" if total.area_um2 is None else f", {total.area_um2 / 1e6:.3f} mm2 without memories"
    path = total.path
    longest = "" if path is None else (f", longest path {path.gates} gates" if path.period_ns is None else
                                       f", longest path {path.period_ns:.2f} ns ({1000 / path.period_ns:.0f} MHz)")
    return (f"{result.chip}: {total.cells:,} cells, {total.registers:,} flip-flops{area}{longest}, "
            f"{result.memory_bits / 8192:.0f} KiB in memories")


def _measure(progress: Progress) -> Measurement:
    results = []
    for name in PRESETS:
        progress(f"{name}: synthesis")
        results.append(synthesize(load(name), SynthesisOptions(find_library()), progress))
    values = {r.chip: {k: v for k, v in r.to_json().items() if k in ("total", "memory_bits")} for r in results}
    details = [Detail(f"`{r.chip}` after synthesis", COLUMNS, [block_cells(b) for b in (*r.blocks, r.total)])
               for r in results]
    conditions = "; ".join(f"{name}: {value}" for name, value in results[0].conditions.items())
    return Measurement("; ".join(map(_figure, results)), all(r.total.path is not None for r in results),
                       conditions + "; before layout, an estimate", values, details)


SYNTHESIS = Row("synthesis", "cells, area and longest path of the chip", "stated for `nano` and `micro`, by block",
                "NVDLA, its primer, with memories in 16 nm: 64 MACs 0.55 mm2, 256 MACs 1.0 mm2", _measure)
