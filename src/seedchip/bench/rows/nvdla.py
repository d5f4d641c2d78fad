"""ResNet-50 on chips with the multipliers, buffer and memory of the published NVDLA points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.rows.counted import CONDITIONS, counted_values, measure_report
from seedchip.quantities import format_count, format_percent
from seedchip.spec import load

if TYPE_CHECKING:
    from seedchip.report import Report

MIN_UTILISATION = 0.85
"""Where memory allows it."""


@dataclass(frozen=True)
class Point:
    """Published ResNet-50 INT8 frames/s at 1 GHz without extra on-chip SRAM (NVDLA primer, nvdla.org/primer.html)."""

    macs: int
    frames_per_second: float

    @property
    def chip(self) -> str:
        return f"nvdla-{self.macs}"


POINTS = (Point(2048, 269), Point(1024, 153), Point(512, 93), Point(256, 46), Point(128, 20), Point(64, 7.3))


def ceiling(report: Report) -> float:
    """MAC utilisation if every layer took no longer than its own bound: the larger of its products at the array's peak
    and its bytes at the memory's (Williams et al. 2009, the roofline model, layer by layer)."""
    bounds = (max(layer.macs / report.peak_macs_per_cycle,
                  (layer.memory_bytes_read + layer.memory_bytes_written) / report.peak_bytes_per_cycle)
              for layer in report.layers)
    return report.macs / (report.peak_macs_per_cycle * sum(bounds))


def judge(reports: Mapping[Point, Report]) -> bool | None:
    """Faster everywhere, and 85 % at every point; None where only points miss it whose layers' own bounds forbid it."""
    if any(r.runs_per_second <= p.frames_per_second for p, r in reports.items()):
        return False
    short = [r for r in reports.values() if r.mac_utilisation < MIN_UTILISATION]
    if any(ceiling(r) >= MIN_UTILISATION for r in short):
        return False
    return None if short else True


def _cells(point: Point, report: Report) -> list[str]:
    memory = load(point.chip).memory
    active = report.counters["matrix"]["active"] / report.cycles
    return [point.chip, f"{memory.bytes_per_cycle}", format_count(report.cycles), f"{report.runs_per_second:.1f}",
            f"{point.frames_per_second:g}", f"{report.runs_per_second / point.frames_per_second:.2f}",
            format_percent(report.mac_utilisation), format_percent(active),
            format_percent(report.bandwidth_utilisation), format_percent(ceiling(report))]


def _measure(progress: Progress) -> Measurement:
    reports = {point: measure_report("resnet50", point.chip, progress) for point in POINTS}
    faster = sum(r.runs_per_second > p.frames_per_second for p, r in reports.items())
    full = sum(r.mac_utilisation >= MIN_UTILISATION for r in reports.values())
    held = sum(r.mac_utilisation < MIN_UTILISATION > ceiling(r) for r in reports.values())
    ratios = [r.runs_per_second / p.frames_per_second for p, r in reports.items()]
    figure = (f"faster at {faster} of {len(POINTS)} points, {min(ratios):.2f} to {max(ratios):.2f} times; {full} reach "
              f"85 % MAC utilisation, {held} of the others are held below it by their layers' memory traffic")
    columns = ["chip", "memory B/cycle", "cycles", "frames/s", "published", "ratio", "MAC utilisation", "array active",
               "memory port busy", "roofline"]
    detail = Detail("ResNet-50 at each NVDLA point, 1 GHz", columns, [_cells(p, r) for p, r in reports.items()], [
        "MAC utilisation counts the network's own products; *array active* also cycles in which rows of partly filled "
        "tiles stream. *Roofline* is the MAC utilisation if every layer took exactly the larger of its products at the "
        "array's peak and its bytes at the memory's: where it lies below 85 %, memory holds the point there with the "
        "traffic that this program has.",
        "The published network is counted with 3.896 GMAC an image, this one has 4.089 (the stride of v1.5)."])
    values = {p.chip: {"frames_per_second": r.runs_per_second, "published_frames_per_second": p.frames_per_second,
                       **counted_values(r)} for p, r in reports.items()}
    return Measurement(figure, judge(reports), CONDITIONS, values, [detail])


NVDLA = Row("resnet50-nvdla", "ResNet-50 v1.5, 224x224, INT8, batch 1, at each `nvdla-*` point, 1 GHz",
            "more frames/s than published at every point; >= 85 % MAC utilisation wherever memory allows it",
            "269, 153, 93, 46, 20, 7.3 frames/s with 2048 to 64 multipliers (NVDLA primer)", _measure)
