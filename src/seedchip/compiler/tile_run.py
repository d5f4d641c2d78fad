"""One tile of a region: its tensors on the chip, loaded when first used and freed after their last use."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.rowcode import Columns, Operand, RowCode, Single, Tile
from seedchip.compiler.transfer import load, store
from seedchip.compiler.view import View, standard, standard_bytes
from seedchip.graph.ops import Map, Reduce
from seedchip.numerics.expression import argument

if TYPE_CHECKING:
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.placement import Placement
    from seedchip.compiler.region import Region
    from seedchip.compiler.space import Buffer
    from seedchip.graph.ir import Node

LOADED, TEMPORARY, STORED = "loaded", "temporary", "stored"
"""Groups of scratchpad buffers: different engines use them at the same time, so they are kept in different banks."""


class Box:
    """A tile's place: ``starts`` and ``sizes`` over the region's row axes, and columns ``first`` to ``last``."""

    def __init__(self, starts: tuple[int, ...], sizes: tuple[int, ...], first: int, last: int) -> None:
        self.starts, self.sizes, self.first, self.last = starts, sizes, first, last

    def cut(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Starts and sizes of this box in a tensor whose axes may be 1 where it broadcasts."""
        shape = (1,) * (len(self.starts) + 1 - len(shape)) + shape
        starts = [0 if n == 1 else s for n, s in zip(shape, self.starts, strict=False)]
        sizes = [1 if n == 1 else s for n, s in zip(shape, self.sizes, strict=False)]
        columns = (0, 1) if shape[-1] == 1 else (self.first, self.last - self.first)
        return (*starts, columns[0]), (*sizes, columns[1])


