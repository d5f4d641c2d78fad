"""Regions to instructions, in order."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from seedchip.compiler.matrix_region import MatrixEmitter
from seedchip.compiler.moves import Mover
from seedchip.compiler.parameters import ParameterCache
from seedchip.compiler.placement import CompileError
from seedchip.compiler.products import flattened, operands, product
from seedchip.compiler.row_region import emit_rows
from seedchip.compiler.rowcode import RowCode
from seedchip.compiler.space import OutOfSpace
from seedchip.compiler.tile_run import TileRun
from seedchip.compiler.tiling import choose
from seedchip.graph.ops import Conv, MatMul
from seedchip.program import Layer

if TYPE_CHECKING:
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.placement import Placement
    from seedchip.compiler.region import Region
    from seedchip.graph.ir import Graph, Node

_SHARES = (0.95, 0.8, 0.65, 0.5, 0.35)
"""Parts of the scratchpad that a tiling may count on; the next is tried when allocation finds no stretch long enough."""


def emit_regions(regions: list[Region], builder: Builder, placement: Placement,
                 packed: set[str]) -> tuple[list[Layer], list[str]]:
    """Emit all regions; the layer table and one line on each region's tiling."""
    emitter = _Emitter(builder, placement, packed)
    layers, lines = [], []
    for region in regions:
        first = builder.now
        line = emitter.emit(region)
        lines.append(f"{region}: {line}")
        if builder.now > first:
            source = next((n.source for n in region.nodes if n.source), region.nodes[0].output)
            operation = "+".join(dict.fromkeys(n.op.name for n in region.nodes))
            layers.append(Layer(source, operation, first, builder.now, sum(_macs(n, placement.graph) for n in region.nodes)))
    return layers, lines


class _Emitter:
    def __init__(self, builder: Builder, placement: Placement, packed: set[str]) -> None:
        self.builder, self.placement, self.packed = builder, placement, packed
        self.rowcode = RowCode(builder, ParameterCache(builder, placement))
        self.mover = Mover(builder, placement)

    def emit(self, region: Region) -> str:
        if region.is_move:
            self.mover.emit(region.nodes[0])
            return "moved"
        for name in region.outputs:
            if name not in self.placement.views:
                self.placement.new(name)
        if region.head is not None and isinstance(region.head.op, (MatMul, Conv)):
            return self._matrix(region)
        return self._rows(region)

    def _rows(self, region: Region) -> str:
        for share in (0.4, 0.25, 0.8):
            try:
                mark = self.builder.mark()
                emit_rows(region, self.builder, self.placement, lambda: self._run(region), share)
                return "row tiles"
            except OutOfSpace:
                self.builder.rewind(mark)
        raise self._too_large(region)

    def _matrix(self, region: Region) -> str:
        found = operands(region, self.placement, self.packed)
        region = flattened(region, self.placement, found.rows)
        for share in _SHARES:
            tiling = choose(product(region, found, self.placement, share))
            if tiling is None:
                continue
            try:
                mark = self.builder.mark()
                MatrixEmitter(region, self.builder, found.activations, found.weights, tiling,
                              lambda: self._run(region)).emit()
                return str(tiling)
            except OutOfSpace:
                self.builder.rewind(mark)
        raise self._too_large(region)

    def _run(self, region: Region) -> TileRun:
        return TileRun(region, self.builder, self.placement, self.rowcode)

    def _too_large(self, region: Region) -> CompileError:
        node = region.nodes[0]
        return CompileError(f"{node.source or node.output}: no tile of this {node.op.name} fits the {self.builder.spec.scratchpad.bytes}-"
                            f"byte scratchpad of chip {self.builder.spec.name}; choose a chip with a larger scratchpad")


def _macs(node: Node, graph: Graph) -> int:
    """Multiply-accumulates of the network's own arithmetic."""
    if not isinstance(node.op, (MatMul, Conv)):
        return 0
    weights = graph.types[node.inputs[1]].shape
    depth = weights[-2] if isinstance(node.op, MatMul) else prod(weights[:3])
    return graph.types[node.output].num_elements * depth * (len(node.inputs) // 2)
