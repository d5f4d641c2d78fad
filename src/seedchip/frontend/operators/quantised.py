"""Integer arithmetic: quantise, dequantise, and the products of codes.

uint8 codes q live in int8 tensors as q - 128, with 128 taken from their zero points too: every difference is unchanged.
"""

from __future__ import annotations

import numpy as np
import onnx

from seedchip.frontend.builder import Tensor, Value
from seedchip.frontend.operators.convolution import convolve
from seedchip.frontend.operators.elementwise import INTEGER_RANGES, has_reciprocals, reciprocals
from seedchip.frontend.operators.matmul import product
from seedchip.frontend.operators.window import from_image
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import Expression, apply

CODES = ("int8", "uint8", "int4", "uint4", "int2", "uint2")


def as_codes(call: Call, index: int) -> Tensor:
    """Input ``index`` as an int8 tensor; for uint8 its offset is 128."""
    value = call.value(index)
    if not isinstance(value, Tensor):
        if value.dtype.name == "uint8":
            return _offset(call.build.constant((value.astype(np.int16) - 128).astype(np.int8)))
        return call.build.constant(value.astype(np.int8))
    if value.type.dtype == "int8":
        return value
    return _offset(call.build.map(lambda q: apply("sub", q, 128.0), value, dtype="int8"))


def _offset(x: Tensor) -> Tensor:
    return Tensor(x.name, x.type, "uint8", 128)


def zero_point(call: Call, index: int, codes: Tensor) -> Value:
    """Zero point of ``codes`` in the units of its tensor; 0 when the node gives none."""
    if not call.has(index):
        return np.array(-codes.offset, np.float32)
    value = call.value(index)
    if isinstance(value, np.ndarray):
        return np.asarray(value.astype(np.float32) - codes.offset)
    difference = value.offset - codes.offset
    plain = Tensor(value.name, value.type)
    return call.build.map(lambda z: apply("add", z, float(difference)), plain) if difference else plain


def is_zero(value: Value) -> bool:
    return isinstance(value, np.ndarray) and not value.any()


def _along(call: Call, value: Value, axis: int, rank: int) -> Value:
    """One number per entry of ``axis``, shaped to broadcast; single numbers stay."""
    count = int(np.prod(value.shape, dtype=int))
    if count <= 1:
        return call.build.reshape(value, ()) if isinstance(value, Tensor) else value.reshape(())
    shape = tuple(count if a == axis else 1 for a in range(rank))
    return call.build.reshape(value, shape) if isinstance(value, Tensor) else value.reshape(shape)


