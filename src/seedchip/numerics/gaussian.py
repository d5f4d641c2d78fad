"""Error function and the GELU family.

gelu: ``x Phi(x) = max(x, 0) - |x| Phi(-|x|)``, and the tail ``Phi(-a)`` is the eighth power of a polynomial in ``a``:
three squarings in place of a division and an exponential (the form of Abramowitz and Stegun 7.1.28, with the
reciprocal taken into the fit). erf: an odd ratio of polynomials, as in Eigen's and XLA's.
"""

from __future__ import annotations

from seedchip.numerics import coefficients
from seedchip.numerics.arithmetic import SIGN_BIT, clip, horner
from seedchip.numerics.division import divide_normal
from seedchip.numerics.expression import Expression, apply

_GELU_LIMIT = 5.7
_GELU_TANH_LIMIT = 5.3
_ERF_LIMIT = 3.93


def erf(x: Expression) -> Expression:
    """x P(x**2) / Q(x**2) for |x| clipped at 3.93, clipped to [-1, 1]; -0 gives +0."""
    bounded = clip(x, -_ERF_LIMIT, _ERF_LIMIT)
    square = apply("mul", bounded, bounded)
    top = apply("mul", bounded, horner(coefficients.ERF_NUMERATOR, square))
    return clip(divide_normal(top, horner(coefficients.ERF_DENOMINATOR, square)), -1.0, 1.0)


def gelu(x: Expression) -> Expression:
    """x (1 + erf(x / sqrt 2)) / 2; a constant under 6e-8 in magnitude below -5.7."""
    return _with_tail(x, coefficients.GELU, _GELU_LIMIT)


def gelu_tanh(x: Expression) -> Expression:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2; a constant under 1.6e-7 in magnitude below -5.3."""
    return _with_tail(x, coefficients.GELU_TANH, _GELU_TANH_LIMIT)


def _with_tail(x: Expression, tail: tuple[float, ...], limit: float) -> Expression:
    """``max(x, 0) - a P(a) ** 8`` with ``a = min(|x|, limit)``."""
    minus = apply("max", apply("or", x, SIGN_BIT), -limit)
    value = horner([c if i % 2 == 0 else -c for i, c in enumerate(tail)], minus)
    for _ in range(3):
        value = apply("mul", value, value)
    return apply("mad", minus, value, apply("max", x, 0.0))
