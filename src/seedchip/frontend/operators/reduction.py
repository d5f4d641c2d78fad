"""Reductions over any axes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from seedchip.frontend.builder import Tensor
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import Expression, apply

MAX_PRODUCT = 4096


def reduced_axes(call: Call, rank: int) -> list[int]:
    axes = call.ints("axes", index=1)
    if not axes:
        return [] if call.flag("noop_with_empty_axes") else list(range(rank))
    return [call.wrap(a, rank) for a in axes]


def reduce_input(call: Call, kind: str, before: Callable[[Expression], Expression] | None = None,
                 after: Callable[[Expression], Expression] | None = None) -> Tensor:
    """``after(reduce(before(x)))`` over the node's axes."""
    x = call.tensor(0)
    axes, keep = reduced_axes(call, x.rank), call.flag("keepdims", 1)
    if before:
        x = call.build.map(before, x)
    count = math.prod(x.shape[a] for a in axes)
    if count == 0:
        empty = {"sum": 0.0, "max": -np.inf, "min": np.inf}[kind]
        if call.dtype(0) == "bool":
            empty = {"max": 0.0, "min": 1.0}.get(kind, empty)
        shape = [1 if a in axes else n for a, n in enumerate(x.shape) if keep or a not in axes]
        y: Tensor = call.build.constant(np.full(shape, empty, np.float32))
    else:
        y = call.build.reduce(kind, x, axes, keep)
    return call.build.map(after, y) if after else y


@operator("ReduceSum")
def reduce_sum(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "sum")


@operator("ReduceMean")
def reduce_mean(call: Call) -> Tensor:
    """Any axes known at import."""
    count = math.prod(call.shape(0)[a] for a in reduced_axes(call, len(call.shape(0))))
    return reduce_input(call, "sum", None, lambda a: apply("mul", a, 1.0 / max(count, 1)))


@operator("ReduceMax")
def reduce_max(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "max")


@operator("ReduceMin")
def reduce_min(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "min")


@operator("ReduceL1")
def reduce_l1(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "sum", f.absolute)


@operator("ReduceL2")
def reduce_l2(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "sum", lambda a: apply("mul", a, a), f.sqrt)


@operator("ReduceSumSquare")
def reduce_sum_square(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "sum", lambda a: apply("mul", a, a))


@operator("ReduceLogSum")
def reduce_log_sum(call: Call) -> Tensor:
    """Any axes known at import."""
    return reduce_input(call, "sum", None, f.log)


@operator("ReduceLogSumExp")
def reduce_log_sum_exp(call: Call) -> Tensor:
    """Any axes known at import; the largest element is taken out before the exponentials."""
    x = call.tensor(0)
    axes, keep = reduced_axes(call, x.rank), call.flag("keepdims", 1)
    if 0 in (x.shape[a] for a in axes):
        return reduce_input(call, "sum", f.exp, f.log)
    top = call.build.reduce("max", x, axes)
    finite = call.build.map(lambda a: apply("max", apply("min", a, 3e38), -3e38), top)
    total = call.build.reduce("sum", call.build.map(lambda a, m: f.exp(apply("sub", a, m)), x, finite), axes)
    y = call.build.map(lambda s, m: apply("add", f.log(s), m), total, finite)
    return y if keep else call.build.reshape(y, [n for a, n in enumerate(x.shape) if a not in axes])


@operator("ReduceProd")
def reduce_prod(call: Call) -> Tensor:
    """Axes of at most 4096 elements together: halves are multiplied until one element is left."""
    x = call.tensor(0)
    axes, keep = reduced_axes(call, x.rank), call.flag("keepdims", 1)
    kept = [a for a in range(x.rank) if a not in axes]
    length = math.prod(x.shape[a] for a in axes)
    shape = [1 if a in axes else n for a, n in enumerate(x.shape) if keep or a not in axes]
    call.require(length <= MAX_PRODUCT, f"{length} elements are multiplied")
    if length == 0:
        return call.build.constant(np.ones(shape, np.float32))
    rows = call.build.reshape(call.build.transpose(x, [*kept, *axes]), [*(x.shape[a] for a in kept), length])
    last = rows.rank - 1
    while rows.shape[last] > 1:
        half = (rows.shape[last] + 1) // 2
        low = call.build.slice_axis(rows, last, 0, rows.shape[last] - half)
        high = call.build.slice_axis(rows, last, half, rows.shape[last] - half)
        product = call.build.map(lambda a, b: apply("mul", a, b), low, high)
        middle = call.build.slice_axis(rows, last, rows.shape[last] - half, 2 * half - rows.shape[last])
        rows = call.build.concat([product, _as_float(call, middle)], last)
    return call.build.reshape(rows, shape)


def _as_float(call: Call, x: Tensor) -> Tensor:
    return x if x.type.dtype == "float32" else call.build.map(lambda a: a, x)


def _arg_extreme(call: Call, kind: str) -> Tensor:
    """Index of the extreme: the extreme, the positions that equal it, and the first (or last) of them."""
    x = call.tensor(0)
    axis = call.axis(x.rank, 0)
    length = x.shape[axis]
    extreme = call.build.reduce(kind, x, [axis])
    positions = np.arange(length, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(x.rank)])
    last = call.flag("select_last_index")
    outside = -1.0 if last else float(length)
    places = call.build.map(lambda a, m, i: apply("sel", apply("eq", a, m), i, outside), x, extreme, positions)
    return call.build.reduce("max" if last else "min", places, [axis], call.flag("keepdims", 1))


@operator("ArgMax")
def arg_max(call: Call) -> Tensor:
    """Any axis; the first or last of equal maxima."""
    return _arg_extreme(call, "max")


@operator("ArgMin")
def arg_min(call: Call) -> Tensor:
    """Any axis; the first or last of equal minima."""
    return _arg_extreme(call, "min")


@operator("Hardmax")
def hardmax(call: Call) -> Tensor:
    """Any axis: one where the first maximum stands, else zero."""
    x = call.tensor(0)
    axis = call.axis(x.rank, -1 if call.opset >= 13 else 1)
    if call.opset < 13:
        x = call.build.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        axis = 1
    positions = np.arange(x.shape[axis], dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(x.rank)])
    top = call.build.reduce("max", x, [axis])
    places = call.build.map(lambda a, m, i: apply("sel", apply("eq", a, m), i, float(x.shape[axis])), x, top, positions)
    first = call.build.reduce("min", places, [axis])
    return call.build.reshape(call.build.map(lambda p, i: apply("eq", p, i), first, positions), call.shape(0))


@operator("CumSum")
def cum_sum(call: Call) -> Tensor:
    """Axis known at import, of at most 4096 elements: a product with a triangular matrix of ones."""
    x = call.tensor(0)
    axis = call.wrap(int(call.const(1, "the axis").reshape(())), x.rank)
    length = x.shape[axis]
    call.require(length <= MAX_PRODUCT, f"{length} elements are summed")
    ones = np.triu(np.ones((length, length), np.float32), 1 if call.flag("exclusive") else 0)
    triangle = ones[::-1, ::-1] if call.flag("reverse") else ones
    perm = [a for a in range(x.rank) if a != axis] + [axis]
    rows = _as_float(call, call.build.transpose(x, perm))
    flat = call.build.reshape(rows, (math.prod(rows.shape[:-1]), length))
    y = call.build.matmul(flat, call.build.constant(np.ascontiguousarray(triangle)))
    return call.build.transpose(call.build.reshape(y, rows.shape), [int(i) for i in np.argsort(perm)])
