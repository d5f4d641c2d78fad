"""Shapes, slices, joins and constant gathers: nothing is computed, elements are moved."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seedchip.frontend.builder import Builder, Tensor, graph_dtype
from seedchip.frontend.registry import Call, operator
from seedchip.graph import ops
from seedchip.numerics.expression import apply


@operator("Shape")
def shape(call: Call) -> np.ndarray:
    """Known at import, as every shape is."""
    sizes = call.shape(0)
    return np.array(sizes[slice(call.attr("start", 0), call.attr("end"))], np.int64)


@operator("Size")
def size(call: Call) -> np.ndarray:
    """Known at import, as every shape is."""
    return np.array(math.prod(call.shape(0)), np.int64)


@operator("Reshape")
def reshape(call: Call) -> Tensor:
    """The new shape must be known at import."""
    x = call.codes(0)
    wanted = call.ints("shape", index=1) or []
    if not call.flag("allowzero"):
        wanted = [x.shape[i] if n == 0 and i < x.rank else n for i, n in enumerate(wanted)]
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest == 0 or math.prod(x.shape) % rest:
            raise ValueError(f"{x.shape} must be reshapable to {wanted}")
        wanted[wanted.index(-1)] = math.prod(x.shape) // rest
    return call.build.reshape(x, wanted)


@operator("Flatten")
def flatten(call: Call) -> Tensor:
    """Any axis."""
    x = call.codes(0)
    axis = call.attr("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    return call.build.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze")
def squeeze(call: Call) -> Tensor:
    """Axes known at import."""
    x = call.codes(0)
    axes = call.ints("axes", index=1)
    drop = [a for a, n in enumerate(x.shape) if n == 1] if axes is None else [call.wrap(a, x.rank) for a in axes]
    if any(x.shape[a] != 1 for a in drop):
        raise ValueError(f"squeezed axes must have size 1, not {[x.shape[a] for a in drop]}")
    return call.build.reshape(x, [n for a, n in enumerate(x.shape) if a not in drop])


@operator("Unsqueeze")
def unsqueeze(call: Call) -> Tensor:
    """Axes known at import."""
    x = call.codes(0)
    axes = call.ints("axes", index=1) or []
    rank = x.rank + len(axes)
    new = {call.wrap(a, rank) for a in axes}
    sizes = iter(x.shape)
    return call.build.reshape(x, [1 if a in new else next(sizes) for a in range(rank)])


@operator("Transpose")
def transpose(call: Call) -> Tensor:
    """Any order of axes."""
    x = call.codes(0)
    return call.build.transpose(x, call.ints("perm", default=range(x.rank)[::-1]) or [])


@operator("Concat")
def concat(call: Call) -> Tensor:
    """Any axis; operands may be known at import."""
    tensors = [call.codes(i) for i in range(len(call.inputs))]
    axis = call.wrap(call.attr("axis", 1), tensors[0].rank)
    if len({t.type.dtype for t in tensors}) > 1:
        tensors = [call.build.tensor(t) for t in tensors]
    return call.build.concat(tensors, axis)


@operator("Split")
def split(call: Call) -> tuple[Tensor, ...]:
    """Sizes known at import."""
    x = call.codes(0)
    axis = call.axis(x.rank, 0)
    sizes = call.ints("split", index=1)
    if sizes is None:
        count = call.attr("num_outputs", call.num_outputs)
        step = -(-x.shape[axis] // count)
        sizes = [min(step, x.shape[axis] - i * step) for i in range(count)]
    if sum(sizes) != x.shape[axis] or min(sizes) < 0:
        raise ValueError(f"split sizes {sizes} must add up to {x.shape[axis]}")
    starts = np.cumsum([0, *sizes[:-1]])
    return tuple(call.build.slice_axis(x, axis, int(s), n) for s, n in zip(starts, sizes, strict=True))


@operator("Slice")
def slice_(call: Call) -> Tensor:
    """Starts, ends, axes and steps known at import; steps may be negative."""
    x = call.codes(0)
    begin, end = call.ints("starts", 1) or [], call.ints("ends", 2) or []
    axes = call.ints("axes", 3)
    axes = list(range(len(begin))) if axes is None else [call.wrap(a, x.rank) for a in axes]
    steps = call.ints("steps", 4, default=[1] * len(axes)) or []
    starts, sizes, strides = [0] * x.rank, list(x.shape), [1] * x.rank
    for axis, first, last, step in zip(axes, begin, end, steps, strict=True):
        picked = range(*slice(first, last, step).indices(x.shape[axis]))
        starts[axis], sizes[axis], strides[axis] = (picked.start if len(picked) else 0), len(picked), step
    return call.build.slice(x, starts, sizes, strides)


@operator("Expand")
def expand(call: Call) -> Tensor:
    """The new shape must be known at import."""
    x = call.codes(0)
    return call.build.expand(x, np.broadcast_shapes(x.shape, tuple(call.ints("shape", index=1) or ())))


@operator("Tile")
def tile(call: Call) -> Tensor:
    """Repeats known at import."""
    x = call.codes(0)
    for axis, count in enumerate(call.ints("repeats", index=1) or []):
        if count != 1:
            x = _repeat_axis(call.build, x, axis, count)
    return x


def _repeat_axis(build: Builder, x: Tensor, axis: int, count: int) -> Tensor:
    if count == 0:
        return build.slice_axis(x, axis, 0, 0)
    if x.shape[axis] == 1:
        return build.expand(x, (*x.shape[:axis], count, *x.shape[axis + 1:]))
    return build.concat([x] * count, axis)


@operator("Pad")
def pad(call: Call) -> Tensor:
    """Modes constant, edge, reflect and wrap; sizes and value known at import; negative sizes cut."""
    x = call.codes(0)
    sizes = call.ints("pads", index=1)
    sizes = call.ints("paddings") if sizes is None else sizes
    axes = call.ints("axes", index=3, default=range(x.rank)) or []
    before, after = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(axes):
        before[call.wrap(axis, x.rank)], after[call.wrap(axis, x.rank)] = (sizes or [])[i], (sizes or [])[i + len(axes)]
    mode = call.attr("mode", "constant")
    if mode == "constant":
        value = float(call.const(2, "the value").reshape(-1)[0]) if call.has(2) else call.attr("value", 0.0)
        x = call.build.slice(x, [max(0, -b) for b in before],
                             [n - max(0, -b) - max(0, -a) for n, b, a in zip(x.shape, before, after, strict=True)])
        return call.build.pad(x, [max(0, b) for b in before], [max(0, a) for a in after], value)
    modes = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
    call.require(mode in modes, f"the mode is {mode!r}")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            indices = np.arange(x.shape[axis])[max(0, -b):x.shape[axis] - max(0, -a)]
            indices = np.pad(indices, (max(0, b), max(0, a)), mode=modes[mode])  # type: ignore[call-overload]
            x = call.build.take(x, axis, indices.tolist())
    return x


@operator("DepthToSpace")
def depth_to_space(call: Call) -> Tensor:
    """Modes DCR and CRD."""
    x, b = call.codes(0), call.attr("blocksize")
    n, c, h, w = x.shape
    if call.attr("mode", "DCR") == "DCR":
        y = call.build.transpose(call.build.reshape(x, (n, b, b, c // (b * b), h, w)), (0, 3, 4, 1, 5, 2))
    else:
        y = call.build.transpose(call.build.reshape(x, (n, c // (b * b), b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return call.build.reshape(y, (n, c // (b * b), h * b, w * b))


@operator("SpaceToDepth")
def space_to_depth(call: Call) -> Tensor:
    """Any block size that divides height and width."""
    x, b = call.codes(0), call.attr("blocksize")
    n, c, h, w = x.shape
    y = call.build.transpose(call.build.reshape(x, (n, c, h // b, b, w // b, b)), (0, 3, 5, 1, 2, 4))
    return call.build.reshape(y, (n, c * b * b, h // b, w // b))


@operator("Gather")
def gather(call: Call) -> Any:
    """Indices known at import: any axis. Indices computed at run time: any axis, of which the entries become rows of a table;
    an index outside the table gives zeros."""
    x, indices = call.codes(0), call.value(1)
    axis = call.axis(x.rank, 0)
    if isinstance(indices, np.ndarray):
        return _gather_known(call, x, axis, indices)
    x = call.build.tensor(x)
    perm = [axis] + [a for a in range(x.rank) if a != axis]
    moved = call.build.transpose(x, perm)
    table = call.build.reshape(moved, (x.shape[axis], math.prod(moved.shape[1:])))
    places = call.tensor(1)
    rows = call.build.emit(ops.Gather(), [table, places], x.dtype)
    rows = call.build.reshape(rows, (*places.shape, *moved.shape[1:]))
    order = list(range(places.rank, places.rank + axis)) + list(range(places.rank))
    return call.build.transpose(rows, order + list(range(places.rank + axis, rows.rank)))


def _gather_known(call: Call, x: Tensor, axis: int, indices: np.ndarray) -> Tensor:
    length = x.shape[axis]
    flat = [int(i) + length if i < 0 else int(i) for i in indices.reshape(-1)]
    if any(not 0 <= i < length for i in flat):
        raise ValueError(f"indices must lie in an axis of {length} entries")
    y = call.build.take(x, axis, flat) if flat else call.build.slice_axis(x, axis, 0, 0)
    return call.build.reshape(y, (*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]))


def _take_flat(call: Call, x: Tensor, places: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Elements of ``x`` at constant row-major ``places``."""
    flat = call.build.reshape(x, (math.prod(x.shape),))
    places = places.reshape(-1)
    y = call.build.take(flat, 0, places.tolist()) if places.size else call.build.slice_axis(flat, 0, 0, 0)
    return call.build.reshape(y, shape)


