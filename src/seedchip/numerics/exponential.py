"""Exponential, logarithm and what is made of them.

exp: ``x = k ln 2 + r`` with ``|r| <= ln 2 / 2``, a polynomial in ``r`` and a power of two (Cody and Waite, "Software
Manual for the Elementary Functions", 1980). Adding ``1.5 * 2**23`` rounds to an integer and leaves it in the low
mantissa bits, from where one shift makes it an exponent (Schraudolph's and Cephes' device). log: the mantissa is
brought to [sqrt(1/2), sqrt(2)) by integer arithmetic on the pattern, then ``f - f**2 / 2 + f**3 P(f)`` (Cephes
`logf`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from seedchip.numerics import coefficients
from seedchip.numerics.arithmetic import (
    INFINITY,
    NAN,
    SIGN_BIT,
    absolute,
    clip,
    copy_sign,
    horner,
    less,
    logical_and,
    split,
    where,
)
from seedchip.numerics.division import divide_normal, reciprocal_normal, rsqrt_normal
from seedchip.numerics.expression import Expression, apply, pattern

_ROUNDING = 1.5 * 2.0**23
_LOG2_E = 1 / math.log(2)
_LN2_HIGH = 0.693359375
_LN2_LOW = math.log(2) - _LN2_HIGH
"""ln 2 in a part of 9 bits, whose product with an exponent is exact, and the rest."""
_MANTISSA_BITS = pattern(23)
_SQRT_HALF = pattern(0x3F3504F3)


class _Reduced(NamedTuple):
    power: Expression
    """2 ** k, or twice or half of it"""
    rest: Expression


def _reduce(x: Expression, *, bias: int, negated: bool = False, precise: bool = True) -> _Reduced:
    """``2 ** (k + bias - 127)`` and ``x - k ln 2``; if ``negated``, of ``-x`` and ``x + k ln 2``.

    ``precise`` takes ln 2 in two parts; with one the rest is off by up to ``2**-24 |x|``.
    """
    side = -1.0 if negated else 1.0
    shifted = apply("mad", x, side * _LOG2_E, _ROUNDING + bias)
    count = apply("sub", shifted, _ROUNDING + bias)
    if precise:
        rest = apply("mad", count, -side * _LN2_HIGH, x)
        rest = apply("mad", count, -side * _LN2_LOW, rest)
    else:
        rest = apply("mad", count, -side * math.log(2), x)
    return _Reduced(apply("shl", shifted, _MANTISSA_BITS), rest)


def _exp_polynomial(rest: Expression, *, scale: float = 1.0, negated: bool = False) -> Expression:
    """``scale * exp(rest)``, or ``scale * exp(-rest)``, for ``|rest| <= ln 2 / 2``; exact for 0."""
    side = -1.0 if negated else 1.0
    terms = (1.0, *coefficients.EXP)
    return horner([scale * side**i * c for i, c in enumerate(terms)], rest)


def exp(x: Expression) -> Expression:
    """e ** x. Below -86.98 the result is 0 (so numbers under 1.66e-38, subnormal ones among them, are flushed)."""
    power, rest = _reduce(clip(x, -87.5, 88.8), bias=126)
    return apply("mul", _exp_polynomial(rest, scale=2.0), power)


def exp_nonpositive(x: Expression) -> Expression:
    """e ** x for x <= 0, for softmax: within 1.3e-7 absolutely; 0 below -87.68."""
    power, rest = _reduce(apply("max", x, -87.9), bias=127, precise=False)
    return apply("mul", _exp_polynomial(rest), power)


def _exp_of_minus_size(x: Expression) -> Expression:
    """``e ** -|x|``, 0 from 87.68 on."""
    power, rest = _reduce(apply("max", apply("or", x, SIGN_BIT), -87.9), bias=127)
    return apply("mul", _exp_polynomial(rest), power)


def sigmoid(x: Expression) -> Expression:
    """1 / (1 + e ** -x); never below e ** -86.5, which stands for 0."""
    return _sigmoid_of_clipped(clip(x, -86.5, 86.5))


def _sigmoid_of_clipped(x: Expression) -> Expression:
    power, rest = _reduce(x, bias=127, negated=True)
    return reciprocal_normal(apply("mad", _exp_polynomial(rest, negated=True), power, 1.0))


def silu(x: Expression) -> Expression:
    """x * sigmoid(x)."""
    bounded = apply("max", x, -86.5)
    return apply("mul", bounded, _sigmoid_of_clipped(apply("min", bounded, 86.5)))


def softplus(x: Expression) -> Expression:
    """log(1 + e ** x) as max(x, 0) + log1p(e ** -|x|)."""
    tail = _exp_of_minus_size(x)
    return apply("mad", tail, horner(coefficients.LOG1P, tail), apply("max", x, 0.0))


def tanh(x: Expression) -> Expression:
    """x P(x**2) / Q(x**2) for |x| clipped at 9.02, clipped to [-1, 1]; -0 gives +0."""
    bounded = clip(x, -9.02, 9.02)
    square = apply("mul", bounded, bounded)
    top = apply("mul", bounded, horner(coefficients.TANH_NUMERATOR, square))
    return clip(divide_normal(top, horner(coefficients.TANH_DENOMINATOR, square)), -1.0, 1.0)


def cosh(x: Expression) -> Expression:
    """(e ** x + e ** -x) / 2; infinity from |x| = 88.73 on."""
    size = absolute(x)
    return apply("mad", exp(size), 0.5, apply("mul", _exp_of_minus_size(x), 0.5))


def sinh(x: Expression) -> Expression:
    """(e ** x - e ** -x) / 2, by a polynomial below 1; infinity from |x| = 88.73 on."""
    size = absolute(x)
    large = apply("mad", exp(size), 0.5, apply("mul", _exp_of_minus_size(x), -0.5))
    return where(less(size, 1.0), _odd(x, coefficients.SINH), copy_sign(large, x))


def _odd(x: Expression, cubic: tuple[float, ...]) -> Expression:
    """``x + x**3 P(x**2)``."""
    square = apply("mul", x, x)
    return apply("mad", apply("mul", x, square), horner(cubic, square), x)


class _Mantissa(NamedTuple):
    exponent: Expression
    fraction: Expression
    """mantissa - 1, exact, in [-0.293, 0.414)"""
    bend: Expression
    """log1p(fraction) - fraction"""


def _log_parts(x: Expression) -> _Mantissa:
    """Of a positive normal number."""
    offset = apply("shr", apply("isub", x, _SQRT_HALF), _MANTISSA_BITS)
    mantissa = apply("isub", x, apply("shl", offset, _MANTISSA_BITS))
    f = apply("sub", mantissa, 1.0)
    square = apply("mul", f, f)
    cubic = apply("mul", apply("mul", f, square), horner(coefficients.LOG, f))
    return _Mantissa(apply("i2f", offset), f, apply("mad", square, -0.5, cubic))


def log_normal(x: Expression) -> Expression:
    """Natural logarithm for 2**-126 <= x < infinity; anything else gives an unspecified number."""
    return _log_sum(_log_parts(x), 0.0)


def _log_sum(parts: _Mantissa, shift: Expression | float) -> Expression:
    exponent = apply("add", parts.exponent, shift) if isinstance(shift, Expression) else parts.exponent
    low = apply("mad", exponent, _LN2_LOW, parts.bend)
    return apply("mad", exponent, _LN2_HIGH, apply("add", low, parts.fraction))


def log(x: Expression) -> Expression:
    """Natural logarithm for every x, subnormal numbers too; -infinity for zeros, NaN below zero."""
    small = less(x, 2.0**-126)
    parts = _log_parts(apply("mul", x, where(small, 2.0**24, 1.0)))
    y = _log_sum(parts, where(small, -24.0, 0.0))
    ordinary = logical_and(less(0.0, x), less(x, INFINITY))
    return where(ordinary, y, where(less(x, 0.0), NAN, where(x, x, -math.inf)))


def power(a: Expression, b: Expression) -> Expression:
    """a ** b as exp(b log |a|) with the logarithm in two parts; for a < 0 only integer b, else NaN.

    Subnormal bases and results count as 0; infinite b gives NaN, a NaN operand too (also with b = 0 or a = 1); the sign
    of a negative base is kept for odd |b| < 2**22. Within 4 ulp in 2**22 random pairs with a in 1e-3..1e3 and |b| <= 8;
    within 10 with a in 1e-30..1e30 and |b| <= 1.2.
    """
    product, rest = _power_exponent(a, b, _log_parts(absolute(a)))
    scale, r = _reduce(product, bias=126)
    y = apply("mul", _exp_polynomial(apply("add", r, rest), scale=2.0), scale)
    odd = apply("shl", apply("add", b, _ROUNDING), pattern(31))
    signed = where(apply("eq", apply("floor", b), b), apply("xor", y, odd), NAN)
    return where(less(a, 0.0), signed, y)


def _power_exponent(a: Expression, b: Expression, parts: _Mantissa) -> tuple[Expression, Expression]:
    """``b log |a|`` as an exact leading product, clipped to the range of `exp`, and a rest below 1 / 16."""
    top = apply("mul", parts.exponent, _LN2_HIGH)
    log1p = apply("add", parts.fraction, parts.bend)
    lost = apply("sub", parts.bend, apply("sub", log1p, parts.fraction))
    lead = apply("add", top, log1p)
    low = apply("add", apply("mad", parts.exponent, _LN2_LOW, lost), apply("add", apply("sub", top, lead), log1p))
    lead = apply("min", where(a, where(less(absolute(a), INFINITY), lead, absolute(a)), -(2.0**90)), 2.0**90)
    high, middle = split(lead)
    b_high, b_low = split(b)
    rest = apply("mad", b_low, high, apply("mul", b, apply("add", middle, low)))
    return clip(apply("mul", b_high, high), -87.5, 88.8), clip(rest, -0.0625, 0.0625)


def asinh(x: Expression) -> Expression:
    """sign(x) log(|x| + sqrt(x**2 + 1)), by a polynomial below 1/2; for |x| <= 1e18, where it stays."""
    size = apply("min", absolute(x), 1e18)
    square = apply("mad", size, size, 1.0)
    root = apply("mul", square, rsqrt_normal(square))
    large = log_normal(apply("add", size, root))
    return where(less(absolute(x), 0.5), _odd(x, coefficients.ASINH), copy_sign(apply("mad", x, 0.0, large), x))


def acosh(x: Expression) -> Expression:
    """log(x + sqrt((x - 1) (x + 1))) for 1 <= x <= 1e18, where it stays; NaN below 1."""
    bounded = apply("min", x, 1e18)
    square = apply("mul", apply("sub", bounded, 1.0), apply("add", bounded, 1.0))
    root = apply("mul", square, rsqrt_normal(apply("max", square, 2.0**-100)))
    return where(apply("le", 1.0, x), log_normal(apply("add", bounded, root)), NAN)


def atanh(x: Expression) -> Expression:
    """log((1 + x) / (1 - x)) / 2, by a polynomial below 1/2; +-infinity at +-1, NaN outside."""
    size = absolute(x)
    ratio = divide_normal(apply("add", size, 1.0), apply("max", apply("sub", 1.0, size), 2.0**-100))
    large = apply("mul", log_normal(ratio), 0.5)
    large = where(less(size, 1.0), large, where(apply("eq", size, 1.0), INFINITY, NAN))
    return where(less(size, 0.5), _odd(x, coefficients.ATANH), copy_sign(large, x))
