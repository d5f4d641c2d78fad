"""Chips for hardware tests: the smallest preset, one on which every two sizes differ, and what long runs add."""

from dataclasses import replace

from seedchip.spec import ChipSpec, load
from seedchip.spec.load import parse

NANO = load("nano")
TINY: ChipSpec = parse({
    "clock": {"hz": 1_000_000},
    "matrix": {"rows": 4, "columns": 8, "pipeline_cycles": 5},
    "vector": {"lanes": 4, "pipeline_cycles": 15},
    "scratchpad": {"bytes": 8192, "banks": 8},
    "accumulator": {"bytes": 4096, "banks": 2},
    "parameter": {"bytes": 2048},
    "memory": {"bytes": 1 << 20, "channels": 1, "channel_bytes_per_cycle": 4, "granule_bytes": 4, "latency_cycles": 7},
    "sequencer": {"queue_depth": 2, "fetch_bytes": 256},
}, "tiny")
"""Two lane groups to a row of sums, more columns than rows, unaligned granules, and every pipeline at its shortest."""
SLOW = replace(TINY, name="slow", memory=replace(TINY.memory, latency_cycles=131),
               sequencer=replace(TINY.sequencer, queue_depth=8))
"""`TINY` with a memory that answers late, and queues that let engines run ahead of it."""
SOAKED = {spec.name: spec for spec in (TINY, SLOW, NANO, load("micro"))}
"""What `seedchip.conformance.soak` runs on, by name."""
