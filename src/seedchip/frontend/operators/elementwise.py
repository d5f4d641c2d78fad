"""Arithmetic, comparison, logic and conversion, element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from seedchip.frontend.builder import FLOATS, NARROW_FLOATS, NARROW_INTEGERS, Tensor, graph_dtype
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import Expression, apply, constant, pattern

BFLOAT16_OVERFLOW = 2.0**127 * (2 - 2.0**-8)
"""From here on a number rounds to infinity in bfloat16: halfway between its largest number and 2**128."""
INTEGER_RANGES = {"int2": (-2, 1), "uint2": (0, 3), "int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127),
                  "uint8": (0, 255), "int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1)}


def numeric(call: Call, index: int = 0) -> str:
    """Graph type of a result that has the element type of input ``index``."""
    return graph_dtype(call.dtype(index))


def values(call: Call) -> list[Tensor | np.ndarray]:
    """All inputs, with codes turned into plain values and older operator sets' broadcasts applied."""
    found = [call.tensor(i) if isinstance(call.value(i), Tensor) else call.value(i) for i in range(len(call.inputs))]
    return _legacy_broadcast(call, found) if len(found) == 2 and call.flag("broadcast") else found


def _legacy_broadcast(call: Call, found: list[Tensor | np.ndarray]) -> list[Tensor | np.ndarray]:
    """Before operator set 7, `axis` said where the second operand's shape starts in the first's."""
    a, b = found
    rank_a, rank_b = len(a.shape), len(b.shape)
    axis = call.attr("axis", rank_a - rank_b) % max(rank_a, 1)
    shape = (*b.shape, *(1,) * (rank_a - axis - rank_b))
    return [a, call.build.reshape(b, shape) if isinstance(b, Tensor) else b.reshape(shape)]


def binary(call: Call, operation: Callable[[Expression, Expression], Expression], dtype: str | None = None) -> Tensor:
    return call.build.map(operation, *values(call), dtype=dtype or numeric(call))


def wrapped(e: Expression, dtype: str) -> Expression:
    """Integer results of 2 to 16 bits wrap around as the model's type does."""
    if dtype not in INTEGER_RANGES:
        return e
    low, high = INTEGER_RANGES[dtype]
    span = float(high - low + 1)
    turns = apply("floor", apply("mul", apply("sub", e, float(low)), 1.0 / span))
    return apply("sub", e, apply("mul", turns, span))


@operator("Add")
def add(call: Call) -> Tensor:
    """Any shapes that broadcast; integer sums are exact below 2**24 in magnitude."""
    return binary(call, lambda a, b: wrapped(apply("add", a, b), call.dtype(0)))


@operator("Sub")
def sub(call: Call) -> Tensor:
    """Any shapes that broadcast; integer differences are exact below 2**24 in magnitude."""
    return binary(call, lambda a, b: wrapped(apply("sub", a, b), call.dtype(0)))


@operator("Mul")
def mul(call: Call) -> Tensor:
    """Any shapes that broadcast; integer products are exact below 2**24 in magnitude."""
    return binary(call, lambda a, b: wrapped(apply("mul", a, b), call.dtype(0)))


def truncated_quotient(a: Expression, b: Expression) -> Expression:
    """Integer quotient rounded towards zero, exact for operands below 2**24: one correction step of the rounded
    quotient."""
    q = f.trunc(f.divide(a, b))
    left = apply("mul", apply("sub", a, apply("mul", q, b)), f.sign(a))
    size = f.absolute(b)
    step = apply("mul", f.sign(a), f.sign(b))
    q = apply("sub", q, apply("mul", step, apply("lt", left, 0.0)))
    return apply("add", q, apply("mul", step, apply("le", size, left)))


@operator("Div")
def div(call: Call) -> Tensor:
    """Any shapes that broadcast; a division by constants is a product with their reciprocals; integer quotients are
    rounded towards zero and exact for operands below 2**24."""
    divisor = call.value(1)
    if call.is_float(0) and isinstance(divisor, np.ndarray) and has_reciprocals(divisor):
        return call.build.map(lambda a, b: apply("mul", a, b), call.tensor(0), reciprocals(divisor))
    return binary(call, f.divide if call.is_float(0) else truncated_quotient)


def has_reciprocals(x: np.ndarray) -> bool:
    """Whether every reciprocal is a normal number, so that a product with it is within one ulp of the quotient."""
    size = np.abs(x.astype(np.float64))
    return bool(np.all((size > 2.0**-125) & (size < 2.0**125)))


def reciprocals(x: np.ndarray) -> np.ndarray:
    return (1.0 / x.astype(np.float64)).astype(np.float32)


