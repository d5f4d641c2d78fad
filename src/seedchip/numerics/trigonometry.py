"""Sine, cosine and their inverses.

The argument is reduced by multiples of pi in three parts (Cody and Waite, 1980), so ``sin(x) = (-1)**k sin(r)`` with
``|r| <= pi / 2`` and one odd polynomial serves sine and cosine.
"""

from __future__ import annotations

import math

from seedchip.numerics import coefficients
from seedchip.numerics.arithmetic import NAN, absolute, clip, copy_sign, horner, less, where
from seedchip.numerics.division import divide_normal, reciprocal_normal, rsqrt_normal
from seedchip.numerics.expression import Expression, apply, pattern

_ROUNDING = 1.5 * 2.0**23
_PI_PARTS = (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7)
"""pi in parts of 9 and 11 bits, whose products with 13-bit integers are exact, and the rest (Cephes `sinf`, x 4)."""


def sin(x: Expression) -> Expression:
    """Accurate for |x| <= 8192; less and less beyond, but never outside [-1, 1]; NaN for infinities."""
    shifted = apply("mad", x, 1 / math.pi, _ROUNDING)
    return _alternating(x, shifted, apply("sub", shifted, _ROUNDING))


def cos(x: Expression) -> Expression:
    """sin(x + pi / 2), with the half turn in the reduction; range as `sin`."""
    shifted = apply("add", apply("mad", x, 1 / math.pi, 0.5), _ROUNDING)
    return _alternating(x, shifted, apply("sub", apply("sub", shifted, _ROUNDING), 0.5))


def _alternating(x: Expression, shifted: Expression, count: Expression) -> Expression:
    rest = x
    for part in _PI_PARTS:
        rest = apply("mad", count, -part, rest)
    rest = clip(rest, -1.58, 1.58)
    square = apply("mul", rest, rest)
    value = apply("mad", apply("mul", rest, square), horner(coefficients.SIN, square), rest)
    return apply("xor", value, apply("shl", shifted, pattern(31)))


def tan(x: Expression) -> Expression:
    """sin(x) / cos(x)."""
    return divide_normal(sin(x), cos(x))


def atan(x: Expression) -> Expression:
    """Above 1 as pi / 2 - atan(1 / x); an odd polynomial on [0, 1]."""
    size = absolute(x)
    steep = less(1.0, size)
    t = where(steep, reciprocal_normal(apply("min", size, 2.0**100)), size)
    square = apply("mul", t, t)
    value = apply("mad", apply("mul", t, square), horner(coefficients.ATAN, square), t)
    return copy_sign(where(steep, apply("sub", math.pi / 2, value), value), x)


def _inverse_root(x: Expression) -> Expression:
    """1 / sqrt(1 - x**2), 2**50 at and outside the ends."""
    square = apply("mul", apply("sub", 1.0, x), apply("add", 1.0, x))
    return rsqrt_normal(apply("max", square, 2.0**-100))


def asin(x: Expression) -> Expression:
    """atan(x / sqrt(1 - x**2)); NaN outside [-1, 1]."""
    return where(less(1.0, absolute(x)), NAN, atan(apply("mul", x, _inverse_root(x))))


def acos(x: Expression) -> Expression:
    """2 atan((1 - x) / sqrt(1 - x**2)); NaN outside [-1, 1]."""
    angle = atan(apply("mul", apply("sub", 1.0, x), _inverse_root(x)))
    return where(less(1.0, absolute(x)), NAN, apply("mul", angle, 2.0))
