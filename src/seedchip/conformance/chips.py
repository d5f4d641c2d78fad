"""Chips for hardware tests: the smallest preset, and one on which every two sizes differ."""

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