@operator("Pow")
def pow_(call: Call) -> Tensor:
    """Any shapes that broadcast; the constant exponents -2, -1, -0.5, 0.5, 1, 2, 3 and 4 become products and roots."""
    exponent = call.value(1)
    if isinstance(exponent, np.ndarray) and exponent.size == 1:
        e = float(exponent.reshape(())[()])
        if e in _POWERS:
            rank = max(len(call.shape(0)), exponent.ndim)
            x = call.tensor(0)
            x = call.build.reshape(x, (1,) * (rank - x.rank) + x.shape)
            return call.build.map(_POWERS[e], x, dtype=numeric(call))
    return binary(call, f.power)


def _square(a: Expression) -> Expression:
    return apply("mul", a, a)


_POWERS: dict[float, Callable[[Expression], Expression]] = {
    -2.0: lambda a: f.reciprocal(_square(a)), -1.0: lambda a: f.reciprocal(a), -0.5: lambda a: f.rsqrt(a),
    0.5: lambda a: f.sqrt(a), 1.0: lambda a: a, 2.0: _square, 3.0: lambda a: apply("mul", _square(a), a),
    4.0: lambda a: _square(_square(a)),
}


@operator("Mod")
def mod(call: Call) -> Tensor:
    """Any shapes that broadcast; exact where quotients stay below 2**24."""
    return binary(call, f.fmod if call.flag("fmod") else f.remainder)


def fold_left(call: Call, operation: Callable[[Expression, Expression], Expression]) -> Tensor:
    """``operation`` over all operands, from left to right."""
    first, *rest = values(call)
    total = call.build.tensor(first)
    for value in rest:
        total = call.build.map(operation, total, value, dtype=numeric(call))
    return total


@operator("Sum")
def sum_(call: Call) -> Tensor:
    """Any number of operands whose shapes broadcast."""
    return fold_left(call, lambda a, b: apply("add", a, b))


@operator("Max")
def max_(call: Call) -> Tensor:
    """Any number of operands whose shapes broadcast; NaN wins."""
    return fold_left(call, lambda a, b: apply("max", a, b))


@operator("Min")
def min_(call: Call) -> Tensor:
    """Any number of operands whose shapes broadcast; NaN wins."""
    return fold_left(call, lambda a, b: apply("min", a, b))


@operator("Mean")
def mean(call: Call) -> Tensor:
    """Any number of operands whose shapes broadcast."""
    if len(call.inputs) == 1:
        return call.tensor(0)
    total = fold_left(call, lambda a, b: apply("add", a, b))
    return call.build.map(lambda a: apply("mul", a, 1.0 / len(call.inputs)), total)


# comparison and logic ------------------------------------------------------------------------------------------------
@operator("Equal")
def equal(call: Call) -> Tensor:
    """Any shapes that broadcast; integers are compared exactly below 2**24 in magnitude."""
    return binary(call, lambda a, b: apply("eq", a, b), "int8")


@operator("Less")
def less(call: Call) -> Tensor:
    """Any shapes that broadcast; integers are compared exactly below 2**24 in magnitude."""
    return binary(call, lambda a, b: apply("lt", a, b), "int8")


@operator("LessOrEqual")
def less_or_equal(call: Call) -> Tensor:
    """Any shapes that broadcast; integers are compared exactly below 2**24 in magnitude."""
    return binary(call, lambda a, b: apply("le", a, b), "int8")


@operator("Greater")
def greater(call: Call) -> Tensor:
    """Any shapes that broadcast; integers are compared exactly below 2**24 in magnitude."""
    return binary(call, lambda a, b: apply("lt", b, a), "int8")


@operator("GreaterOrEqual")
def greater_or_equal(call: Call) -> Tensor:
    """Any shapes that broadcast; integers are compared exactly below 2**24 in magnitude."""
    return binary(call, lambda a, b: apply("le", b, a), "int8")


@operator("And")
def and_(call: Call) -> Tensor:
    """Boolean tensors whose shapes broadcast."""
    return binary(call, lambda a, b: apply("mul", a, b), "int8")


@operator("Or")
def or_(call: Call) -> Tensor:
    """Boolean tensors whose shapes broadcast."""
    return binary(call, lambda a, b: apply("max", a, b), "int8")


@operator("Xor")
def xor(call: Call) -> Tensor:
    """Boolean tensors whose shapes broadcast."""
    return binary(call, lambda a, b: apply("eq", apply("eq", a, b), 0.0), "int8")


@operator("Not")
def not_(call: Call) -> Tensor:
    """Boolean tensors."""
    return call.build.map(lambda a: apply("eq", a, 0.0), call.tensor(0), dtype="int8")


@operator("Where")
def where(call: Call) -> Tensor:
    """Any shapes that broadcast; the condition is boolean."""
    return call.build.map(lambda c, a, b: apply("sel", c, a, b), *values(call), dtype=numeric(call, 1))


@operator("IsNaN")
def is_nan(call: Call) -> Tensor:
    """Floating-point tensors."""
    return call.build.map(lambda a: apply("eq", apply("eq", a, a), 0.0), call.tensor(0), dtype="int8")


