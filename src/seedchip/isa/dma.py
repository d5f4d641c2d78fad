"""Transfers between external memory and the core: `Load`, `Store`, and `Halt`, which ends a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa.instruction import Engine, Instruction, bits

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

SCRATCHPAD, PARAMETER = 0, 1
INDEX_BYTES = 4
POSITIVE = ("run_bytes", "count0", "count1", "count2")
"""Fields of a transfer that must not be 0."""
GRANULES = ("memory_address", "memory_stride0", "memory_stride1", "memory_stride2", "run_bytes")
"""Fields of a gather that are multiples of the memory granule."""
GATHER_SETUP_CYCLES = 6
"""From the start of a gather to its first beat, beyond those of other transfers: an index is read (two cycles), counted
from the end or found to be outside, multiplied by the stride (two cycles), and queued. Further rows follow gaplessly.
"""


class Load(Instruction, opcode=0x01, num_words=1, engine=Engine.LOAD):
    """Copy runs of bytes from memory (or a fill value) into the scratchpad or the parameter memory.

    for i2, i1, i0: copy ``run_bytes`` from memory_address + sum(i * memory_stride) to local_address + sum(i *
    local_stride). With ``gather``, run i0 comes from row index[i0] of a table at memory_address instead: int32 indices
    lie at index_address in the scratchpad, a negative index counts from the end, and an index outside the table gives
    zeros (row 0 is read in its stead: time does not depend on indices). Address, memory strides and run are then
    multiples of the memory granule. Indices are read ahead of rows and must not be overwritten by them.
    """

    memory_address: int = bits(40, "first byte in memory")
    local_address: int = bits(24, "first byte in the scratchpad or parameter memory")
    space: int = bits(1, "0 scratchpad, 1 parameter memory")
    run_bytes: int = bits(20, "bytes of a run", 1)
    count0: int = bits(16, "runs in the innermost loop", 1)
    count1: int = bits(16, "iterations of the middle loop", 1)
    count2: int = bits(16, "iterations of the outermost loop", 1)
    memory_stride0: int = bits(32, "bytes", signed=True)
    memory_stride1: int = bits(32, "bytes", signed=True)
    memory_stride2: int = bits(32, "bytes", signed=True)
    local_stride0: int = bits(24, "bytes", signed=True)
    local_stride1: int = bits(24, "bytes", signed=True)
    local_stride2: int = bits(24, "bytes", signed=True)
    fill: int = bits(1, "write fill_value; memory is not read")
    fill_value: int = bits(8, "byte that a fill writes")
    gather: int = bits(1, "rows are chosen by indices")
    index_address: int = bits(24, "first index in the scratchpad")
    table_rows: int = bits(32, "rows of the table that is gathered from")


class Store(Instruction, opcode=0x02, num_words=1, engine=Engine.STORE):
    """Copy runs of bytes from the scratchpad to memory: the loops of `Load`, the other way."""

    memory_address: int = bits(40, "first byte in memory")
    local_address: int = bits(24, "first byte in the scratchpad")
    run_bytes: int = bits(20, "bytes of a run", 1)
    count0: int = bits(16, "runs in the innermost loop", 1)
    count1: int = bits(16, "iterations of the middle loop", 1)
    count2: int = bits(16, "iterations of the outermost loop", 1)
    memory_stride0: int = bits(32, "bytes", signed=True)
    memory_stride1: int = bits(32, "bytes", signed=True)
    memory_stride2: int = bits(32, "bytes", signed=True)
    local_stride0: int = bits(24, "bytes", signed=True)
    local_stride1: int = bits(24, "bytes", signed=True)
    local_stride2: int = bits(24, "bytes", signed=True)


class Halt(Instruction, opcode=0x3F, num_words=1, engine=None):
    """End of the program: the core is done when every engine has completed what was dispatched before."""


def num_granules(transfer: Load | Store, spec: ChipSpec) -> int:
    """Memory granules that the runs touch, each run counted by itself."""
    g = spec.memory.granule_bytes
    counts = (transfer.count0, transfer.count1, transfer.count2)
    strides = (transfer.memory_stride0, transfer.memory_stride1, transfer.memory_stride2)
    runs = counts[0] * counts[1] * counts[2]
    start = transfer.memory_address % g
    if isinstance(transfer, Load) and transfer.gather:
        return runs * -(-transfer.run_bytes // g)
    if all(s % g == 0 or n == 1 for n, s in zip(counts, strides, strict=True)):
        return runs * ((start + transfer.run_bytes - 1) // g + 1)
    residues = np.bincount([start], minlength=g)  # how many runs begin at each byte of a granule
    for n, s in zip(counts, strides, strict=True):
        period = np.arange(g) * s % g
        full = np.bincount(period, minlength=g) * (n // g) + np.bincount(period[: n % g], minlength=g)
        residues = np.array([sum(residues[(r - k) % g] * full[k] for k in np.flatnonzero(full)) for r in range(g)])
    return int((residues * ((np.arange(g) + transfer.run_bytes - 1) // g + 1)).sum())


def transfer_cycles(transfer: Load | Store, spec: ChipSpec) -> int:
    """Cycles for which a transfer holds the memory port; a fill holds none and writes a scratchpad line a cycle.

    A gather holds it from its start on, while it finds its first row.
    """
    if isinstance(transfer, Load) and transfer.fill:
        runs = transfer.count0 * transfer.count1 * transfer.count2
        return runs * -(-transfer.run_bytes // spec.line_bytes)
    rate = spec.memory.bytes_per_cycle
    cycles = -(-num_granules(transfer, spec) * spec.memory.granule_bytes // rate)
    runs = transfer.count0 * transfer.count1 * transfer.count2
    setup = GATHER_SETUP_CYCLES if isinstance(transfer, Load) and transfer.gather else 0
    return setup + max(cycles, runs)
