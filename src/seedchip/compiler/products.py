"""From a matrix head of a region to the operands, rows and costs that tiling and emission work with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from seedchip.compiler.activations import Activations, Image, Rows
from seedchip.compiler.tiling import Product
from seedchip.compiler.weights import PackedWeights, RuntimeKernels, RuntimeWeights, Weights
from seedchip.graph.ops import Conv, Map, MatMul
from seedchip.numerics.expression import num_operations

if TYPE_CHECKING:
    from seedchip.compiler.placement import Placement
    from seedchip.compiler.region import Region
    from seedchip.compiler.view import View
    from seedchip.graph.ir import Graph, Node


@dataclass(frozen=True)
class Operands:
    """Both operands, and the region's row axes as the product sees them."""

    activations: Activations
    weights: Weights
    rows: tuple[int, ...]


def block_channels(columns: int, conv: Conv, shape: tuple[int, ...]) -> int:
    """Input channels that one tile of output columns of a grouped convolution reads, or 0 when tiles straddle groups.
    """
    per_group = shape[3] // conv.groups
    if columns % per_group == 0:
        return columns // per_group * shape[2]
    return 0


def operands(region: Region, placement: Placement, packed_inputs: set[str]) -> Operands:
    """How the head reads its operands."""
    head = region.nodes[0]
    if isinstance(head.op, MatMul):
        return _matmul(region, head, placement)
    assert isinstance(head.op, Conv)
    return _conv(region, head, head.op, placement, packed_inputs)


def _matmul(region: Region, head: Node, placement: Placement) -> Operands:
    rows = region.rows
    a_views = {n: _expanded(placement.view(n), rows[:-1]) for n in head.inputs[::2]}
    channels = next(iter(a_views.values())).shape[-1]
    b_shape = placement.graph.types[head.inputs[1]].shape
    shared = prod(b_shape[:-2]) == 1
    if all(n in placement.graph.constants for n in head.inputs[1::2]) and shared:
        weights: Weights = PackedWeights(placement.spec, placement, (1, 1, b_shape[-2], b_shape[-1]))
    else:
        views = {n: _matrix(placement.view(n)) if shared else _expanded(placement.view(n), rows[:-1])
                 for n in head.inputs[1::2]}
        weights = RuntimeWeights(placement.spec, views, shared)
    flat = _flatten(region, a_views, placement) if shared else None
    if flat is not None:
        return Operands(Rows(flat, placement.spec, channels), weights, (prod(rows),))
    return Operands(Rows(a_views, placement.spec, channels), weights, rows)


def _expanded(view: View, batch: tuple[int, ...]) -> View:
    return view.expand((*batch, *view.shape[-2:]))


def _matrix(view: View) -> View:
    """The only matrix of a view whose leading axes are 1."""
    return replace(view, shape=view.shape[-2:], strides=view.strides[-2:])


def _conv(region: Region, head: Node, op: Conv, placement: Placement, packed_inputs: set[str]) -> Operands:
    spec, graph = placement.spec, placement.graph
    views = {n: placement.view(n) for n in head.inputs[::2]}
    shape = graph.types[head.inputs[1]].shape
    constant = all(n in graph.constants for n in head.inputs[1::2])
    packed = head.inputs[0] in packed_inputs
    block = block_channels(spec.matrix.columns, op, shape) if op.groups > 1 else 0
    kernel: Weights
    if constant:
        whole = (shape[0], shape[1], block or shape[2], shape[3])
        kernel = PackedWeights(spec, placement, whole, packed, op.groups)
    else:
        kernel = RuntimeKernels(spec, {n: placement.view(n) for n in head.inputs[1::2]})
    if shape[:2] == (1, 1) and op.groups == 1 and not any(op.pads) and not packed:
        n, y, x = region.rows
        sy, sx = op.strides
        pixels = {k: v.slice((0,) * 4, (n, y, x, v.shape[3]), (1, sy, sx, 1)) for k, v in views.items()}
        flat = _flatten(region, pixels, placement)
        rows = region.rows if flat is None else (prod(region.rows),)
        return Operands(Rows(flat or pixels, spec, shape[2]), kernel, rows)
    return Operands(Image(views, spec, op, (shape[0], shape[1]), packed, block), kernel, region.rows)


