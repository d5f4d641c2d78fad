"""The core's counters as the simulator's report has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa import Engine
from seedchip.isa.causes import COUNTER_BITS
from seedchip.rtl.core import COUNTS, GRANULES
from seedchip.simulator.counters import CAUSES, count_cycles, count_traffic, fetched_bytes

if TYPE_CHECKING:
    from seedchip.isa import Instruction
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

Counts = dict[str, dict[str, int]]
"""By engine and cause; and under ``granules`` those ``read``, ``fetched`` and ``written``."""
COUNT_BYTES = COUNTER_BITS // 8
NUM_BYTES = (COUNTS.size + GRANULES.size) // 8


def unpack_counts(packed: np.ndarray) -> Counts:
    """Counters from the core's outputs ``counts`` and ``granules`` (uint8 [NUM_BYTES], one behind the other)."""
    places = [(engine.name.lower(), cause) for engine in Engine for cause in COUNTS[engine.name.lower()].shape.members]
    places += [("granules", name) for name in GRANULES.members]
    counts: Counts = {engine.name.lower(): dict.fromkeys(CAUSES, 0) for engine in Engine} | {"granules": {}}
    for i, (engine, cause) in enumerate(places):
        counts[engine][cause] = int.from_bytes(packed[COUNT_BYTES * i:COUNT_BYTES * (i + 1)].tobytes(), "little")
    return counts


def expected_counts(program: Sequence[Instruction], spec: ChipSpec, timeline: Timeline) -> Counts:
    """What the counters must say, from the simulator."""
    granule, traffic = spec.memory.granule_bytes, count_traffic(program, spec)
    return count_cycles(program, spec, timeline) | {"granules": {
        "read": sum(read for read, _ in traffic) // granule, "fetched": fetched_bytes(program, spec) // granule,
        "written": sum(written for _, written in traffic) // granule}}


def differing_count(expected: Counts, found: Counts) -> str:
    """A sentence for the first counter that differs; empty when none does."""
    for group, counts in expected.items():
        for name, count in counts.items():
            if count != found[group][name]:
                return (f"counter {group}.{name} must be {count}, as on the simulator, not {found[group][name]} as on "
                        "the hardware")
    return ""
