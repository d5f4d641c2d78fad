"""Copies between memory and the core's memories: views in, as few transfers as possible out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from seedchip.compiler.builder import MEMORY, PARAMETER, SCRATCHPAD, Access, Builder
from seedchip.compiler.view import View, collapse
from seedchip.isa import Load, Store

if TYPE_CHECKING:
    from seedchip.isa import Instruction

_MAX_COUNT = (1 << 16) - 1
_MAX_RUN = (1 << 20) - 1


def access(space: str, view: View) -> Access:
    low, high = view.extent
    return Access(space, low, high - low)


def load(builder: Builder, source: View, target: View) -> None:
    """Memory to scratchpad. Views have equal shapes."""
    _copy(builder, Load, source, target)


def store(builder: Builder, source: View, target: View) -> None:
    """Scratchpad to memory."""
    _copy(builder, Store, target, source)


def load_parameters(builder: Builder, memory_address: int, local_address: int, size: int) -> None:
    """One run of bytes into the parameter memory."""
    for done in range(0, size, _MAX_RUN):
        run = min(_MAX_RUN, size - done)
        builder.emit(Load, [Access(MEMORY, memory_address + done, run)],
                     [Access(PARAMETER, local_address + done, run)], memory_address=memory_address + done,
                     local_address=local_address + done, run_bytes=run, space=1)


def fill(builder: Builder, target: View, value: int) -> None:
    """Write one byte value all over a view in the scratchpad (a standard view: padding included)."""
    low, high = target.extent
    for start in range(low, high, _MAX_RUN):
        run = min(_MAX_RUN, high - start)
        builder.emit(Load, [], [Access(SCRATCHPAD, start, run)], local_address=start, run_bytes=run, fill=1,
                     fill_value=value & 0xFF)


def _copy(builder: Builder, cls: type[Instruction], memory: View, local: View) -> None:
    if 0 in memory.shape:
        return
    shape, strides, run = _loops(memory, local, may_copy_gaps=cls is Load)
    while len(shape) < 3:
        shape, strides = (1, *shape), [(0, *s) for s in strides]
    outer = shape[:-3]
    for index in itertools.product(*(range(n) for n in outer)):
        shift = [sum(i * s for i, s in zip(index, st, strict=False)) for st in strides]
        _pieces(builder, cls, replace(memory, address=memory.address + shift[0]),
                replace(local, address=local.address + shift[1]), (shape[-3:], [s[-3:] for s in strides], run))


def _loops(memory: View, local: View, *, may_copy_gaps: bool) -> tuple[tuple[int, ...], list[tuple[int, ...]], int]:
    """Loops around a run of bytes. Adjacent rows become one run, with the padding between them where that does no harm.
    """
    item = memory.item
    if memory.contiguous and local.contiguous and memory.shape:
        run, axes = memory.shape[-1] * item, len(memory.shape) - 1
    else:
        run, axes = item, len(memory.shape)
    shape, strides = collapse(memory.shape[:axes], [memory.strides[:axes], local.strides[:axes]])
    gap = strides[0][-1] - run if shape and strides[0][-1] == strides[1][-1] else -1
    if 0 <= gap < (64 * item if may_copy_gaps else 1):
        joined = (shape[-1] - 1) * strides[0][-1] + run
        if joined <= _MAX_RUN:
            run, shape, strides = joined, shape[:-1], [s[:-1] for s in strides]
    return shape, strides, run


def _pieces(builder: Builder, cls: type[Instruction], memory: View, local: View,
            loops: tuple[tuple[int, ...], list[tuple[int, ...]], int]) -> None:
    """One instruction, or several when a count or run does not fit its field."""
    shape, (far, near), run = loops
    if run > _MAX_RUN:
        for done in range(0, run, _MAX_RUN):
            piece = (shape, [far, near], min(_MAX_RUN, run - done))
            _pieces(builder, cls, replace(memory, address=memory.address + done),
                    replace(local, address=local.address + done), piece)
        return
    axis = next((i for i, n in enumerate(shape) if n > _MAX_COUNT), None)
    if axis is not None:
        for done in range(0, shape[axis], _MAX_COUNT):
            sizes = (*shape[:axis], min(_MAX_COUNT, shape[axis] - done), *shape[axis + 1:])
            _pieces(builder, cls, replace(memory, address=memory.address + done * far[axis]),
                    replace(local, address=local.address + done * near[axis]), (sizes, [far, near], run))
        return
    accesses = [_span(MEMORY, memory.address, shape, far, run), _span(SCRATCHPAD, local.address, shape, near, run)]
    reads, writes = accesses[:1], accesses[1:]
    if cls is Store:
        reads, writes = writes, reads
    loop_fields: dict[str, int] = {}
    for i in range(3):
        loop_fields |= {f"count{i}": shape[2 - i], f"memory_stride{i}": far[2 - i], f"local_stride{i}": near[2 - i]}
    builder.emit(cls, reads, writes, memory_address=memory.address, local_address=local.address, run_bytes=run,
                 **loop_fields)


def _span(space: str, address: int, shape: tuple[int, ...], strides: tuple[int, ...], run: int) -> Access:
    steps = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
    low = address + sum(min(s, 0) for s in steps)
    high = address + sum(max(s, 0) for s in steps) + run
    return Access(space, low, high - low)