class TileRun:
    """Runs the nodes behind a region's head on one box."""

    def __init__(self, region: Region, builder: Builder, placement: Placement, rowcode: RowCode) -> None:
        self.region, self.builder, self.placement, self.rowcode = region, builder, placement, rowcode
        self.graph = placement.graph
        self.locals: dict[str, Operand] = {}
        self.buffers: dict[str, Buffer] = {}
        self._lent: dict[str, str] = {}
        """tensors whose place a result has taken over"""

    def run(self, nodes: list[Node], box: Box) -> None:
        """Emit every node of ``nodes`` on ``box``; operands stay until `finish` or their last use in ``nodes``."""
        producer = {n.output: n for n in nodes}
        skipped = {n.inputs[0] for n in nodes if isinstance(n.op, Reduce) and self._folds(n.inputs[0], producer)}
        for i, node in enumerate(nodes):
            dead = self._dead(nodes, i, skipped)
            if node.output not in skipped:
                self._node(node, box, producer if node.op.name == "reduce" and node.inputs[0] in skipped else {}, dead)
            for name in dead & self.buffers.keys():
                self.drop(name)

    def _folds(self, name: str, producer: dict[str, Node]) -> bool:
        """A map that only one reduction reads is computed inside the reduction."""
        node = producer.get(name)
        return (node is not None and isinstance(node.op, Map) and node.op.dtype == "float32"
                and name not in self.region.outputs and self.graph.types[name].shape[-1] > 1
                and sum(n.inputs.count(name) for n in self.region.nodes) == 1)

    def _node(self, node: Node, box: Box, producer: dict[str, Node], dead: set[str]) -> None:
        inner = producer.get(node.inputs[0])
        for name in inner.inputs if inner else node.inputs:  # operands first: they are larger than a reduction's result
            self.operand(name, box)
        if isinstance(node.op, Map):
            self._reuse(node, box, dead)
        out = self.target(node.output, box)
        if isinstance(node.op, Reduce):
            expression = inner.op.expression if inner else argument(0)  # type: ignore[attr-defined]
            names = inner.inputs if inner else node.inputs
            operands = [self.operand(n, box) for n in names]
            self.rowcode.map(Tile(box.sizes, box.first, box.last), expression, operands, out, node.op.kind)
        else:
            assert isinstance(node.op, Map)
            self._map(node, node.op, box, out)
        if node.output in self.region.outputs:
            self.store(node.output, out, box)

    def _map(self, node: Node, op: Map, box: Box, out: View) -> None:
        operands = [self.operand(n, box) for n in node.inputs]
        if self._is_wide(node.output):
            self.rowcode.map(Tile(box.sizes, box.first, box.last), op.expression, operands, out)
            return
        count = prod(box.sizes)
        flat = [_packed(o, count) if isinstance(o, View) else o for o in operands]
        self.rowcode.map(Tile((), 0, count), op.expression, flat, _packed(out, count))

    def operand(self, name: str, box: Box) -> Operand:
        """The tensor on the chip: loaded on first use."""
        if name in self.locals:
            local = self.locals[name]
            return self._broadcast(local, box) if isinstance(local, View) else local
        if name in self.graph.constants:
            constant = _constant_operand(name, self.graph.constants[name])
            if constant is not None:
                return constant
        starts, sizes = box.cut(self.shape(name))
        view = self.view(name)
        view = view.expand((1,) * (len(sizes) - len(view.shape)) + view.shape).slice(starts, sizes)
        local = self._allocate(name, sizes, view.dtype, LOADED)
        load(self.builder, view, local)
        self.locals[name] = local
        return self._broadcast(local, box)

    def _broadcast(self, local: View, box: Box) -> View:
        """Stride 0 along row axes of size 1."""
        strides = tuple(0 if n == 1 else s for n, s in zip(local.shape[:-1], local.strides[:-1], strict=True))
        return View(local.address, (*box.sizes, local.shape[-1]), (*strides, local.strides[-1]), local.dtype)

    def target(self, name: str, box: Box) -> View:
        """Space for a node's result."""
        if name in self.locals:
            local = self.locals[name]
            assert isinstance(local, View)
            return local
        _, sizes = box.cut(self.shape(name))
        group = STORED if name in self.region.outputs else TEMPORARY
        local = self._allocate(name, sizes, self.graph.types[name].dtype, group)
        self.locals[name] = local
        return local

    def _allocate(self, name: str, sizes: tuple[int, ...], dtype: str, group: str) -> View:
        """The standard layout; a tile that is one column of a wider tensor has padded rows all the same."""
        granule = self.builder.spec.channel_granule
        padded = (*sizes[:-1], max(sizes[-1], 2)) if self._is_wide(name) else sizes
        size = standard_bytes(padded, dtype, granule) + self.builder.spec.line_bytes
        buffer = self.builder.allocate(size, group)
        self.buffers[name] = buffer
        return standard(buffer.address, padded, dtype, granule).slice((0,) * len(sizes), sizes)

    def _is_wide(self, name: str) -> bool:
        return self.shape(name)[-1] > 1

    def store(self, name: str, local: View, box: Box) -> None:
        starts, sizes = box.cut(self.shape(name))
        store(self.builder, local, self.view(name).slice(starts, sizes))

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, its row axes taken as one where the region's are."""
        shape = self.graph.types[name].shape or (1,)
        return (prod(shape[:-1]), shape[-1]) if len(shape) - 1 > len(self.region.rows) else shape

    def view(self, name: str) -> View:
        """Where the tensor lies in memory, in `shape`."""
        view = self.placement.view(name)
        flat = view.reshape(self.shape(name))
        if flat is None:
            raise ValueError(f"{name} was to be walked as {self.shape(name)}, which its layout {view} does not allow")
        return flat

    def _reuse(self, node: Node, box: Box, dead: set[str]) -> None:
        """Give the result the place of an operand of equal layout that is read here for the last time."""
        _, sizes = box.cut(self.shape(node.output))
        for name in node.inputs:
            local = self.locals.get(name)
            if (name in dead and name in self.buffers and isinstance(local, View) and local.shape == sizes
                    and self._is_wide(name) == self._is_wide(node.output)
                    and local.dtype == self.graph.types[node.output].dtype and node.output not in self.locals):
                self.locals[node.output] = local
                self.buffers[node.output] = self.buffers[name]
                self._lent[name] = node.output
                return

    def _dead(self, nodes: list[Node], index: int, skipped: set[str]) -> set[str]:
        """What no node behind ``index`` reads; a folded map's operands live until its reduction."""
        rest = nodes[index + 1:]
        needed = {name for n in rest for name in n.inputs}
        needed |= {name for n in nodes if n.output in skipped & needed for name in n.inputs}
        done = {name for n in nodes[: index + 1] for name in (n.output, *n.inputs)}
        return done - needed

    def drop(self, name: str) -> None:
        buffer = self.buffers.pop(name)
        if self._lent.pop(name, None) is None:
            self.builder.scratchpad.free(buffer, self.builder.now)
        self.locals.pop(name)

    def finish(self) -> None:
        for name in list(self.buffers):
            self.drop(name)


def _packed(view: View, count: int) -> View:
    """One-element rows as one row: whole, or a single element where the rows broadcast."""
    broadcasts = all(s == 0 or n == 1 for n, s in zip(view.shape, view.strides, strict=True))
    return View(view.address, (1 if broadcasts else count,), (view.item,), view.dtype)


def _constant_operand(name: str, value: np.ndarray) -> Columns | Single | None:
    """Constants that are no tensors: one element, or one for each column."""
    if value.size == 1:
        return Single(int(np.float32(value.reshape(())).view(np.int32)))
    return Columns(name) if value.shape[-1] == value.size else None
