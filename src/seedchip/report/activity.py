"""Busy engines over time, in bins: what the page's timeline draws, small whatever the length of the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from seedchip.report.report import ENGINES, Activity
from seedchip.simulator.counters import busy_intervals

if TYPE_CHECKING:
    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

NUM_BINS = 480


def measure_activity(program: Program, spec: ChipSpec, timeline: Timeline, num_bins: int = NUM_BINS) -> Activity:
    """Cycles of each bin in which an engine worked (see `seedchip.simulator.counters.busy_intervals`)."""
    bin_cycles = max(1, -(-timeline.cycles // num_bins))
    busy: dict[str, list[tuple[int, int]]] = {engine: [] for engine in ENGINES}
    for interval in busy_intervals(program.instructions, spec, timeline):
        busy[interval.engine].append((interval.start, interval.end))
    count = -(-timeline.cycles // bin_cycles)
    return Activity(bin_cycles, {engine: bin_intervals(busy[engine], count, bin_cycles) for engine in ENGINES})


def bin_intervals(intervals: Iterable[tuple[int, int]], count: int, bin_cycles: int) -> tuple[int, ...]:
    """Covered cycles of each of ``count`` bins by disjoint half-open intervals.

    The covered cycles before each edge follow from the sums of all starts and ends before it; differences give bins.
    """
    pairs = np.array(sorted(intervals), np.int64).reshape(-1, 2)
    edges = np.arange(count + 1, dtype=np.int64) * bin_cycles
    covered = _covered_before(pairs[:, 0], edges) - _covered_before(pairs[:, 1], edges)
    return tuple(np.diff(covered).tolist())


def _covered_before(points: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """For each edge, the sum of ``edge - point`` over the (sorted) points before it."""
    sums = np.concatenate([[0], np.cumsum(points)])
    number = np.searchsorted(points, edges)
    return number * edges - sums[number]
