"""The report of several programs that run one after the other, with nodes on the host between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from seedchip.report.activity import NUM_BINS, bin_intervals
from seedchip.report.build import build_report
from seedchip.report.report import ENGINES, Activity, HostOp, LayerCost, Report
from seedchip.simulator.counters import CAUSES, busy_intervals

if TYPE_CHECKING:
    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

Run = tuple["Program", "Timeline"]


def build_sequence_report(name: str, runs: Sequence[Run], spec: ChipSpec, host_ops: Sequence[HostOp]) -> Report:
    """What the programs cost together: cycles, work and traffic add up, each program starts where the one before ended.

    The programs lie in memory side by side. Time on the host is not part of the cycles. ``runs`` may be empty.
    """
    parts = [build_report(program, spec, timeline) for program, timeline in runs]
    starts = [sum(part.cycles for part in parts[:index]) for index in range(len(parts))]
    cycles = sum(part.cycles for part in parts)
    return Report(
        model=name, chip=spec.name, chip_hash=spec.hash, cycles=cycles, clock_hz=spec.clock.hz,
        macs=sum(part.macs for part in parts), peak_macs_per_cycle=spec.macs_per_cycle,
        peak_bytes_per_cycle=spec.memory.bytes_per_cycle, memory_bytes=sum(part.memory_bytes for part in parts),
        memory_bytes_read=sum(part.memory_bytes_read for part in parts),
        memory_bytes_written=sum(part.memory_bytes_written for part in parts), counters=_counters(parts),
        layers=tuple(_moved(layer, start) for part, start in zip(parts, starts, strict=True) for layer in part.layers),
        timeline=_activity(runs, spec, starts, cycles), host_ops=tuple(host_ops))


def _counters(parts: Sequence[Report]) -> Mapping[str, Mapping[str, int]]:
    return {engine: {cause: sum(part.counters[engine][cause] for part in parts) for cause in CAUSES}
            for engine in ENGINES}


def _moved(layer: LayerCost, start: int) -> LayerCost:
    return replace(layer, first_cycle=layer.first_cycle + start, last_cycle=layer.last_cycle + start)


def _activity(runs: Sequence[Run], spec: ChipSpec, starts: Sequence[int], cycles: int) -> Activity:
    bin_cycles = max(1, -(-cycles // NUM_BINS))
    busy: dict[str, list[tuple[int, int]]] = {engine: [] for engine in ENGINES}
    for (program, timeline), start in zip(runs, starts, strict=True):
        for interval in busy_intervals(program.instructions, spec, timeline):
            busy[interval.engine].append((interval.start + start, interval.end + start))
    count = -(-cycles // bin_cycles)
    return Activity(bin_cycles, {engine: bin_intervals(busy[engine], count, bin_cycles) for engine in ENGINES})
