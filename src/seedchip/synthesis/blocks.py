"""The blocks of the table: which part of the chip an instance belongs to. One line for each block."""

from __future__ import annotations

from fnmatch import fnmatchcase

BLOCKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("array", ("core.matrix.array",)),
    ("matrix control", ("core.matrix",)),
    ("vector lanes", ("core.vector.execute.lane_*",)),
    ("vector combine", ("core.vector.combine",)),
    ("vector reader", ("core.vector.reader",)),
    ("vector control", ("core.vector",)),
    ("DMA", ("core.load", "core.store")),
    ("sequencer", ("core.fetch", "core.dispatch", "core.issue", "core.*_queue")),
    ("scratchpad glue", ("core.scratchpad",)),
    ("other memories' glue", ("core.parameter", "core.accumulator")),
    ("counters", ("core.*_counter",)),
    ("host registers", ("registers", "control")),
    ("AXI", ("memory",)),
)
"""A block and the patterns of its instances' paths, what is inside them included; the first that fits decides."""
REST = "top"


def block_of(path: tuple[str, ...]) -> str:
    """The block of the instance at ``path``, names from the chip inwards."""
    beginnings = [".".join(path[:length]) for length in range(1, len(path) + 1)]
    return next((name for name, patterns in BLOCKS
                 if any(fnmatchcase(beginning, p) and beginning.count(".") == p.count(".")
                        for beginning in beginnings for p in patterns)), REST)


def block_names() -> tuple[str, ...]:
    """All blocks in the order of the table."""
    return (*(name for name, _ in BLOCKS), REST)
