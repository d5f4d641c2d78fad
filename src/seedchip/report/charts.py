"""Coordinates of the page's drawings: roofline, engine timeline and stacked counters. The template only draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seedchip.quantities import format_bytes, format_count, format_percent, format_si, printable
from seedchip.report.report import ENGINES, LayerCost, layer_bound, layer_utilisation
from seedchip.report.terminal import used_causes

if TYPE_CHECKING:
    from seedchip.report.report import Report


@dataclass(frozen=True)
class Frame:
    """The plot area inside a drawing, in pixels."""

    width: int
    height: int
    left: int = 64
    right: int = 16
    top: int = 14
    bottom: int = 46

    @property
    def x1(self) -> int:
        return self.width - self.right

    @property
    def y1(self) -> int:
        return self.height - self.bottom


@dataclass(frozen=True)
class LogAxis:
    """Positions on a logarithmic axis; ``first`` pixel is where ``low`` stands."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.first + (self.last - self.first) * min(1.0, max(0.0, share)), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """Powers of ten inside the axis; on an axis shorter than three decades also twice and five times them."""
        steps = (1, 2, 5) if self.high / self.low < 1000 else (1,)
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = [step * 10.0 ** e for e in exponents for step in steps]
        return [(self.at(v), f"{v:g}") for v in values if self.low <= v <= self.high]


@dataclass(frozen=True)
class Mark:
    """A layer in the roofline drawing."""

    x: float
    y: float
    radius: float
    bound: str
    text: str


@dataclass(frozen=True)
class Roofline:
    """MACs a cycle against MACs a byte (Williams, Waterman, Patterson, CACM 52(4), 2009), both axes logarithmic."""

    frame: Frame
    roof: str
    ridge: tuple[float, float, str]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    marks: list[Mark]
    whole: Mark | None
    left_out: int


def draw_roofline(report: Report) -> Roofline:
    """Layers that multiply and touch memory as points under the chip's roof; the others are counted in ``left_out``."""
    frame = Frame(600, 380)
    peak, rate = report.peak_macs_per_cycle, report.peak_bytes_per_cycle
    layers = [layer for layer in report.layers if layer.macs and _bytes(layer) and layer.cycles]
    intensities = [layer.macs / _bytes(layer) for layer in layers] + [peak / rate]
    speeds = [layer.macs / layer.cycles for layer in layers] + [float(peak)]
    x = LogAxis(min(intensities) / 3, max(intensities) * 4, frame.left, frame.x1)
    y = LogAxis(min(min(speeds), peak / 30) / 1.5, peak * 1.6, frame.y1, frame.top)
    foot = max(x.low, y.low / rate)
    corners = [(foot, foot * rate), (peak / rate, peak), (x.high, peak)]
    roof = " ".join(f"{x.at(a)},{y.at(b)}" for a, b in corners)
    marks = [Mark(x.at(layer.macs / _bytes(layer)), y.at(layer.macs / layer.cycles), _radius(layer.cycles, report),
                  layer_bound(layer, report), describe_layer(layer, report)) for layer in layers]
    return Roofline(frame, roof, (x.at(peak / rate), y.at(peak), f"{peak / rate:.3g}"), x.ticks(), y.ticks(), marks,
                    _whole(report, x, y), len(report.layers) - len(layers))


def _whole(report: Report, x: LogAxis, y: LogAxis) -> Mark | None:
    moved = report.memory_bytes_read + report.memory_bytes_written
    if not report.macs or not moved or not report.cycles:
        return None
    text = f"whole network: {report.macs / moved:.3g} MAC/byte, {report.macs / report.cycles:.4g} MAC/cycle"
    return Mark(x.at(report.macs / moved), y.at(report.macs / report.cycles), 7, "", text)


def _bytes(layer: LayerCost) -> int:
    return layer.memory_bytes_read + layer.memory_bytes_written


