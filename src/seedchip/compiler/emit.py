"""Regions to instructions, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.compiler.matrix_region import MatrixEmitter
from seedchip.compiler.moves import Mover
from seedchip.compiler.pairing import is_product, pair
from seedchip.compiler.parameters import ParameterCache
from seedchip.compiler.placement import CompileError
from seedchip.compiler.products import flattened, operands, product, product_depth
from seedchip.compiler.region import Region
from seedchip.compiler.row_region import row_steps
from seedchip.compiler.rowcode import RowCode
from seedchip.compiler.space import OutOfSpace
from seedchip.compiler.tile_run import TileRun
from seedchip.compiler.tiling import choose
from seedchip.graph.ops import Conv, MatMul
from seedchip.program import Layer

if TYPE_CHECKING:
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.placement import Placement
    from seedchip.graph.ir import Graph, Node

_PAIR_SHARE = 0.5
_ROW_SHARES = (0.45, 0.25, 0.7, 0.95)
_SHARES = (0.95, 0.8, 0.65, 0.5, 0.35)
"""Parts of the scratchpad that a tiling may count on; the next is tried when no free stretch is long enough."""


def emit_regions(regions: list[Region], builder: Builder, placement: Placement,
                 packed: set[str]) -> tuple[list[Layer], list[str]]:
    """Emit all regions; the layer table and one line on each region's tiling."""
    emitter = _Emitter(builder, placement, packed)
    layers, lines = [], []
    for group in pair(regions, placement.graph, placement.spec):
        first = builder.now
        for region, line in zip(group, emitter.emit(group), strict=True):
            lines.append(f"{region}: {line}")
        if builder.now > first:
            layers.append(_layer(group, (first, builder.now), placement.graph))
    return layers, lines


def _layer(group: list[Region], place: tuple[int, int], graph: Graph) -> Layer:
    """Regions whose tiles take turns are one layer."""
    sources = [next((n.source for n in r.nodes if n.source), r.nodes[0].output) for r in group]
    operations = ["+".join(dict.fromkeys(n.op.name for n in r.nodes)) for r in group]
    macs = sum(_macs(n, graph) for r in group for n in r.nodes)
    return Layer(" | ".join(sources), " | ".join(operations), *place, macs)


class _Emitter:
    def __init__(self, builder: Builder, placement: Placement, packed: set[str]) -> None:
        self.builder, self.placement, self.packed = builder, placement, packed
        self.rowcode = RowCode(builder, ParameterCache(builder, placement))
        self.mover = Mover(builder, placement)

    def emit(self, group: list[Region]) -> list[str]:
        """Emit one region, or two whose tiles take turns; a line on each one's tiling."""
        for region in group:
            for name in region.outputs:
                if not region.is_move and name not in self.placement.views:
                    self.placement.new(name)
        if len(group) == 2:
            try:
                mark = self.builder.mark()
                return self._in_turns([self._matrix_emitter(r, _PAIR_SHARE) for r in group])
            except (OutOfSpace, CompileError):
                self.builder.rewind(mark)
        return [self._one(region) for region in group]

    def _one(self, region: Region) -> str:
        if region.is_move:
            self.mover.emit(region.nodes[0])
            return "moved"
        for share in _SHARES if is_product(region) else _ROW_SHARES:
            try:
                mark = self.builder.mark()
                if is_product(region):
                    emitter = self._matrix_emitter(region, share)
                    tiling, steps = str(emitter.tiling), emitter.steps()
                else:
                    tiling = "row tiles"
                    steps = row_steps(region, self.builder, self.placement, lambda: self._run(region), share)
                for _ in steps:
                    pass
                return tiling
            except OutOfSpace:
                self.builder.rewind(mark)
        if len(region.nodes) > 1:
            return " then ".join(self._one(part) for part in self._halves(region))
        node = region.nodes[0]
        raise CompileError(f"{node.source or node.output}: no tile of this {node.op.name} fits the "
                           f"{self.builder.spec.scratchpad.bytes}-byte scratchpad of chip {self.builder.spec.name}; "
                           "choose a chip with a larger scratchpad")

    def _halves(self, region: Region) -> list[Region]:
        """The region in two, with a tensor in memory between them: the head and its tail, or half of the tail each."""
        cut = 1 if region.head is not None else len(region.nodes) // 2
        first, second = region.nodes[:cut], region.nodes[cut:]
        read = {name for n in second for name in n.inputs}
        given = [n.output for n in first if n.output in read or n.output in region.outputs]
        for name in given:
            if name not in self.placement.views:
                self.placement.new(name)
        return [Region(first, region.rows, region.columns, given),
                Region(second, region.rows, region.columns, [n for n in region.outputs if n not in given])]

    def _matrix_emitter(self, region: Region, share: float) -> MatrixEmitter:
        """The region with its tiling for a share of the scratchpad. Raises `OutOfSpace` when there is none."""
        found = operands(region, self.placement, self.packed)
        flat = flattened(region, self.placement, found.rows)
        tiling = choose(product(flat, found, self.placement, share))
        if tiling is None:
            raise OutOfSpace
        return MatrixEmitter(flat, self.builder, found.activations, found.weights, tiling, lambda: self._run(flat))

    def _in_turns(self, emitters: list[MatrixEmitter]) -> list[str]:
        """Tiles of all, each spread evenly over the whole stretch; the last region begins."""
        order = sorted(((step + 0.5) / e.num_steps, -i, i)
                       for i, e in enumerate(emitters) for step in range(e.num_steps))
        streams = [e.steps() for e in emitters]
        for _, _, i in order:
            next(streams[i])
        for stream in streams:
            for _ in stream:
                raise AssertionError("a region yields as often as num_steps says")
        return [str(e.tiling) for e in emitters]

    def _run(self, region: Region) -> TileRun:
        return TileRun(region, self.builder, self.placement, self.rowcode)


def _macs(node: Node, graph: Graph) -> int:
    """Multiply-accumulates of the network's own arithmetic."""
    if not isinstance(node.op, (MatMul, Conv)):
        return 0
    return graph.types[node.output].num_elements * product_depth(node, graph) * (len(node.inputs) // 2)
