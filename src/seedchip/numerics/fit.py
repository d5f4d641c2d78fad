"""How the coefficients in `seedchip.numerics.coefficients` were found: `python -m seedchip.numerics.fit` writes them.

Every fit is a weighted minimax fit in float64 on a grid, by iterated least squares whose weights follow the error
(C. L. Lawson, 1961; see Rice, "The Approximation of Functions", vol. 2, 13-12). Polynomial coefficients are rounded to
binary32 one at a time, lowest power first, and the rest are fitted again to what the rounded ones leave: the idea of
Brisebarre and Chevillard, "Efficient polynomial L-infinity approximations", ARITH 2007.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

GRID_POINTS = 2001
ITERATIONS = 300
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Target:
    """``function`` on [``low``, ``high``] by a polynomial of ``degree``, or a ratio if ``denominator`` is positive.

    The error is multiplied by ``weight`` before its greatest magnitude is minimised.
    """

    function: Function
    low: float
    high: float
    degree: int
    weight: Function = np.ones_like
    denominator: int = 0

    def grid(self) -> np.ndarray:
        """Points that crowd at both ends, as the extrema of the error do."""
        angles = (np.arange(GRID_POINTS) + 0.5) * np.pi / GRID_POINTS
        return 0.5 * (self.low + self.high) - 0.5 * (self.high - self.low) * np.cos(angles)


def polynomial(target: Target) -> tuple[list[float], float]:
    """Coefficients (binary32 values, constant term first) and the greatest weighted error that they leave."""
    x = target.grid()
    powers = x[:, None] ** np.arange(target.degree + 1)
    goal, weight = target.function(x), target.weight(x)
    chosen: list[float] = []
    for first in range(target.degree + 1):
        rest = goal - powers[:, :first] @ np.array(chosen)
        chosen.append(float(np.float32(_lawson(powers[:, first:], rest, weight)[0])))
    return chosen, float(np.abs((powers @ np.array(chosen) - goal) * weight).max())


def _lawson(basis: np.ndarray, goal: np.ndarray, weight: np.ndarray) -> np.ndarray:
    scale = np.abs(basis).max(axis=0)
    basis = basis / scale
    importance = np.ones_like(goal)
    best, worst = np.zeros(basis.shape[1]), np.inf
    for _ in range(ITERATIONS):
        rows = weight * np.sqrt(importance)
        solution = np.linalg.lstsq(basis * rows[:, None], goal * rows, rcond=1e-14)[0]
        error = np.abs((basis @ solution - goal) * weight)
        if error.max() < worst:
            best, worst = solution, float(error.max())
        importance *= error / error.max() + 1e-6
        importance /= importance.max()
    return np.asarray(best / scale)


def rational(target: Target) -> tuple[list[float], list[float], float]:
    """Numerator, denominator (constant terms first, the denominator's is 1) and greatest weighted error, in float64."""
    x = target.grid()
    goal, weight = target.function(x), target.weight(x)
    top = x[:, None] ** np.arange(target.degree + 1)
    bottom = x[:, None] ** np.arange(1, target.denominator + 1)
    system = np.concatenate([top, -goal[:, None] * bottom], axis=1)
    scale = np.abs(system).max(axis=0)
    importance, divisor = np.ones_like(x), np.ones_like(x)
    best, worst = np.zeros(system.shape[1]), np.inf
    split = target.degree + 1
    for _ in range(ITERATIONS):
        rows = weight * np.sqrt(importance) / divisor
        solution = np.linalg.lstsq(system / scale * rows[:, None], goal * rows, rcond=None)[0] / scale
        divisor = 1 + bottom @ solution[split:]
        error = np.abs((top @ solution[:split] / divisor - goal) * weight)
        if error.max() < worst:
            best, worst = solution, float(error.max())
        importance *= (error / error.max() + 1e-9) ** 0.5
        importance /= importance.max()
    return best[:split].tolist(), [1.0, *best[split:].tolist()], worst


def _at_zero(ratio: Function, value: float, near: float = 1e-9) -> Function:
    """``ratio`` with its limit ``value`` put in where its argument is near zero."""
    return lambda x: np.where(np.abs(x) < near, value, ratio(np.where(np.abs(x) < near, 0.5, x)))


def _vector(scalar: Callable[[float], float]) -> Function:
    return np.vectorize(scalar, otypes=[float])


_erf = _vector(math.erf)
_normal_tail = _vector(lambda a: 0.5 * math.erfc(a / math.sqrt(2)))
_exp_slope = _at_zero(lambda r: np.expm1(r) / r, 1.0)
_tanh_slope = _at_zero(lambda z: np.tanh(np.sqrt(z)) / np.sqrt(z), 1.0)
_erf_slope = _at_zero(lambda z: _erf(np.sqrt(z)) / np.sqrt(z), 2 / math.sqrt(math.pi))
_log1p_slope = _at_zero(lambda u: np.log1p(u) / u, 1.0)
_log_cubic = _at_zero(lambda f: (np.log1p(f) - f + f * f / 2) / f**3, 1 / 3, 1e-4)
_sin_cubic = _at_zero(lambda z: (np.sin(np.sqrt(z)) / np.sqrt(z) - 1) / z, -1 / 6, 1e-6)
_sinh_cubic = _at_zero(lambda z: (np.sinh(np.sqrt(z)) / np.sqrt(z) - 1) / z, 1 / 6, 1e-6)
_atan_cubic = _at_zero(lambda z: (np.arctan(np.sqrt(z)) / np.sqrt(z) - 1) / z, -1 / 3, 1e-6)
_asinh_cubic = _at_zero(lambda z: (np.arcsinh(np.sqrt(z)) / np.sqrt(z) - 1) / z, -1 / 6, 1e-6)
_atanh_cubic = _at_zero(lambda z: (np.arctanh(np.sqrt(z)) / np.sqrt(z) - 1) / z, 1 / 3, 1e-6)
_HALF_LN2 = 0.5 * math.log(2) * 1.0002


def _gelu_tanh_tail(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3)))


