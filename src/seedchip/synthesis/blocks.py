"""The blocks of the table: which part of the chip an instance belongs to. One line for each block."""

from __future__ import annotations

from fnmatch import fnmatchcase

BLOCKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("array", ("matrix.array", "matrix.array.*")),
    ("matrix control", ("matrix", "matrix.*")),
    ("vector lanes", ("vector.execute.lane_*",)),
    ("vector combine", ("vector.combine", "vector.combine.*", "vector.fold", "vector.fold.*")),
    ("vector reader", ("vector.reader", "vector.reader.*")),
    ("vector control", ("vector", "vector.*")),
    ("DMA", ("load", "load.*", "store", "store.*", "gather", "gather.*")),
    ("sequencer", ("fetch", "fetch.*", "dispatch", "dispatch.*", "issue", "issue.*", "*_queue")),
    ("scratchpad glue", ("scratchpad", "scratchpad.*")),
    ("other memories' glue", ("parameter", "parameter.*", "accumulator", "accumulator.*")),
    ("counters", ("counters", "counters.*", "*_counters", "*_counters.*")),
    ("host registers", ("registers", "registers.*", "host", "host.*", "run_control", "run_control.*")),
    ("AXI", ("axi*", "memory", "memory.*", "bridge", "bridge.*")),
)
"""A block and the patterns of the paths of its instances, seen from the core; the first that fits decides."""
REST = "top"


def block_of(path: tuple[str, ...]) -> str:
    """The block of the instance at ``path``, a path from the top."""
    inside = path[1:] if path[:1] == ("core",) else path
    dotted = ".".join(inside)
    return next((name for name, patterns in BLOCKS if any(fnmatchcase(dotted, p) for p in patterns)), REST)


def block_names() -> tuple[str, ...]:
    """All blocks in the order of the table."""
    return (*(name for name, _ in BLOCKS), REST)