def _wrapped_indices(indices: np.ndarray, length: int) -> np.ndarray:
    indices = np.where(indices < 0, indices + length, indices).astype(np.int64)
    if indices.size and (indices.min() < 0 or indices.max() >= length):
        raise ValueError(f"indices must lie in an axis of {length} entries")
    return indices


@operator("GatherElements")
def gather_elements(call: Call) -> Tensor:
    """Indices known at import."""
    x = call.codes(0)
    axis = call.axis(x.rank, 0)
    indices = _wrapped_indices(call.const(1, "the tensor of indices"), x.shape[axis])
    grid = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    places = np.ravel_multi_index(tuple(np.broadcast_arrays(*grid)), x.shape)
    return _take_flat(call, x, places, indices.shape)


@operator("GatherND")
def gather_nd(call: Call) -> Tensor:
    """Indices known at import."""
    x = call.codes(0)
    places = _nd_places(x.shape, call.const(1, "the tensor of indices"), call.attr("batch_dims", 0))
    return _take_flat(call, x, places, places.shape)


def _nd_places(sizes: tuple[int, ...], indices: np.ndarray, batch: int) -> np.ndarray:
    """Row-major places that GatherND reads: gathering from an array of the places themselves."""
    all_places = np.arange(math.prod(sizes)).reshape(sizes)
    if batch == 0:
        return all_places[tuple(_wrapped_indices(indices[..., i], sizes[i]) for i in range(indices.shape[-1]))]
    head = sizes[:batch]
    blocks = all_places.reshape(math.prod(head), *sizes[batch:])
    split_indices = indices.reshape(math.prod(head), *indices.shape[batch:])
    found = [b[tuple(np.moveaxis(i, -1, 0))] for b, i in zip(blocks, split_indices, strict=True)]
    return np.stack(found).reshape(*head, *found[0].shape)


