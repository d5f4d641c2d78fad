"""Exact functions: sign, rounding, comparison, logic. Every result is correct to the bit.

Truth values are 1.0 and 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from seedchip.numerics.expression import Expression, apply, pattern

SIGN_BIT = pattern(0x80000000)
MAGNITUDE = pattern(0x7FFFFFFF)
INFINITY = pattern(0x7F800000)
NAN = pattern(0x7FC00000)
_HIGH_BITS = pattern(0xFFFFF000)

Operand = Expression | float
"""What comparisons take: a plain number is a constant."""


def horner(coefficients: Sequence[float], x: Expression) -> Expression:
    """A polynomial, constant term first: one `mad` per degree."""
    value: Expression | float = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = apply("mad", x, value, c)
    if not isinstance(value, Expression):
        raise ValueError("horner needs two coefficients or more")
    return value


def split(x: Expression) -> tuple[Expression, Expression]:
    """``x`` as an upper part of 12 significant bits and the exact rest, so that products of parts are exact."""
    high = apply("and", x, _HIGH_BITS)
    return high, apply("sub", x, high)


def absolute(x: Expression) -> Expression:
    """Magnitude."""
    return apply("and", x, MAGNITUDE)


def negate(x: Expression) -> Expression:
    """-x."""
    return apply("mul", x, -1.0)


def sign(x: Expression) -> Expression:
    """-1, 0 or 1; NaN for NaN. Two factors of 2**127 carry the least subnormal above 1."""
    large = apply("mul", apply("mul", x, 2.0**127), 2.0**127)
    return clip(large, -1.0, 1.0)


def clip(x: Expression, low: Expression | float, high: Expression | float) -> Expression:
    """The nearest number in [low, high]; NaN stays; a zero result is +0."""
    return apply("min", apply("max", x, low), high)


def minimum(a: Operand, b: Operand) -> Expression:
    """The smaller; NaN if either is; a zero result is +0."""
    return apply("min", a, b)


def maximum(a: Operand, b: Operand) -> Expression:
    """The larger; NaN if either is; a zero result is +0."""
    return apply("max", a, b)


def floor(x: Expression) -> Expression:
    """The greatest integer that is not above x."""
    return apply("floor", x)


def ceil(x: Expression) -> Expression:
    """The least integer that is not below x."""
    return negate(floor(negate(x)))


def round_even(x: Expression) -> Expression:
    """The nearest integer, ties to even."""
    return apply("rne", x)


def trunc(x: Expression) -> Expression:
    """The integer part, towards zero, with the sign of x."""
    return copy_sign(floor(absolute(x)), x)


def copy_sign(magnitude: Expression, x: Expression) -> Expression:
    """A number that is not negative, given the sign of x."""
    return apply("or", magnitude, apply("and", x, SIGN_BIT))


def equal(a: Operand, b: Operand) -> Expression:
    """a == b; false for NaN."""
    return apply("eq", a, b)


def not_equal(a: Operand, b: Operand) -> Expression:
    """a != b; true for NaN."""
    return logical_not(equal(a, b))


def less(a: Operand, b: Operand) -> Expression:
    """a < b; false for NaN."""
    return apply("lt", a, b)


def less_or_equal(a: Operand, b: Operand) -> Expression:
    """a <= b; false for NaN."""
    return apply("le", a, b)


def greater(a: Operand, b: Operand) -> Expression:
    """a > b; false for NaN."""
    return apply("lt", b, a)


def greater_or_equal(a: Operand, b: Operand) -> Expression:
    """a >= b; false for NaN."""
    return apply("le", b, a)


def isnan(x: Expression) -> Expression:
    """1 for NaN."""
    return not_equal(x, x)


def isinf(x: Expression) -> Expression:
    """1 for either infinity."""
    return equal(absolute(x), INFINITY)


def logical_and(a: Expression, b: Expression) -> Expression:
    """Of truth values."""
    return apply("mul", a, b)


def logical_or(a: Expression, b: Expression) -> Expression:
    """Of truth values."""
    return apply("max", a, b)


def logical_xor(a: Expression, b: Expression) -> Expression:
    """Of truth values."""
    return apply("xor", a, b)


def logical_not(a: Expression) -> Expression:
    """1 for a zero, else 0."""
    return apply("eq", a, 0.0)


def where(condition: Expression, a: Expression | float, b: Expression | float) -> Expression:
    """a where the condition is not zero, else b."""
    return apply("sel", condition, a, b)
