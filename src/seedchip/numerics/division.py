"""Reciprocal, quotient, square root: an integer guess of the bit pattern, one residual, one polynomial in it.

The guess ``magic - pattern(x)`` is linear in exponent and mantissa, so it is within 5.1 % of 1 / x; ``0x5F3759DF -
pattern(x) / 2`` is within 3.5 % of 1 / sqrt(x) (Blinn, "Floating-point tricks", IEEE CG&A 17(4), 1997; Lomont, "Fast
inverse square root", 2003). A polynomial of degree 4 in the residual ``e`` does the work of two Newton steps in one.

The ``*_normal`` forms leave out the range ends and serve where the argument is known to be ordinary: a softmax's sum, a
variance plus epsilon. `divide` and `sqrt` correct their result by an exact remainder (Dekker, "A floating-point
technique for extending the available precision", Numer. Math. 18, 1971), so exact quotients and roots are exact.
"""

from __future__ import annotations

import math

import numpy as np

from seedchip.numerics import coefficients
from seedchip.numerics.arithmetic import (
    INFINITY,
    NAN,
    absolute,
    copy_sign,
    equal,
    floor,
    horner,
    less,
    logical_and,
    logical_xor,
    negate,
    split,
    where,
)
from seedchip.numerics.expression import Expression, apply, constant, pattern

_RECIPROCAL_GUESS = pattern(0x7EF311C3)
_RSQRT_GUESS = pattern(0x5F3759DF)
_ONE_BIT = pattern(1)


def reciprocal_normal(x: Expression) -> Expression:
    """1 / x for 2**-126 <= |x| <= 2**125; anything else gives an unspecified number."""
    guess = apply("isub", _RECIPROCAL_GUESS, x)
    residual = apply("mad", x, guess, -1.0)
    return _corrected(guess, residual, coefficients.RECIPROCAL)


def rsqrt_normal(x: Expression) -> Expression:
    """1 / sqrt(x) for 2**-126 <= x < infinity; anything else gives an unspecified number."""
    guess = apply("isub", _RSQRT_GUESS, apply("shr", x, _ONE_BIT))
    residual = apply("mad", x, apply("mul", guess, guess), -1.0)
    return _corrected(guess, residual, coefficients.RSQRT)


def _corrected(guess: Expression, residual: Expression, slope: tuple[float, ...]) -> Expression:
    """``guess * (1 + residual * slope(residual))``."""
    return apply("mad", guess, apply("mul", residual, horner(slope, residual)), guess)


def divide_normal(a: Expression, b: Expression) -> Expression:
    """a / b for 2**-126 <= |b| <= 2**125, as a product with the reciprocal: within 2.5 ulp."""
    return apply("mul", a, reciprocal_normal(b))


def reciprocal(x: Expression) -> Expression:
    """1 / x for every x: scaled by 2**-64 or 2**64 first; zeros, infinities and NaN as IEEE 754 says."""
    size = absolute(x)
    scale = where(less(size, 1.0), 2.0**64, 2.0**-64)
    y = apply("mul", reciprocal_normal(apply("mul", x, scale)), scale)
    edge = apply("isub", INFINITY, x)  # infinity for 0, 0 for infinity, NaN for NaN, all with the sign of x
    return where(x, where(less(size, INFINITY), y, edge), edge)


def divide(a: Expression, b: Expression) -> Expression:
    """a / b, correctly rounded in all of 2**20 random pairs with |a| >= 2**-36 and |a / b| >= 2**-100.

    Zeros, infinities and NaN as IEEE 754 says; a smaller dividend may lose the last bit, a subnormal one nine bits. A
    constant divisor costs less, a power of two one multiplication.
    """
    if b.operator == "constant":
        divisor = float(np.int32(b.value).view(np.float32))
        if divisor and math.frexp(divisor)[0] in (0.5, -0.5) and 2.0**-126 <= abs(divisor) <= 2.0**126:
            return apply("mul", a, 1 / divisor)
        if 2.0**-60 < abs(divisor) < 2.0**60:
            return _divide_by_constant(a, divisor)
    size = absolute(b)
    scale = where(less(size, 2.0**-64), 2.0**64, where(less(2.0**64, size), 2.0**-64, 1.0))
    a, b = apply("mul", a, scale), apply("mul", b, scale)
    inverse = reciprocal_normal(b)
    quotient = apply("mul", a, inverse)
    high, low = split(negate(b))
    exact = _refined(quotient, _remainder(a, quotient, high, low), inverse)
    edge = apply("mul", a, apply("isub", INFINITY, b))  # the factor is infinity for 0 and 0 for infinity
    return where(b, where(equal(exact, exact), exact, edge), edge)