@operator("IsInf")
def is_inf(call: Call) -> Tensor:
    """Floating-point tensors; either sign may be left out."""
    positive, negative = call.flag("detect_positive", 1), call.flag("detect_negative", 1)

    def test(a: Expression) -> Expression:
        high, low = apply("eq", a, float("inf")), apply("eq", a, float("-inf"))
        if positive and negative:
            return apply("max", high, low)
        return high if positive else low if negative else apply("mul", high, 0.0)

    return call.build.map(test, call.tensor(0), dtype="int8")


# conversion ----------------------------------------------------------------------------------------------------------
@operator("Cast", "CastLike")
def cast(call: Call) -> Tensor | np.ndarray:
    """Between floating-point types, integers and booleans; float16, bfloat16 and float64 are carried as binary32,
    integers as 8 or 32 bits, and a number outside the target's range is clamped to it (wrapped for 4 and 2 bits);
    8-bit and 4-bit floats are only read."""
    known = call.value(0)
    if call.node.op_type == "CastLike" and isinstance(known, np.ndarray):
        return known.astype(np.dtype(call.dtype(1)) if call.dtype(1) != "bfloat16" else np.float32)
    if call.node.op_type == "Cast":
        try:
            to = onnx.helper.tensor_dtype_to_np_dtype(call.attr("to")).name
        except KeyError:
            raise call.refuse(f"the target type is number {call.attr('to')}") from None
    else:
        to = call.dtype(1)
    x = call.tensor(0)
    try:
        target = graph_dtype(to)
    except KeyError:
        raise call.refuse(f"the target type is {to}") from None
    call.require(to not in NARROW_FLOATS, f"the target type is {to}")
    return converted(call, x, to, target)


def converted(call: Call, x: Tensor, to: str, target: str) -> Tensor:
    """``x`` as the model's type ``to``: truncated towards zero for integers, rounded to the target's grid for floats.
    """
    if to == "bool":
        return call.build.map(lambda a: apply("eq", apply("eq", a, 0.0), 0.0), x, dtype="int8").as_dtype(to)
    if target == "float32":
        if to in ("float16", "bfloat16") and x.dtype in ("float32", "float64"):
            return call.build.map(lambda a: rounded(a, to), x).as_dtype(to)
        return (x if x.type.dtype == "float32" else call.build.map(lambda a: a, x)).as_dtype(to)

    def convert(a: Expression) -> Expression:
        a = f.trunc(a) if x.dtype in FLOATS else a
        if to in NARROW_INTEGERS:
            return wrapped(a, to)
        if to in INTEGER_RANGES and x.dtype != "bool":
            a = apply("max", apply("min", a, float(INTEGER_RANGES[to][1])), float(INTEGER_RANGES[to][0]))
        return apply("max", a, 0.0) if to.startswith("uint") else a

    if x.type.dtype == target and to in ("int64", "int32"):
        return x.as_dtype(to)
    return call.build.map(convert, x, dtype=target).as_dtype(to)


def rounded(a: Expression, to: str) -> Expression:
    """``a`` rounded to the grid of float16, by Veltkamp's splitting (Dekker, 1971), or of bfloat16, on the bits; ties
    to even."""
    size = f.absolute(a)
    if to == "bfloat16":
        odd = apply("and", apply("shr", a, pattern(16)), pattern(1))
        value = apply("and", apply("iadd", apply("iadd", a, odd), pattern(0x7FFF)), pattern(0xFFFF0000))
        limit = BFLOAT16_OVERFLOW
    else:
        scaled = apply("mul", a, constant(2.0**13 + 1))
        normal = apply("sub", scaled, apply("sub", scaled, a))
        tiny = apply("sub", apply("add", a, constant(0.75)), constant(0.75))
        value = apply("sel", apply("lt", size, constant(2.0**-14)), tiny, normal)
        limit = 65520.0
    overflow = apply("sel", apply("lt", a, 0.0), float("-inf"), float("inf"))
    value = apply("sel", apply("le", constant(limit), size), overflow, value)
    return apply("sel", apply("eq", a, a), value, a)


@operator("Identity")
def identity(call: Call) -> object:
    """Any value."""
    return call.inputs[0]


@operator("Dropout")
def dropout(call: Call) -> object:
    """In inference mode, where it changes nothing."""
    training = call.has(2) and bool(call.const(2, "training_mode").any())
    ratio = float(call.const(1, "ratio").reshape(())) if call.has(1) else call.attr("ratio", 0.5)
    call.require(not training or ratio == 0, "training_mode is on")
    mask = np.ones(call.shape(0), np.bool_)
    return (call.inputs[0], mask) if call.num_outputs > 1 else call.inputs[0]


@operator("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot")
def bitwise(call: Call) -> Tensor:
    """Integer bit operations depend on constants only: the engines convert integers to binary32 on the way in."""
    raise call.refuse("an operand is computed at run time")
