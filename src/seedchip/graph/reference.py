"""The value of every graph operation in plain NumPy: what a compiled program must equal to the bit.

INT8 matrix products are exact integers modulo 2**32, the width of an accumulator. `Map`, `Reduce` and `Pool` are
bit-defined by `seedchip.numerics`. Float32 `MatMul` and `Conv` exist only before quantisation; they are summed in
float64 and rounded once (or, where speed counts for more, in float32), and are *not* bit-defined.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

import numpy as np

from seedchip.graph.ir import Graph, TensorType
from seedchip.graph.ops import (
    Concat,
    Conv,
    Expand,
    Gather,
    GraphError,
    Map,
    MatMul,
    Op,
    Pad,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Take,
    Transpose,
    window_output,
)
from seedchip.numerics.expression import evaluate as evaluate_expression
from seedchip.numerics.reduction import row_reduce, window_reduce

SumType = type[np.float32] | type[np.float64]
EXACT_DEPTH = 1024
"""Products of two int8 that binary32 sums exactly in any order: 1024 * 2**14 = 2**24."""


def evaluate(graph: Graph, feeds: Mapping[str, np.ndarray], *, sums: SumType = np.float64) -> dict[str, np.ndarray]:
    """Outputs by public name, in the types of ``graph.output_dtypes``. Raises GraphError for feeds that do not fit.

    ``sums``: the type in which products of float32 operands are summed.
    """
    kept = set(graph.outputs.values())
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    values = _initial_values(graph, feeds)
    for i, node in enumerate(graph.nodes):
        values[node.output] = compute_in(sums, node.op, *(values[name] for name in node.inputs))
        for name in dict.fromkeys((*node.inputs, node.output)):
            if last.get(name, -1) <= i and name not in kept:
                values.pop(name, None)
    return _public_outputs(graph, values)


def evaluate_all(graph: Graph, feeds: Mapping[str, np.ndarray], *,
                 sums: SumType = np.float64) -> dict[str, np.ndarray]:
    """Every tensor of the graph by its own name, in its type on the chip; ``sums`` as in `evaluate`."""
    values = _initial_values(graph, feeds)
    for node in graph.nodes:
        values[node.output] = compute_in(sums, node.op, *(values[name] for name in node.inputs))
    return values


def convert(x: np.ndarray, dtype: str) -> np.ndarray:
    """float32 to a tensor's type: round to nearest even, saturate, NaN gives 0; float32 stays."""
    if dtype == "float32":
        return np.asarray(x, np.float32)
    info = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        rounded = np.rint(np.asarray(x, np.float32 if dtype == "int8" else np.float64))  # binary32 can't hold 2**31 - 1
    clipped = np.clip(rounded, info.min, info.max)
    return np.where(np.isnan(clipped), 0, clipped).astype(dtype)