def _blocks(call: Call, value: Value, axis: int, codes: Tensor) -> Value:
    """Scales or zero points as broadcastable to the codes: single, per axis, or per block of the axis."""
    if len(value.shape) != codes.rank or value.shape == codes.shape or not call.attr("block_size", 0):
        return value if value.shape == codes.shape else _along(call, value, axis, codes.rank)
    block = call.attr("block_size")
    places = [min(i // block, value.shape[axis] - 1) for i in range(codes.shape[axis])]
    return call.build.take(value, axis, places) if isinstance(value, Tensor) else np.take(value, places, axis)


@operator("DequantizeLinear")
def dequantize_linear(call: Call) -> Tensor:
    """int8, uint8, int4, uint4 and int32 codes, one scale per tensor, per axis or per block; 8-bit floats are refused.
    """
    dtype = call.dtype(0)
    call.require(dtype in (*CODES, "int32", "int16", "uint16"), f"the codes are {dtype}")
    if dtype in CODES:
        codes = as_codes(call, 0)
    else:
        codes = call.tensor(0)
    axis = _quantised_axis(call, codes.rank)
    zero = _blocks(call, zero_point(call, 2, codes), axis, codes)
    scale = _blocks(call, _float(call.value(1)), axis, codes)
    plain = Tensor(codes.name, codes.type)

    y = call.build.map(lambda q, z, s: apply("mul", q if is_zero(zero) else apply("sub", q, z), s), plain, zero, scale)
    return y.as_dtype(call.dtype(1))


def _quantised_axis(call: Call, rank: int) -> int:
    """The axis that scales run along; it is not looked at when there is one scale."""
    return call.axis(rank, 1) if int(np.prod(call.shape(1), dtype=int)) > 1 else 0


def _float(value: Value) -> Value:
    return value if isinstance(value, Tensor) else value.astype(np.float32)


def quantised(call: Call, x: Value, scale: Value, zero: Value, dtype: str) -> Tensor:
    """round(x / scale) + zero, clamped to ``dtype``; ``zero`` is in the units of the stored tensor."""
    low, high = INTEGER_RANGES[dtype]
    offset = 128 if dtype == "uint8" else 0
    target = "int8" if dtype in ("int8", "uint8") else "int32"

    known = isinstance(scale, np.ndarray) and has_reciprocals(scale)
    if known:
        scale = reciprocals(scale)  # type: ignore[arg-type]

    def code(a: Expression, s: Expression, z: Expression) -> Expression:
        q = apply("rne", apply("mul", a, s) if known else f.divide(a, s))
        q = q if is_zero(zero) else apply("add", q, z)
        return q if target == "int8" else apply("min", apply("max", q, float(low)), float(high))

    y = call.build.map(code, x, scale, zero, dtype=target)
    return Tensor(y.name, y.type, dtype, offset)


@operator("QuantizeLinear")
def quantize_linear(call: Call) -> Tensor:
    """To int8, uint8, int16 and uint16, one scale per tensor, per axis or per block; 4-bit and 8-bit float results are
    refused."""
    if call.has(2):
        dtype = call.dtype(2)
    else:
        number = call.attr("output_dtype", 0) or onnx.TensorProto.UINT8
        dtype = onnx.helper.tensor_dtype_to_np_dtype(number).name
    call.require(dtype in INTEGER_RANGES, f"the result is {dtype}")
    x = call.tensor(0)
    axis = _quantised_axis(call, x.rank)
    offset = 128 if dtype == "uint8" else 0
    carrier = Tensor("", x.type, dtype, offset)
    zero = _blocks(call, zero_point(call, 2, carrier), axis, x)
    return quantised(call, x, _blocks(call, _float(call.value(1)), axis, x), zero, dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize_linear(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    """Scale and zero point of the whole tensor's range, computed at run time."""
    codes, scale, zero = dynamic_codes(call, call.tensor(0))
    code = call.build.map(lambda z: z, zero, dtype="int8")
    return codes, scale.as_dtype("float32"), Tensor(code.name, code.type, "uint8", 128)


def dynamic_codes(call: Call, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """uint8 codes of a whole tensor, their scale, and their zero point in the units of the stored tensor."""
    axes = list(range(x.rank))
    high = call.build.reshape(call.build.reduce("max", x, axes), ())
    low = call.build.reshape(call.build.reduce("min", x, axes), ())

    def step(h: Expression, l: Expression) -> Expression:
        return apply("mul", apply("sub", apply("max", h, 0.0), apply("min", l, 0.0)), float(np.float32(1 / 255)))

    scale = call.build.map(step, high, low)

    def point(l: Expression, s: Expression) -> Expression:
        return apply("sub", apply("rne", f.divide(apply("sub", 0.0, apply("min", l, 0.0)), s)), 128.0)

    zero = call.build.map(point, low, scale)
    return quantised(call, x, scale, zero, "uint8"), scale, zero


def _corrected(call: Call, total: Tensor, terms: list[tuple[Value, Value]], constant: Value | None) -> Tensor:
    """total - sum of zero * sums, in int32."""
    for zero, sums in terms:
        total = call.build.map(lambda t, z, s: apply("sub", t, apply("mul", z, s)), total, zero, sums, dtype="int32")
    if constant is not None:
        total = call.build.map(lambda t, c: apply("add", t, c), total, constant, dtype="int32")
    return total.as_dtype("int32")


def _sums(call: Call, codes: Tensor, axis: int) -> Value:
    """Exact sums of int8 codes along the last axis but one (columns) or the last (rows), kept with size 1."""
    array = call.build.constants.get(codes.name)
    if array is not None:
        return array.astype(np.int64).sum(axis=axis, keepdims=True).astype(np.float32)
    inner = codes.shape[axis]
    ones = call.build.constant(np.ones((1, inner) if axis == -2 else (inner, 1), np.int8))
    return product(call.build, ones, codes) if axis == -2 else product(call.build, codes, ones)


def integer_product(call: Call, a: Tensor, zero_a: Value, b: Tensor, zero_b: Value) -> Tensor:
    """(a - zero_a) @ (b - zero_b) of int8 codes: one exact product and corrections by row and column sums."""
    plain_a, plain_b = Tensor(a.name, a.type), Tensor(b.name, b.type)
    y = product(call.build, plain_a, plain_b)
    rank = y.rank
    vector = a.rank == 1 or b.rank == 1
    terms: list[tuple[Value, Value]] = []
    zero_a = _matrix_zero(call, zero_a, a.rank, row=True)
    if not is_zero(zero_a):
        terms.append((zero_a, _drop(call, _sums(call, plain_b, -2 if b.rank > 1 else -1), b.rank, rank, -2, vector)))
    if not is_zero(zero_b):
        terms.append((zero_b, _drop(call, _sums(call, plain_a, -1), a.rank, rank, -1, vector)))
    both = None
    if len(terms) == 2:
        inner = float(a.shape[-1])
        both = call.build.map(lambda p, q: apply("mul", apply("mul", p, q), inner), zero_a, zero_b)
    return _corrected(call, y, terms, both)


def _matrix_zero(call: Call, zero: Value, rank: int, *, row: bool) -> Value:
    """A zero point per row as a column, to broadcast along the rows."""
    if row and rank >= 2 and len(zero.shape) == 1 and zero.shape[0] > 1:
        return call.build.reshape(zero, (zero.shape[0], 1)) if isinstance(zero, Tensor) else zero.reshape(-1, 1)
    return zero


def _drop(call: Call, sums: Value, rank: int, wanted: int, axis: int, vector: bool) -> Value:
    """Sums shaped as the product is: without the axis that a vector operand takes away."""
    if not vector or len(sums.shape) <= wanted:
        return sums
    shape = [n for a, n in enumerate(sums.shape) if a != len(sums.shape) + axis or n != 1]
    return call.build.reshape(sums, shape) if isinstance(sums, Tensor) else sums.reshape(shape)


@operator("MatMulInteger")
def matmul_integer(call: Call) -> Tensor:
    """int8 and uint8 operands; zero points single, per row or per column; sums are exact, and below 2**24 so is the
    result."""
    a, b = as_codes(call, 0), as_codes(call, 1)
    return integer_product(call, a, zero_point(call, 2, a), b, zero_point(call, 3, b))


def integer_convolution(call: Call, places: tuple[int, int, int, int], bias: int | None = None) -> Tensor:
    """(x - zero_x) conv (w - zero_w) of int8 codes as an N x H x W x F image; padded taps hold the code of zero.

    ``places`` are the inputs that hold x, w and their zero points. An operand that needs nine bits around its zero
    point is the sum of two int8 halves, which the engine adds up exactly at the price of a second pass.
    """
    x, w = as_codes(call, places[0]), as_codes(call, places[1])
    zero_x = zero_point(call, places[2], x) if call.has(places[2]) else np.array(-x.offset, np.float32)
    weights = _centred_weights(call, w, _known_zero(call, places[3], w))
    arrays = [call.build.constants.get(v.name) for v in weights]
    known = all(a is not None for a in arrays)
    if isinstance(zero_x, Tensor) or (not known and zero_x.any()):
        return _with_bias(call, _sum_of_products(call, _halves(call, x, zero_x), weights, 0), 0.0, bias)
    code = int(zero_x.reshape(-1)[0])
    total = _sum_of_products(call, [Tensor(x.name, x.type)], weights, code)
    sums = sum((a.astype(np.int64).sum(axis=tuple(range(1, a.ndim))) for a in arrays if a is not None), np.zeros(1))
    return _with_bias(call, total, -float(code) * sums, bias)


def _sum_of_products(call: Call, images: list[Tensor], weights: list[Tensor], pad_value: int) -> Tensor:
    """Sum over all pairs of an image and weights."""
    totals = [convolve(call, x, w, pad_value) for x in images for w in weights]
    if len(totals) == 1:
        return totals[0]
    made = {node.output: node for node in call.build.nodes}
    operands = [name for t in totals for name in made[t.name].inputs]
    tensors = [Tensor(name, call.build.types[name]) for name in operands]
    return call.build.emit(made[totals[0].name].op, tensors, "int32")


def _halves(call: Call, codes: Tensor, zero: Value) -> list[Tensor]:
    """codes - zero, of nine bits, as the sum of two int8 tensors."""
    plain = Tensor(codes.name, codes.type)
    return [call.build.map(part, plain, zero, dtype="int8") for part in (_lower_half, _upper_half)]


def _lower_half(q: Expression, z: Expression) -> Expression:
    return apply("floor", apply("mul", apply("sub", q, z), 0.5))


def _upper_half(q: Expression, z: Expression) -> Expression:
    return apply("sub", apply("sub", q, z), _lower_half(q, z))


def _with_bias(call: Call, total: Tensor, constant: np.ndarray | float, bias: int | None) -> Tensor:
    if bias is not None and call.has(bias):
        constant = constant + call.const(bias, "the bias").astype(np.float64)
    return _corrected(call, total, [], np.asarray(constant, np.float32)) if np.any(constant) else total


def _known_zero(call: Call, index: int, codes: Tensor) -> np.ndarray:
    if not call.has(index):
        return np.array(-codes.offset, np.float32)
    return np.asarray(call.const(index, "the weights' zero point").astype(np.float32) - codes.offset)


def _centred_weights(call: Call, w: Tensor, zero: np.ndarray) -> list[Tensor]:
    """Weights whose zero is code 0, as one int8 tensor or the sum of two."""
    if not zero.any():
        return [Tensor(w.name, w.type)]
    zero = zero.reshape(-1, *(1,) * (w.rank - 1))
    array = call.build.constants.get(w.name)
    if array is None:
        return _halves(call, w, zero)
    centred = array.astype(np.int64) - zero.astype(np.int64)
    return [call.build.constant(part) for part in int8_parts(centred)]


def int8_parts(values: np.ndarray) -> list[np.ndarray]:
    """Integers of nine bits as one int8 array where they fit, else as two whose sum they are."""
    if values.size == 0 or (values.min() >= -128 and values.max() <= 127):
        return [values.astype(np.int8)]
    low = np.floor_divide(values, 2)
    return [low.astype(np.int8), (values - low).astype(np.int8)]


@operator("ConvInteger")
def conv_integer(call: Call) -> Tensor:
    """One or two spatial axes; the weights' zero point known at import."""
    return from_image(call, integer_convolution(call, (0, 1, 2, 3)), len(call.shape(0))).as_dtype("int32")


def requantised(call: Call, total: Tensor, scale: Value, zero: int, dtype: str) -> Tensor:
    """round(total * scale) + zero point, in the codes of ``dtype``; ``zero`` is the index of the zero point's input."""
    offset = 128 if dtype == "uint8" else 0
    carrier = Tensor("", total.type, dtype, offset)
    point = zero_point(call, zero, carrier)
    y = call.build.map(lambda t, s, z: apply("add", apply("rne", apply("mul", t, s)), z), total, scale, point,
                       dtype="int8")
    return Tensor(y.name, y.type, dtype, offset)


def scale_ratio(call: Call, a: Value, b: Value, y: Value) -> Value:
    """Scale of a requantisation: a * b / y, rounded once to binary32 when all are known."""
    if all(isinstance(v, np.ndarray) for v in (a, b, y)):
        return (np.asarray(a, np.float64) * np.asarray(b, np.float64) / np.asarray(y, np.float64)).astype(np.float32)
    return call.build.map(lambda p, q, r: f.divide(apply("mul", p, q), r), _float(a), _float(b), _float(y))


@operator("QLinearMatMul")
def qlinear_matmul(call: Call) -> Tensor:
    """int8 and uint8 operands and result; scales and zero points single, per row or per column."""
    a, b = as_codes(call, 0), as_codes(call, 3)
    total = integer_product(call, a, zero_point(call, 2, a), b, zero_point(call, 5, b))
    scale_a = _matrix_zero(call, call.value(1), a.rank, row=True)
    return requantised(call, total, scale_ratio(call, scale_a, call.value(4), call.value(6)), 7, call.dtype(7))


@operator("QLinearConv")
def qlinear_conv(call: Call) -> Tensor:
    """One or two spatial axes; the weights' zero point known at import."""
    total = integer_convolution(call, (0, 3, 2, 5), bias=8)
    y = requantised(call, total, scale_ratio(call, call.value(1), call.value(4), call.value(6)), 7, call.dtype(7))
    return from_image(call, y, len(call.shape(0)))