def _eighth_root(tail: Function, high: float, degree: int) -> Target:
    """The eighth root of a tail that falls from 1/2 to about 0; its error as it acts on the eighth power."""
    return Target(lambda a: tail(a) ** 0.125, 0.0, high, degree, lambda a: 8 * tail(a) ** 0.875)


TARGETS: dict[str, Target] = {
    "EXP": Target(_exp_slope, -_HALF_LN2, _HALF_LN2, 4, lambda r: np.abs(r) * np.exp(-r)),
    "RECIPROCAL": Target(lambda e: -1 / (1 + e), -0.05052, 0.05052, 3, np.abs),
    "RSQRT": Target(_at_zero(lambda e: ((1 + e) ** -0.5 - 1) / e, -0.5), -0.0677, 0.0692, 3, np.abs),
    "LOG": Target(_log_cubic, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 7, lambda f: f * f / _log1p_slope(f)),
    "LOG1P": Target(_log1p_slope, 0.0, 1.0, 8, lambda u: 1 / _log1p_slope(u)),
    "SIN": Target(_sin_cubic, 0.0, 1.58**2, 3, lambda z: z / (1 + z * _sin_cubic(z))),
    "SINH": Target(_sinh_cubic, 0.0, 1.0, 3, lambda z: z),
    "ATAN": Target(_atan_cubic, 0.0, 1.0, 7, lambda z: z),
    "ASINH": Target(_asinh_cubic, 0.0, 0.25, 4, lambda z: z),
    "ATANH": Target(_atanh_cubic, 0.0, 0.25, 5, lambda z: z),
    "TANH": Target(_tanh_slope, 0.0, 9.02**2, 4, lambda z: 1 / _tanh_slope(z), 4),
    "ERF": Target(_erf_slope, 0.0, 3.93**2, 6, lambda z: 1 / _erf_slope(z), 4),
    "GELU": _eighth_root(_normal_tail, 5.7, 8),
    "GELU_TANH": _eighth_root(_gelu_tanh_tail, 5.3, 10),
}


def table() -> str:
    """The text of `seedchip/numerics/coefficients.py`."""
    lines = ['"""Coefficients, constant term first. Generated: `python -m seedchip.numerics.fit`; method there."""', ""]
    for name, target in TARGETS.items():
        if target.denominator:
            top, bottom, error = rational(target)
            rows = [(f"{name}_NUMERATOR", top), (f"{name}_DENOMINATOR", bottom)]
        else:
            coefficients, error = polynomial(target)
            rows = [(name, coefficients)]
        lines.append(f"# {name}: [{target.low:.6g}, {target.high:.6g}], greatest weighted error {error:.2e}")
        for row, values in rows:
            lines.append(f"{row} = (\n    " + ",\n    ".join(repr(float(np.float32(v))) for v in values) + ",\n)")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("coefficients.py").write_text(table())