def _initial_values(graph: Graph, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    for name in feeds:
        if name not in graph.inputs:
            raise GraphError(f"feeds must name inputs of the graph ({', '.join(graph.inputs)}), not {name!r}")
    values = dict(graph.constants)
    for name in graph.inputs:
        if name not in feeds:
            raise GraphError(f"feeds must hold input {name!r}, a {graph.types[name]}")
        values[name] = _feed(name, np.asarray(feeds[name]), graph.types[name])
    return values


def _feed(name: str, array: np.ndarray, declared: TensorType) -> np.ndarray:
    if array.shape != declared.shape:
        raise GraphError(f"input {name!r} must have shape {declared.shape}, not {array.shape}")
    same_kind = (array.dtype.kind == "f") if declared.dtype == "float32" else (array.dtype.kind in "iub")
    if not same_kind:
        raise GraphError(f"input {name!r} must be {declared.dtype}, not {array.dtype.name}")
    if declared.dtype != "float32" and array.size:
        info = np.iinfo(declared.dtype)
        if int(array.min()) < info.min or int(array.max()) > info.max:
            raise GraphError(f"input {name!r} must lie in {info.min} to {info.max}, not {array.min()} to {array.max()}")
    return array.astype(declared.dtype)


def _public_outputs(graph: Graph, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {public: values[name].astype(graph.output_dtypes.get(public, graph.types[name].dtype))
            for public, name in graph.outputs.items()}


def compute_in(sums: SumType, op: Op, *operands: np.ndarray) -> np.ndarray:
    """`compute`, with products of float32 operands summed in ``sums``: float32 is 2 to 3 times as fast as float64."""
    if isinstance(op, (MatMul, Conv)):
        return _sum_of_pairs(op, operands, sums)
    return compute(op, *operands)


@singledispatch
def compute(op: Op, *operands: np.ndarray) -> np.ndarray:
    """The value of one operation on arrays of its operands' types."""
    raise GraphError(f"{op.name} has no reference value")


@compute.register
def _(op: MatMul, *operands: np.ndarray) -> np.ndarray:
    return _sum_of_pairs(op, operands, np.float64)


@compute.register
def _(op: Conv, *operands: np.ndarray) -> np.ndarray:
    return _sum_of_pairs(op, operands, np.float64)


@compute.register
def _(op: Map, *operands: np.ndarray) -> np.ndarray:
    result = convert(evaluate_expression(op.expression, [a.astype(np.float32) for a in operands]), op.dtype)
    shape = np.broadcast_shapes(*(a.shape for a in operands))
    return result if result.shape == shape else np.broadcast_to(result, shape).copy()


@compute.register
def _(op: Reduce, x: np.ndarray) -> np.ndarray:
    return row_reduce(op.kind, x.astype(np.float32))


@compute.register
def _(op: Pool, x: np.ndarray) -> np.ndarray:
    return window_reduce(op.kind, x.astype(np.float32), op.kernel, strides=op.strides, dilations=op.dilations,
                         pads=op.pads)


@compute.register
def _(op: Transpose, x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(op.perm))


@compute.register
def _(op: Reshape, x: np.ndarray) -> np.ndarray:
    return x.reshape(op.shape)


@compute.register
def _(op: Slice, x: np.ndarray) -> np.ndarray:
    for axis, (start, size, step) in enumerate(zip(op.starts, op.sizes, op.steps, strict=True)):
        if (start, size, step) != (0, x.shape[axis], 1):
            x = np.take(x, start + step * np.arange(size), axis=axis)
    return x


@compute.register
def _(op: Concat, *operands: np.ndarray) -> np.ndarray:
    return np.concatenate(operands, axis=op.axis)


@compute.register
def _(op: Pad, x: np.ndarray) -> np.ndarray:
    fill = convert(np.array(op.value, np.float32), x.dtype.name)
    return np.pad(x, tuple(zip(op.before, op.after, strict=True)), constant_values=fill)


@compute.register
def _(op: Expand, x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(x, op.shape).copy()


@compute.register
def _(op: Take, x: np.ndarray) -> np.ndarray:
    return np.take(x, np.asarray(op.indices, np.int64), axis=op.axis)


@compute.register
def _(op: Gather, table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    rows = len(table)
    result = np.zeros((*indices.shape, table.shape[1]), table.dtype)
    inside = (indices >= -rows) & (indices < rows)
    result[inside] = table[indices[inside]]
    return result


def _sum_of_pairs(op: MatMul | Conv, operands: tuple[np.ndarray, ...], sums: SumType) -> np.ndarray:
    """Sum of the products of pairs: int32 for int8 operands (wrapping), else ``sums`` rounded to float32."""
    total: np.ndarray | None = None
    for a, b in zip(operands[::2], operands[1::2], strict=True):
        part = _convolve(op, a, b, sums) if isinstance(op, Conv) else _multiply(a, b, sums)
        total = part if total is None else total + part
    if total is None:
        raise GraphError(f"{op.name} must have operands")
    return total if total.dtype == np.int32 else total.astype(np.float32, copy=False)


def _multiply(a: np.ndarray, b: np.ndarray, sums: SumType) -> np.ndarray:
    """A @ B: int8 to exact int32 by binary32 products on blocks of EXACT_DEPTH, float32 to ``sums``."""
    if a.dtype != np.int8:
        return np.asarray(np.asarray(a, sums) @ np.asarray(b, sums))
    total: np.ndarray | None = None
    for start in range(0, a.shape[-1], EXACT_DEPTH):
        block = slice(start, start + EXACT_DEPTH)
        part = (a[..., block].astype(np.float32) @ b[..., block, :].astype(np.float32)).astype(np.int32)
        total = part if total is None else total + part
    if total is None:
        return np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), np.int32)
    return total


def _convolve(op: Conv, x: np.ndarray, w: np.ndarray, sums: SumType) -> np.ndarray:
    size = window_output(x.shape[1:3], w.shape[:2], op.strides, op.dilations, op.pads)
    top, left, bottom, right = op.pads
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=op.pad_value)
    if w.shape[2] == 1 and op.groups > 1:
        return _convolve_depthwise(op, x, w, size, sums)
    channels, filters = w.shape[2], w.shape[3] // op.groups
    parts = []
    for group in range(op.groups):
        columns = _columns(op, x[..., group * channels:(group + 1) * channels], w.shape[:2], size)
        weights = w[..., group * filters:(group + 1) * filters].reshape(-1, filters)
        parts.append(_multiply(columns, weights, sums).reshape(x.shape[0], *size, filters))
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _tap(op: Conv, x: np.ndarray, tap: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """[N, OH, OW, C]: what every window reads at one kernel position."""
    row, column = tap[0] * op.dilations[0], tap[1] * op.dilations[1]
    return x[:, row:row + (size[0] - 1) * op.strides[0] + 1:op.strides[0],
             column:column + (size[1] - 1) * op.strides[1] + 1:op.strides[1]]


def _columns(op: Conv, x: np.ndarray, kernel: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """[N * OH * OW, KH * KW * C]: one row per window, in the order of the weights."""
    num, channels = x.shape[0], x.shape[3]
    columns = np.empty((num, *size, kernel[0], kernel[1], channels), x.dtype)
    if columns.size:
        for row in range(kernel[0]):
            for column in range(kernel[1]):
                columns[:, :, :, row, column] = _tap(op, x, (row, column), size)
    return columns.reshape(num * size[0] * size[1], kernel[0] * kernel[1] * channels)


def _convolve_depthwise(op: Conv, x: np.ndarray, w: np.ndarray, size: tuple[int, int], sums: SumType) -> np.ndarray:
    dtype = np.int32 if x.dtype == np.int8 else sums
    total = np.zeros((x.shape[0], *size, w.shape[3]), dtype)
    if total.size == 0:
        return total
    multiplier = w.shape[3] // op.groups
    for row in range(w.shape[0]):
        for column in range(w.shape[1]):
            window = _tap(op, x, (row, column), size).astype(dtype)
            spread = window if multiplier == 1 else np.repeat(window, multiplier, axis=-1)
            total += spread * w[row, column, 0].astype(dtype)
    return total