def _radius(cycles: int, report: Report) -> float:
    """Area in proportion to the layer's share of the run."""
    return round(3 + 22 * math.sqrt(cycles / max(1, report.cycles)), 2)


def describe_layer(layer: LayerCost, report: Report) -> str:
    return (f"{printable(layer.name)} ({printable(layer.operation, 24)}): {format_count(layer.cycles)} cycles, "
            f"{format_percent(layer.cycles / max(1, report.cycles))} of the run, "
            f"{format_percent(layer_utilisation(layer, report))} MAC utilisation, "
            f"{format_bytes(_bytes(layer))} moved")


@dataclass(frozen=True)
class Lane:
    """One engine's activity: an SVG path whose height is the busy share of each bin."""

    engine: str
    top: float
    height: float
    path: str
    share: str


@dataclass(frozen=True)
class TimelineDrawing:
    """Lanes above each other and, below them, the layers in which the run's end moved."""

    frame: Frame
    lanes: list[Lane]
    ticks: list[tuple[float, str]]
    bands: list[tuple[float, float, str]]


def draw_timeline(report: Report) -> TimelineDrawing:
    frame = Frame(1180, 280, left=70, right=30)
    pitch = (frame.y1 - frame.top - 26) / len(ENGINES)
    lanes = []
    for index, engine in enumerate(ENGINES):
        busy = report.timeline.busy.get(engine, ())
        top = frame.top + index * pitch
        lanes.append(Lane(engine, round(top, 2), round(pitch - 8, 2), _step_path(report, busy, frame, (top, pitch - 8)),
                          format_percent(sum(busy) / max(1, report.cycles))))
    return TimelineDrawing(frame, lanes, _time_ticks(report, frame), _bands(report, frame))


def _step_path(report: Report, busy: tuple[int, ...], frame: Frame, place: tuple[float, float]) -> str:
    top, height = place
    scale = (frame.x1 - frame.left) / max(1, report.cycles)
    points = [f"M{frame.left},{top + height:.1f}"]
    for index, cycles in enumerate(busy):
        begin = index * report.timeline.bin_cycles
        end = min(report.cycles, begin + report.timeline.bin_cycles)
        share = min(1.0, cycles / max(1, end - begin))
        points.append(f"V{top + height * (1 - share):.1f}H{frame.left + end * scale:.1f}")
    return "".join(points) + f"V{top + height:.1f}Z"


def _time_ticks(report: Report, frame: Frame) -> list[tuple[float, str]]:
    seconds = report.seconds
    if not seconds:
        return []
    step = 10 ** math.floor(math.log10(seconds / 5))
    step *= next(m for m in (1, 2, 5, 10) if seconds / (step * m) <= 8)
    count = math.floor(seconds / step + 1e-9)
    width = frame.x1 - frame.left
    return [(round(frame.left + width * i * step / seconds, 1), format_si(i * step, "s") if i else "0")
            for i in range(count + 1)]


def _bands(report: Report, frame: Frame) -> list[tuple[float, float, str]]:
    scale, at, bands = (frame.x1 - frame.left) / max(1, report.cycles), 0, []
    for layer in report.layers:
        if layer.cycles:
            bands.append((round(frame.left + at * scale, 2), round(max(layer.cycles * scale, 0.3), 2),
                          describe_layer(layer, report)))
        at += layer.cycles
    return bands


@dataclass(frozen=True)
class Slice:
    """One cause of one engine in the stacked bar; positions in per cent of the run."""

    cause: str
    start: float
    size: float
    cycles: str


def stack_counters(report: Report) -> list[tuple[str, list[Slice]]]:
    """For each engine the causes side by side; they fill the bar."""
    rows = []
    for engine in ENGINES:
        at, slices = 0.0, []
        for cause in used_causes(report):
            cycles = report.counters[engine][cause]
            size = 100 * cycles / max(1, report.cycles)
            slices.append(Slice(cause, round(at, 3), round(size, 3), format_count(cycles)))
            at += size
        rows.append((engine, slices))
    return rows
