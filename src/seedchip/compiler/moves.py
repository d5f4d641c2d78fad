"""Operations that only move elements: as views where strides can say it, otherwise as copies through the scratchpad."""

from __future__ import annotations

import itertools
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.builder import MEMORY, SCRATCHPAD, Access
from seedchip.compiler.tile_run import LOADED
from seedchip.compiler.transfer import access, fill, load, store
from seedchip.compiler.view import View, standard, standard_bytes
from seedchip.graph.ops import Concat, Expand, Gather, MatMul, Pad, Reshape, Slice, Take, Transpose
from seedchip.graph.reference import convert
from seedchip.isa import Load

if TYPE_CHECKING:
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.placement import Placement
    from seedchip.compiler.space import Buffer
    from seedchip.graph.ir import Node

_SHARE = 0.25
"""Part of the scratchpad that one piece of a copy may fill."""


class Mover:
    """Emits the moves of a network."""

    def __init__(self, builder: Builder, placement: Placement) -> None:
        self.builder, self.placement = builder, placement
        self.graph = placement.graph
        self.consumers = self.graph.consumers()
        self._given = set(self.graph.outputs.values())

    def emit(self, node: Node) -> None:
        """Give ``node.output`` a view, copying if need be."""
        view = self._as_view(node)
        if view is not None and self._usable(node.output, view):
            self.placement.views[node.output] = view
            return
        if node.output not in self.placement.views:
            self.placement.new(node.output)
        self._copy_into(node, self.placement.views[node.output], view)

    def _as_view(self, node: Node) -> View | None:
        """The result as another way to walk the operand's bytes."""
        op = node.op
        shape = self.graph.types[node.output].shape or (1,)
        if isinstance(op, (Concat, Pad, Take, Gather)):
            return None
        source = self.placement.view(node.inputs[0])
        if isinstance(op, Transpose):
            return source.transpose(op.perm) if op.perm else source
        if isinstance(op, Reshape):
            return source.reshape(shape)
        if isinstance(op, Slice):
            return source.slice(op.starts, op.sizes, op.steps) if op.starts else source
        assert isinstance(op, Expand)
        return source.expand(shape)

    def _usable(self, name: str, view: View) -> bool:
        """Readers want runs along the last axis; only a product's operand B may run along K. The network's outputs are
        whole rows."""
        if name in self._given or name in self.placement.views:
            return False
        if view.contiguous:
            return True
        along_k = len(view.shape) >= 2 and view.strides[-2] == view.item and view.dtype == "int8"
        return along_k and all(isinstance(c.op, MatMul) and name in c.inputs[1::2] and name not in c.inputs[::2]
                               for c in self.consumers[name])

    # Copies --------------------------------------------------------------------------------------------------------

    def _copy_into(self, node: Node, target: View, source: View | None) -> None:
        op = node.op
        if isinstance(op, Concat):
            self._concat(node, target, op.axis)
        elif isinstance(op, Pad):
            self._pad(node, target, op)
        elif isinstance(op, Take):
            self._take(self.placement.view(node.inputs[0]), target, op)
        elif isinstance(op, Gather):
            self._gather(node, target)
        elif source is not None:
            self.copy(source, target)
        else:
            self._reshape(self.placement.view(node.inputs[0]), target)

    def _concat(self, node: Node, target: View, axis: int) -> None:
        start = 0
        for name in node.inputs:
            source = self.placement.view(name)
            starts = tuple(start if i == axis else 0 for i in range(len(target.shape)))
            part = target.slice(starts, source.shape)
            if source != part:
                self.copy(source, part)
            start += source.shape[axis]

    def _take(self, source: View, target: View, op: Take) -> None:
        """Indices in arithmetic progression are copied together."""
        done = 0
        for first, step, count in _progressions(op.indices):
            def cut(view: View, start: int, n: int, stride: int) -> View:
                starts = tuple(start if i == op.axis else 0 for i in range(len(view.shape)))
                sizes = tuple(n if i == op.axis else size for i, size in enumerate(view.shape))
                steps = tuple(stride if i == op.axis else 1 for i in range(len(view.shape)))
                return view.slice(starts, sizes, steps)

            self.copy(cut(source, first, count, step), cut(target, done, count, 1))
            done += count

    def _pad(self, node: Node, target: View, op: Pad) -> None:
        """The border is copied from one constant element; then the inside."""
        source = self.placement.view(node.inputs[0])
        value = convert(np.full((1,), op.value, np.float32), target.dtype)
        address = self.placement.constant_bytes(("element", target.dtype, float(op.value)), value)
        element = View(address, (1,) * len(target.shape), (0,) * len(target.shape), target.dtype)
        for axis, (before, after) in enumerate(zip(op.before, op.after, strict=True)):
            for start, size in ((0, before), (target.shape[axis] - after, after)):
                if size:
                    rest = len(target.shape) - axis - 1
                    starts = (*op.before[:axis], start, *(0,) * rest)
                    sizes = (*source.shape[:axis], size, *target.shape[axis + 1:])
                    self._border(element, target.slice(starts, sizes), value)
        self.copy(source, target.slice(op.before, source.shape))

    def _border(self, element: View, target: View, value: np.ndarray) -> None:
        if 0 in target.shape:
            return
        data = value.tobytes()
        if len(set(data)) > 1:
            self.copy(element.expand(target.shape), target)
            return
        for part in self._pieces(target):
            buffer, local = self._buffer(part.shape, part.dtype)
            fill(self.builder, local, data[0])
            store(self.builder, local, part)
            self.builder.scratchpad.free(buffer, self.builder.now)

    def _gather(self, node: Node, target: View) -> None:
        """Rows by index: the indices come to the scratchpad first."""
        table, indices = (self.placement.view(name) for name in node.inputs)
        g = self.builder.spec.memory.granule_bytes
        if not table.contiguous or table.strides[0] % g or table.address % g:
            granule = self.placement.granule
            address = self.placement.reserve(standard_bytes(table.shape, table.dtype, granule))
            whole = standard(address, table.shape, table.dtype, granule)
            self.copy(table, whole)
            table = whole
        count = prod(indices.shape)
        flat = indices.reshape((count,))
        if flat is None or not flat.contiguous:
            dense = self.placement.scratch((count,), "int32")
            self.copy(indices, dense.reshape(indices.shape) or dense)
            flat = dense
        width = table.shape[1] * table.item
        rows = target.reshape((count, table.shape[1]))
        assert rows is not None
        limit = int(self.builder.spec.scratchpad.bytes * _SHARE)
        step = max(1, min(count, limit // (rows.strides[0] + 4)))
        for start in range(0, count, step):
            n = min(step, count - start)
            index_buffer, index = self._buffer((n,), "int32")
            load(self.builder, flat.slice((start,), (n,)), index)
            buffer, local = self._buffer((n, table.shape[1]), table.dtype)
            low, high = table.extent
            self.builder.emit(Load, [Access(MEMORY, low, high - low), access(SCRATCHPAD, index)],
                              [access(SCRATCHPAD, local)], memory_address=table.address, local_address=local.address,
                              run_bytes=-(-width // g) * g,
                              count0=n, memory_stride0=table.strides[0], local_stride0=local.strides[0], gather=1,
                              index_address=index.address, table_rows=table.shape[0])
            store(self.builder, local, rows.slice((start, 0), (n, table.shape[1])))
            self.builder.scratchpad.free(buffer, self.builder.now)
            self.builder.scratchpad.free(index_buffer, self.builder.now)

    def _reshape(self, source: View, target: View) -> None:
        """Through a dense copy when neither side's rows can be walked in the other's shape."""
        back = target.reshape(source.shape)
        if back is not None:
            self.copy(source, back)
            return
        dense = self.placement.scratch(source.shape, source.dtype)
        self.copy(source, dense)
        flat = dense.reshape(target.shape)
        assert flat is not None
        self.copy(flat, target)

    def copy(self, source: View, target: View) -> None:
        """Memory to memory, piece by piece. Pieces are laid out in the scratchpad as the target wants them."""
        for from_part, to_part in zip(self._pieces(source), self._pieces(target), strict=True):
            buffer, local = self._buffer(to_part.shape, to_part.dtype)
            load(self.builder, from_part, local)
            store(self.builder, local, to_part)
            self.builder.scratchpad.free(buffer, self.builder.now)

    def _buffer(self, shape: tuple[int, ...], dtype: str) -> tuple[Buffer, View]:
        """A stretch of the scratchpad, and the standard view of it."""
        granule = self.builder.spec.channel_granule
        buffer = self.builder.allocate(standard_bytes(shape, dtype, granule), LOADED)
        return buffer, standard(buffer.address, shape, dtype, granule)

    def _pieces(self, view: View) -> list[View]:
        """The view in boxes that fit: cut along the first axes."""
        if 0 in view.shape:
            return []
        granule, limit = self.builder.spec.channel_granule, self.builder.spec.scratchpad.bytes * _SHARE
        size = list(view.shape)
        for axis in range(len(size)):
            while size[axis] > 1 and standard_bytes(tuple(size), view.dtype, granule) > limit:
                size[axis] = -(-size[axis] // 2)
            if standard_bytes(tuple(size), view.dtype, granule) <= limit:
                break
        starts = itertools.product(*(range(0, n, s) for n, s in zip(view.shape, size, strict=True)))
        return [view.slice(start, tuple(min(s, n - b) for b, s, n in zip(start, size, view.shape, strict=True)))
                for start in starts]


def _progressions(indices: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(first, step, count) of maximal arithmetic progressions, in order."""
    result, i = [], 0
    while i < len(indices):
        step = indices[i + 1] - indices[i] if i + 1 < len(indices) else 1
        j = i + 1
        while j < len(indices) and indices[j] - indices[j - 1] == step:
            j += 1
        result.append((indices[i], step, j - i))
        i = j
    return result


