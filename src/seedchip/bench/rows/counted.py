"""Figures that are counted: cycles of ResNet-50, BERT-base, MiniLM and single products on `micro`. Exact, no feeds."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seedchip import zoo
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.trial import Trial, compile_trial, quantise_entry
from seedchip.quantities import format_count, format_percent
from seedchip.spec import load

if TYPE_CHECKING:
    from seedchip.graph.ir import Graph
    from seedchip.report import Report

CALIBRATION_FEEDS = 2
"""Enough for models with random weights, whose cycles do not depend on scales."""
CONDITIONS = ("INT8, static scales, batch 1, the whole network on the chip; cycles are counted by the exact simulator "
              "and do not depend on data")
MIN_FRAMES_PER_SECOND = 55
MIN_GEMM_UTILISATION = 0.95
MIN_BANDWIDTH_UTILISATION = 0.95
MIN_ENCODER_UTILISATION = 0.75


@lru_cache(maxsize=1)
def quantised(name: str) -> Graph:
    """One network at a time stays in memory."""
    return quantise_entry(zoo.entry(name), "int8", CALIBRATION_FEEDS)


def measure_report(name: str, chip: str, progress: Progress) -> Report:
    """What one run of an entry costs on a chip."""
    progress(f"{name}: front end and quantisation")
    graph = quantised(name)
    progress(f"{name} on {chip}: compiler and timing")
    return compile_trial(graph, load(chip)).report


def counted_values(report: Report) -> dict[str, Any]:
    """The exact numbers that a test compares with what the compiler gives today."""
    return {"cycles": report.cycles, "macs": report.macs, "mac_utilisation": report.mac_utilisation,
            "bandwidth_utilisation": report.bandwidth_utilisation, "clock_hz": report.clock_hz,
            "memory_bytes_read": report.memory_bytes_read, "memory_bytes_written": report.memory_bytes_written,
            "counters": {engine: dict(causes) for engine, causes in report.counters.items()}}


def cycles_detail(title: str, report: Report) -> Detail:
    """Where every cycle went: one row an engine, per cent of the run."""
    causes = [c for c in report.counters["matrix"] if any(report.counters[e][c] for e in report.counters)]
    rows = [[engine, *(f"{100 * counts[c] / report.cycles:.1f}" for c in causes)]
            for engine, counts in report.counters.items()]
    return Detail(title, ["engine", *causes], rows)


def _resnet(progress: Progress) -> Measurement:
    report = measure_report("resnet50", "micro", progress)
    frames = report.runs_per_second
    return Measurement(
        f"{frames:.1f} frames/s ({format_count(report.cycles)} cycles, {format_percent(report.mac_utilisation)} of "
        "peak)",
        frames >= MIN_FRAMES_PER_SECOND, CONDITIONS, {"frames_per_second": frames, **counted_values(report)},
        [cycles_detail("ResNet-50 on `micro`: where every cycle went, per cent", report)])


def _gemm(progress: Progress) -> Measurement:
    report = measure_report("gemm2048", "micro", progress)
    return Measurement(f"{format_percent(report.mac_utilisation)} of peak ({format_count(report.cycles)} cycles)",
                       report.mac_utilisation >= MIN_GEMM_UTILISATION, CONDITIONS, counted_values(report))


def _matvec(progress: Progress) -> Measurement:
    report = measure_report("matvec4096", "micro", progress)
    return Measurement(
        f"{format_percent(report.bandwidth_utilisation)} of memory bandwidth ({format_count(report.cycles)} cycles)",
        report.bandwidth_utilisation >= MIN_BANDWIDTH_UTILISATION, CONDITIONS, counted_values(report))


def _encoders(progress: Progress) -> Measurement:
    reports = {name: measure_report(name, "micro", progress) for name in ("bert-base", "minilm")}
    figure = ", ".join(f"{name} {format_percent(r.mac_utilisation)} ({format_count(r.cycles)} cycles)"
                       for name, r in reports.items())
    return Measurement(figure, all(r.mac_utilisation >= MIN_ENCODER_UTILISATION for r in reports.values()),
                       CONDITIONS + "; sequence 128", {name: counted_values(r) for name, r in reports.items()},
                       [cycles_detail(f"{name} on `micro`: where every cycle went, per cent", r)
                        for name, r in reports.items()])


COUNTED = (
    Row("resnet50-micro", "ResNet-50 v1.5, 224x224, INT8, batch 1 on `micro`, 1 GHz",
        f">= {MIN_FRAMES_PER_SECOND} frames/s", "22.8 frames/s published for the same array and memories (Gemmini, "
        "DAC'21, as widely quoted)", _resnet),
    Row("gemm2048", "matrix product 2048x2048x2048 on `micro`", ">= 95 % of peak", "> 92 % (MTIA 2i, ISCA'25)", _gemm),
    Row("matvec4096", "matrix-vector product 4096x4096, batch 1 on `micro`", ">= 95 % of memory bandwidth",
        "> 95 % (MTIA 2i, ISCA'25)", _matvec),
    Row("encoders", "BERT-base and MiniLM, sequence 128, whole network on `micro`",
        ">= 75 % MAC utilisation end to end", "single products 74 %, end to end < 1 % without on-chip non-matmul units "
        "(Gemmini, \"Full Stack Optimization of Transformer Inference\")", _encoders),
)


def trial(name: str, chip: str) -> Trial:
    """The program that these rows measure."""
    return compile_trial(quantised(name), load(chip))