def _flatten(region: Region, a_views: dict[str, View], placement: Placement) -> dict[str, View] | None:
    """Operand A as one list of rows, when every tensor of the region can be walked so; their views are flattened too.
    """
    count = prod(region.rows)
    types = placement.graph.types
    outside = dict.fromkeys(n for node in region.nodes[1:] for n in node.inputs if n not in region.inner)
    tensors = [n for n in outside if n not in placement.graph.constants or _is_tensor(types[n].shape)]
    if any(types[n].shape[:-1] != region.rows for n in tensors):
        return None
    flat = {n: v.reshape((count, v.shape[-1])) for n, v in a_views.items()}
    if any(v is None for v in flat.values()):
        return None
    for name in [*tensors, *region.outputs]:
        view = placement.view(name)
        if view.reshape((count, view.shape[-1])) is None:
            return None
    return {n: v for n, v in flat.items() if v is not None}


def _is_tensor(shape: tuple[int, ...]) -> bool:
    """Not a single element, and not one element a column."""
    return prod(shape) not in (1, shape[-1])


def product_depth(head: Node, graph: Graph) -> int:
    """Length of a product's inner sums."""
    weights = graph.types[head.inputs[1]].shape
    return weights[-2] if isinstance(head.op, MatMul) else prod(weights[:3])


def product(region: Region, found: Operands, placement: Placement, share: float) -> Product:
    """Numbers for the tiling."""
    graph, head = placement.graph, region.nodes[0]
    columns = found.weights.columns
    tail = region.nodes[1:]
    outside = [n for n in dict.fromkeys(name for node in tail for name in node.inputs)
               if n not in region.inner and (n not in graph.constants or _is_tensor(graph.types[n].shape))]
    item = {"int8": 1, "int32": 4, "float32": 4}

    def size(names: list[str]) -> float:
        types = [graph.types[n] for n in names]
        return sum(item[t.dtype] * (t.shape[-1] / columns) for t in types if t.shape)

    slots = sum(max(1, num_operations(n.op.expression)) if isinstance(n.op, Map) else 2 for n in tail) or 1
    return Product(
        spec=placement.spec, activations=found.activations, weights=found.weights, rows=found.rows,
        num_pairs=len(head.inputs) // 2, num_activations=len(set(head.inputs[::2])), loaded_bytes=size(outside),
        stored_bytes=size(region.outputs), row_bytes=_row_bytes(region, graph),
        slots=slots, whole_rows=region.needs_whole_rows, windows=isinstance(found.activations, Image),
        scratchpad_share=share)


def flattened(region: Region, placement: Placement, rows: tuple[int, ...]) -> Region:
    """The region over other row axes; the views of its tensors are reshaped to match."""
    if rows == region.rows:
        return region
    return replace(region, rows=rows)


def _row_bytes(region: Region, graph: Graph) -> float:
    """Scratchpad bytes a row that the tail's own results take at their peak, results that live only inside a map's
    place or a reduction left out; what reads the sums is counted twice, for the next tile fills it meanwhile."""
    item = {"int8": 1, "int32": 4, "float32": 4}
    size = {n.output: item[graph.types[n.output].dtype] * graph.types[n.output].shape[-1] for n in region.nodes[1:]
            if graph.types[n.output].shape}
    last = {name: i for i, n in enumerate(region.nodes) for name in n.inputs}
    live: set[str] = set()
    peak = 0.0
    for i, node in enumerate(region.nodes[1:], 1):
        reused = next((n for n in node.inputs if n in live and last[n] == i and isinstance(node.op, Map)
                       and size[n] == size.get(node.output)), None)
        live = (live - {reused}) | ({node.output} & size.keys())
        peak = max(peak, sum(size[n] for n in live))
        live = {n for n in live if last.get(n, -1) > i}
    head = region.nodes[0].output
    first = sum(size[n.output] for n in region.nodes[1:] if head in n.inputs and n.output in size)
    return peak + first if region.needs_whole_rows else 0.0
