"""Elements chosen or placed by index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seedchip.frontend.builder import Tensor, graph_dtype
from seedchip.frontend.registry import Call, operator
from seedchip.graph import ops
from seedchip.numerics.expression import Expression, apply

MAX_COMPARISONS = 2**24
"""Most comparisons of a run-time index with the positions of an axis."""
MAX_TOP = 32


@operator("Gather")
def gather(call: Call) -> Any:
    """Indices known at import: any axis. Indices computed at run time: any axis, of which the entries become rows of a
    table; an index outside the table gives zeros."""
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
    """Indices known at import: any. Computed at run time: each is compared with every position of the axis, at most
    2**24 comparisons in all; an index outside gives zero."""
    if isinstance(call.value(1), Tensor):
        return _select_elements(call)
    x = call.codes(0)
    axis = call.axis(x.rank, 0)
    indices = _wrapped_indices(call.const(1, "the tensor of indices"), x.shape[axis])
    grid = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    places = np.ravel_multi_index(tuple(np.broadcast_arrays(*grid)), x.shape)
    return _take_flat(call, x, places, indices.shape)


def counted_from_start(index: Expression, length: int) -> Expression:
    """A negative index counts from the end."""
    return apply("sel", apply("lt", index, 0.0), apply("add", index, float(length)), index)


def _select_elements(call: Call) -> Tensor:
    x, indices = call.tensor(0), call.tensor(1)
    axis = call.axis(x.rank, 0)
    length = x.shape[axis]
    call.require(math.prod(indices.shape) * length <= MAX_COMPARISONS, "it takes more than 2**24 comparisons")
    sizes = [n if a == axis else k for a, (n, k) in enumerate(zip(x.shape, indices.shape, strict=True))]
    x = call.build.slice(x, [0] * x.rank, sizes)
    wide = call.build.reshape(x, (*x.shape[:axis], 1, *x.shape[axis:]))
    picks = call.build.reshape(indices, (*indices.shape[:axis + 1], 1, *indices.shape[axis + 1:]))
    positions = np.arange(length, dtype=np.float32).reshape([-1 if a == axis + 1 else 1 for a in range(x.rank + 1)])
    chosen = call.build.map(lambda i, p, v: apply("sel", apply("eq", counted_from_start(i, length), p), v, 0.0),
                            picks, positions, wide)
    return call.build.reduce("sum", chosen, [axis + 1], keepdims=False)


@operator("GatherND")
def gather_nd(call: Call) -> Tensor:
    """Indices known at import, or computed at run time without batch_dims: rows of a table at their row-major places,
    which are exact below 2**24."""
    if isinstance(call.value(1), Tensor):
        return _gather_nd_rows(call)
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


def _gather_nd_rows(call: Call) -> Tensor:
    call.require(call.attr("batch_dims", 0) == 0, "the indices are known at run time only and batch_dims is not 0")
    x, indices = call.tensor(0), call.tensor(1)
    depth = indices.shape[-1]
    head, tail = x.shape[:depth], x.shape[depth:]
    call.require(math.prod(head) < 2**24, f"the table has {math.prod(head)} rows")
    strides = np.array([math.prod(head[i + 1:]) for i in range(depth)], np.float32)
    parts = call.build.map(lambda i, n, s: apply("mul", apply("sel", apply("lt", i, 0.0), apply("add", i, n), i), s),
                           indices, np.array(head, np.float32), strides)
    total = call.build.reduce("sum", parts, [indices.rank - 1], keepdims=False)
    places = call.build.map(lambda p: p, total, dtype="int32")
    table = call.build.reshape(x, (math.prod(head), math.prod(tail)))
    rows = call.build.emit(ops.Gather(), [table, places], x.dtype)
    return call.build.reshape(rows, (*indices.shape[:-1], *tail))


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

    def choose(i: Expression, p: Expression) -> Expression:
        return apply("sel", apply("eq", counted_from_start(i, depth), p), on, off)

    return call.build.map(choose, wide, places, dtype=graph_dtype(call.dtype(2)))


@operator("TopK")
def top_k(call: Call) -> tuple[Tensor, Tensor]:
    """The number k known at import, at most 32, no NaN: the extreme is found and taken out k times, so the result is
    sorted."""
    x = call.tensor(0)
    k = int(call.const(1, "k").reshape(-1)[0]) if call.has(1) else int(call.attr("k"))
    axis, largest = call.axis(x.rank, -1), call.flag("largest", 1)
    call.require(1 <= k <= MAX_TOP, f"k is {k}")
    kind, worst = ("max", float("-inf")) if largest else ("min", float("inf"))
    positions = np.arange(x.shape[axis], dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(x.rank)])
    left = x if x.type.dtype == "float32" else call.build.map(lambda a: a, x)
    values, places = [], []
    for _ in range(k):
        extreme = call.build.reduce(kind, left, [axis])
        hits = call.build.map(lambda a, m, i: apply("sel", apply("eq", a, m), i, 2.0**30), left, extreme, positions)
        first = call.build.reduce("min", hits, [axis])
        left = call.build.map(lambda a, i, p: apply("sel", apply("eq", i, p), worst, a), left, positions, first)
        values.append(extreme)
        places.append(first)
    return call.build.concat(values, axis), call.build.concat(places, axis)


@operator("NonZero", "Unique", "Compress", "NonMaxSuppression")
def data_dependent(call: Call) -> None:
    """Sorting, selecting and results whose size depends on values are refused unless everything is known at import."""
    raise call.refuse("it depends on values computed at run time")