def _scattered(call: Call, x: Tensor, places: np.ndarray, updates: Tensor) -> Tensor:
    """``x`` with the elements at constant ``places`` replaced: one Take from x and updates side by side."""
    total = math.prod(x.shape)
    source = np.arange(total)
    source[places.reshape(-1)] = total + np.arange(places.size)
    both = call.build.concat([call.build.reshape(x, (total,)), call.build.reshape(updates, (places.size,))], 0)
    return call.build.reshape(call.build.take(both, 0, source.tolist()), x.shape)


@operator("ScatterND")
def scatter_nd(call: Call) -> Tensor:
    """Indices known at import, no reduction."""
    call.require(call.attr("reduction", "none") == "none", "a reduction is asked for")
    x, updates = call.tensor(0), call.tensor(2)
    places = _nd_places(x.shape, call.const(1, "the tensor of indices"), 0)
    return _scattered(call, x, places, updates)


@operator("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> Tensor:
    """Indices known at import, no reduction."""
    call.require(call.attr("reduction", "none") == "none", "a reduction is asked for")
    x, updates = call.tensor(0), call.tensor(2)
    axis = call.axis(x.rank, 0)
    indices = _wrapped_indices(call.const(1, "the tensor of indices"), x.shape[axis])
    grid = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    places = np.ravel_multi_index(tuple(np.broadcast_arrays(*grid)), x.shape)
    return _scattered(call, x, places, updates)


@operator("Trilu")
def trilu(call: Call) -> Tensor:
    """The diagonal's number known at import."""
    x = call.tensor(0)
    k = int(call.const(1, "the diagonal").reshape(())) if call.has(1) else 0
    ones = np.ones(x.shape[-2:], np.float32)
    mask = np.triu(ones, k) if call.flag("upper", 1) else np.tril(ones, k)
    return call.build.map(lambda m, a: apply("sel", m, a, 0.0), mask, x, dtype=x.type.dtype)


@operator("OneHot")
def one_hot(call: Call) -> Tensor:
    """Depth and values known at import; an index outside gives the off value."""
    indices = call.tensor(0)
    depth = int(call.const(1, "the depth").reshape(-1)[0])
    off, on = (float(v) for v in call.const(2, "the pair of values").reshape(-1))
    rank = indices.rank + 1
    axis = call.wrap(call.attr("axis", -1), rank)
    wide = call.build.reshape(indices, (*indices.shape[:axis], 1, *indices.shape[axis:]))
    places = np.arange(depth, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(rank)])

    def choose(i, p):
        i = apply("sel", apply("lt", i, 0.0), apply("add", i, float(depth)), i)
        return apply("sel", apply("eq", i, p), on, off)

    return call.build.map(choose, wide, places, dtype=graph_dtype(call.dtype(2)))


@operator("TopK", "NonZero", "Unique", "Compress", "NonMaxSuppression")
def data_dependent(call: Call) -> None:
    """Sorting, selecting and results whose size depends on values are refused unless everything is known at import."""
    raise call.refuse("it depends on values computed at run time")
