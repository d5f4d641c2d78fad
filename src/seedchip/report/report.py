"""`Report`: what one run of a program cost, as a plain value that can be saved, read back and shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

ENGINES = ("matrix", "vector", "load", "store")
"""Order in which engines are shown."""
FORMAT_VERSION = 1
COUNTED, SPECIFIED, COMPUTED, MEASURED = "counted", "specified", "computed", "measured"
SOURCES: Mapping[str, str] = {
    "cycles": COUNTED, "clock_hz": SPECIFIED, "seconds": COMPUTED, "macs": COUNTED, "mac_utilisation": COMPUTED,
    "memory_bytes_read": COUNTED, "memory_bytes_written": COUNTED, "bandwidth_utilisation": COMPUTED,
    "peak_macs_per_cycle": SPECIFIED, "peak_bytes_per_cycle": SPECIFIED, "memory_bytes": COUNTED, "counters": COUNTED,
    "layers": COUNTED, "timeline": COUNTED, "host_ops": COUNTED, "accuracy": MEASURED}
"""Where each figure comes from: counted (by the simulator, and equal in the RTL), specified (the chip description says
so), computed (from the two), measured (against a reference implementation on the inputs of this run)."""


class ReportError(ValueError):
    """A report file that is damaged or of another kind. One sentence."""


@dataclass(frozen=True)
class LayerCost:
    """One layer: the cycles by which it moved the end of the run (these add up to the run), work and memory traffic."""

    name: str
    operation: str
    cycles: int
    first_cycle: int
    """when its first instruction started"""
    last_cycle: int
    """when its last instruction was complete"""
    macs: int
    memory_bytes_read: int
    memory_bytes_written: int


@dataclass(frozen=True)
class HostOp:
    """A node of the network that ran on the host because the chip's engines cannot compute it."""

    node: str
    operator: str
    rule: str = ""
    """the rule that refused it"""
    seconds: float | None = None
    """wall-clock time on the host in the last run; None when nothing ran. Not part of the run's cycles"""


@dataclass(frozen=True)
class Activity:
    """How busy each engine was over time: busy cycles in each of equal bins of ``bin_cycles`` cycles."""

    bin_cycles: int
    busy: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class OutputAccuracy:
    """One output beside the reference's. ``top1`` is the share of rows whose largest element is at the same place."""

    name: str
    shape: tuple[int, ...]
    cosine: float | None
    max_abs_difference: float | None
    sqnr_db: float | None
    """10 log10 of reference power over error power; None when there is no error"""
    top1: float | None


@dataclass(frozen=True)
class LayerAccuracy:
    """Signal to quantisation noise of one tensor of the quantised graph against binary32."""

    name: str
    sqnr_db: float | None


@dataclass(frozen=True)
class Accuracy:
    """Agreement with a reference implementation on the same inputs."""

    reference: str
    outputs: tuple[OutputAccuracy, ...]
    layers: tuple[LayerAccuracy, ...] = ()


@dataclass(frozen=True)
class Report:
    """One run. ``counters`` gives for each engine the cycles of every cause; each engine's add up to ``cycles``.

    Utilisations are fractions of the peak over the whole run. ``memory_bytes_read`` counts whole granules, instruction
    fetches included.
    """

    model: str
    chip: str
    chip_hash: str
    cycles: int
    clock_hz: int
    macs: int
    peak_macs_per_cycle: int
    peak_bytes_per_cycle: int
    memory_bytes: int
    memory_bytes_read: int
    memory_bytes_written: int
    counters: Mapping[str, Mapping[str, int]]
    layers: tuple[LayerCost, ...]
    timeline: Activity
    host_ops: tuple[HostOp, ...] = ()
    accuracy: Accuracy | None = None
    sources: Mapping[str, str] = field(default_factory=lambda: dict(SOURCES))

    def __post_init__(self) -> None:
        for engine, causes in self.counters.items():
            if sum(causes.values()) != self.cycles:
                raise ReportError(f"the causes of engine {engine!r} must add up to {self.cycles} cycles, not "
                                  f"{sum(causes.values())}")

    @property
    def seconds(self) -> float:
        return self.cycles / self.clock_hz

    @property
    def mac_utilisation(self) -> float:
        return self.macs / max(1, self.cycles * self.peak_macs_per_cycle)

    @property
    def bandwidth_utilisation(self) -> float:
        return (self.memory_bytes_read + self.memory_bytes_written) / max(1, self.cycles * self.peak_bytes_per_cycle)

    @property
    def runs_per_second(self) -> float:
        return self.clock_hz / max(1, self.cycles)


def layer_utilisation(layer: LayerCost, report: Report) -> float:
    """The layer's MACs as a fraction of the array's peak in the layer's cycles."""
    return layer.macs / max(1, layer.cycles * report.peak_macs_per_cycle)


def layer_bound(layer: LayerCost, report: Report) -> str:
    """What bounds the layer from below on this chip: ``compute``, ``memory``, or ``-`` for a layer without either."""
    compute = layer.macs / report.peak_macs_per_cycle
    memory = (layer.memory_bytes_read + layer.memory_bytes_written) / report.peak_bytes_per_cycle
    if not compute and not memory:
        return "-"
    return "compute" if compute >= memory else "memory"


def decibels(signal: float, noise: float) -> float | None:
    """10 log10 of a ratio of powers; None where there is no noise or no signal."""
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None