def _divide_by_constant(a: Expression, divisor: float) -> Expression:
    inverse = float(np.float32(1 / divisor))
    quotient = apply("mul", a, inverse)
    high = (np.float32(-divisor).view(np.int32) & np.int32(-4096)).view(np.float32)
    low = np.float32(-divisor) - high
    rest = _remainder(a, quotient, constant(float(high)), constant(float(low)))
    exact = _refined(quotient, rest, constant(inverse))
    return where(equal(exact, exact), exact, quotient)


def _refined(quotient: Expression, rest: Expression, inverse: Expression) -> Expression:
    """``quotient + rest * inverse``; with no rest the quotient itself, whose zero may be negative."""
    return where(rest, apply("mad", rest, inverse, quotient), quotient)


def _remainder(a: Expression, quotient: Expression, high: Expression, low: Expression) -> Expression:
    """``a + quotient * (high + low)``: high and low are the parts of the negated divisor."""
    upper, lower = split(quotient)
    rest = apply("mad", upper, high, a)
    rest = apply("mad", upper, low, rest)
    rest = apply("mad", lower, high, rest)
    return apply("mad", lower, low, rest)


def rsqrt(x: Expression) -> Expression:
    """1 / sqrt(x) for every x: infinity with its sign for zeros, 0 for infinity, NaN below zero."""
    small = less(x, 2.0**-126)
    scaled = apply("mul", x, where(small, 2.0**48, 1.0))
    y = apply("mul", rsqrt_normal(scaled), where(small, 2.0**24, 1.0))
    edge = where(less(x, 0.0), NAN, apply("isub", INFINITY, x))
    return where(_positive_finite(x), y, edge)


def sqrt(x: Expression) -> Expression:
    """Square root for every x; keeps the sign of zero; NaN below zero."""
    small = less(x, 2.0**-80)
    scaled = apply("mul", x, where(small, 2.0**96, 1.0))
    inverse = rsqrt_normal(scaled)
    root = apply("mul", scaled, inverse)
    high, low = split(root)
    minus_high = negate(high)
    rest = apply("mad", minus_high, high, scaled)
    rest = apply("mad", apply("add", minus_high, minus_high), low, rest)
    rest = apply("sub", rest, apply("mul", low, low))
    exact = apply("mad", rest, apply("mul", inverse, 0.5), root)
    y = apply("mul", exact, where(small, 2.0**-48, 1.0))
    return where(_positive_finite(x), y, where(less(x, 0.0), NAN, x))


def _positive_finite(x: Expression) -> Expression:
    return logical_and(less(0.0, x), less(x, INFINITY))


def fmod(a: Expression, b: Expression) -> Expression:
    """a - b * trunc(a / b), exact while |a / b| < 2**22 and 2**-100 <= |b| <= 2**125; sign of a."""
    size, step = absolute(a), absolute(b)
    minus = negate(step)
    count = floor(divide_normal(size, step))
    high, low = split(minus)
    rest = _remainder(size, count, high, low)
    rest = where(less(rest, 0.0), apply("add", rest, step), rest)
    rest = where(apply("le", step, rest), apply("sub", rest, step), rest)
    rest = where(step, where(equal(step, INFINITY), size, rest), NAN)
    return copy_sign(apply("mad", size, 0.0, rest), a)


def remainder(a: Expression, b: Expression) -> Expression:
    """a - b * floor(a / b), in the range of `fmod`; sign of b."""
    rest = fmod(a, b)
    opposite = logical_xor(less(rest, 0.0), less(b, 0.0))
    return where(where(rest, opposite, 0.0), apply("add", rest, b), rest)
