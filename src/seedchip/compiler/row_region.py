"""Regions without a matrix product: maps and row reductions, alone or behind a window."""

from __future__ import annotations

import itertools
from math import prod
from typing import TYPE_CHECKING

from seedchip.compiler.rowcode import Step, Tile
from seedchip.compiler.space import OutOfSpace
from seedchip.compiler.tile_run import LOADED, Box, TileRun
from seedchip.compiler.transfer import load
from seedchip.compiler.view import View, row_bytes, standard, standard_bytes
from seedchip.compiler.window import Axis
from seedchip.graph.ops import Map, Pool
from seedchip.numerics.expression import Expression, argument, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seedchip.compiler.builder import Builder
    from seedchip.compiler.placement import Placement
    from seedchip.compiler.region import Region
    from seedchip.graph.ir import Node

def row_steps(region: Region, builder: Builder, placement: Placement, new_run: Callable[[], TileRun],
              share: float) -> Iterator[None]:
    """Emit a region tile by tile, each in ``share`` of the scratchpad; yields after each. Raises `OutOfSpace`."""
    first = _fused(region)
    nodes = region.nodes[(region.head is not None) + (first is not None):]
    for box in _boxes(region, placement, builder.spec.scratchpad.bytes * share):
        run = new_run()
        if region.head is not None:
            _window(run, region, box, first)
        run.run(nodes, box)
        run.finish()
        yield


def _boxes(region: Region, placement: Placement, budget: float) -> Iterator[Box]:
    rows, columns = _tile_shape(region, placement, budget)
    axes = [[(s, min(size, n - s)) for s in range(0, n, size)] for n, size in zip(region.rows, rows, strict=True)]
    for cut in itertools.product(*axes):
        for first in range(0, region.columns, columns):
            yield Box(tuple(s for s, _ in cut), tuple(n for _, n in cut), first, min(first + columns, region.columns))


def _tile_shape(region: Region, placement: Placement, budget: float) -> tuple[tuple[int, ...], int]:
    """Rows and columns of a tile: whole inner axes first, then a piece of the next; columns are cut only when they must
    be."""
    columns = region.columns
    while _bytes(region, placement, (1,) * len(region.rows), columns) > budget:
        granule = placement.granule
        if region.needs_whole_rows or columns <= granule:
            raise OutOfSpace
        columns = max(granule, -(-columns // 2 // granule) * granule)
    rows = [1] * len(region.rows)
    for axis in reversed(range(len(rows))):
        size = region.rows[axis]
        while size > 1 and _bytes(region, placement, (*rows[:axis], size, *rows[axis + 1:]), columns) > budget:
            size = -(-size // 2)
        rows[axis] = size
        if size < region.rows[axis]:
            break
    return tuple(rows), columns


def _bytes(region: Region, placement: Placement, rows: tuple[int, ...], columns: int) -> float:
    """Scratchpad bytes of a tile: every tensor that it touches."""
    names = dict.fromkeys(name for n in region.nodes for name in (*n.inputs, n.output))
    total = 0.0
    for name in names:
        t = placement.graph.types[name]
        if name in placement.graph.constants and t.num_elements in (1, t.shape[-1]):
            continue
        box = Box((0,) * len(rows), rows, 0, columns)
        if region.head is not None and name == region.head.inputs[0]:
            total += _image_bytes(region, placement, rows, columns)
        else:
            total += standard_bytes(box.cut(t.shape or (1,))[1], t.dtype, placement.granule) + placement.spec.line_bytes
    return total


def _axis(op: Pool, axis: int, limit: int) -> Axis:
    return Axis(op.kernel[axis], op.strides[axis], op.dilations[axis], op.pads[axis], limit)


def _image_bytes(region: Region, placement: Placement, rows: tuple[int, ...], columns: int) -> float:
    assert region.head is not None
    op = region.head.op
    assert isinstance(op, Pool)
    t = placement.graph.types[region.head.inputs[0]]
    size = [min(_axis(op, i, t.shape[1 + i]).reach(rows[-2 + i]), t.shape[1 + i]) for i in (0, 1)]
    return prod(size) * row_bytes(max(columns, 2), t.dtype, placement.granule)


def _fused(region: Region) -> Node | None:
    """The map that the window's instruction computes on the way: the only reader of the window's result."""
    if region.head is None or len(region.nodes) < 2 or region.head.output in region.outputs:
        return None
    node, name = region.nodes[1], region.head.output
    alone = isinstance(node.op, Map) and sum(n.inputs.count(name) for n in region.nodes) == 1
    return node if alone and name in node.inputs else None


def _window(run: TileRun, region: Region, box: Box, fused: Node | None) -> None:
    """The window's result, or of the map behind it, for each image of the box."""
    assert region.head is not None
    head, op = region.head, region.head.op
    assert isinstance(op, Pool)
    last = fused or head
    source = run.placement.view(head.inputs[0])
    others = [run.operand(n, box) for n in last.inputs if n != head.output] if fused else []
    expression = _window_first(fused, head.output) if fused else argument(0)
    out = run.target(last.output, box)
    granule, columns = run.placement.granule, box.last - box.first
    first_y, height, origin_y = _axis(op, 0, source.shape[1]).span(box.starts[1], box.sizes[1])
    first_x, width, origin_x = _axis(op, 1, source.shape[2]).span(box.starts[2], box.sizes[2])
    pitch = row_bytes(max(columns, 2), source.dtype, granule)
    window = {"tap_y": op.kernel[0], "tap_x": op.kernel[1], "step_y": op.strides[0], "step_x": op.strides[1],
              "dilation_y": op.dilations[0], "dilation_x": op.dilations[1], "origin_y": origin_y, "origin_x": origin_x,
              "limit_y": height, "limit_x": width}
    for image in range(box.sizes[0]):
        part = source.slice((box.starts[0] + image, first_y, first_x, box.first), (1, height, width, columns))
        buffer = run.builder.allocate(height * width * pitch, LOADED)
        local = standard(buffer.address, (height, width, max(columns, 2)), source.dtype, granule)
        local = local.slice((0, 0, 0), (height, width, columns))
        load(run.builder, _one(part, 0), local)
        step = Step(expression, tuple(_one(o, image) if isinstance(o, View) else o for o in others))
        run.rowcode.window(Tile(box.sizes[1:], box.first, box.last), local, window, op.kind, step, _one(out, image))
        run.builder.scratchpad.free(buffer, run.builder.now)
    if last.output in region.outputs:
        run.store(last.output, out, box)


def _one(view: View, image: int) -> View:
    """One image of a view [n, y, x, columns]."""
    return View(view.address + image * view.strides[0], view.shape[1:], view.strides[1:], view.dtype)


def _window_first(node: Node, name: str) -> Expression:
    """The map's expression with the window's result as argument 0 and the others in order behind it."""
    assert isinstance(node.op, Map)
    place = node.inputs.index(name)
    order = [argument(0) if i == place else argument(1 + i - (i > place)) for i in range(len(node.inputs))]
    return substitute(node.op.expression, order)
