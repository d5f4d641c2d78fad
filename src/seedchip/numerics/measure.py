"""Worst errors of the functions, over every binary32 number of a stated domain.

`python -m seedchip.numerics.measure` runs all of them (ten minutes on two cores) and writes
`seedchip/numerics/measured.py`; names as arguments run and print only those. References are NumPy's and `math`'s
float64 functions. The unit is the ulp: the spacing of binary32 numbers at the magnitude that ``scale`` names (never
less than that of the subnormal numbers, 2**-149). A correctly rounded result has an error of at most 0.5.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seedchip.numerics.expression import Expression, evaluate
from seedchip.numerics.functions import expression

CHUNK = 1 << 16
MAX_FLOAT = float(np.finfo(np.float32).max)
LEAST = 2.0**-149
NORMAL = 2.0**-126

Reference = Callable[[np.ndarray], np.ndarray]


class Worst(NamedTuple):
    """The greatest error in ulp and where it was found."""

    ulp: float
    at: float


@dataclass(frozen=True)
class Case:
    """One unary function on [low, high]; the ulp is that of ``scale``, a key of `SCALES`."""

    reference: Reference
    low: float = -MAX_FLOAT
    high: float = MAX_FLOAT
    scale: str = "|y|"


SCALES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "|y|": lambda x, y: np.abs(y),
    "max(|y|, 1)": lambda x, y: np.maximum(np.abs(y), 1.0),
    "max(|y|, |x| / 2)": lambda x, y: np.maximum(np.abs(y), np.abs(x) / 2),
}


def _erf(x: np.ndarray) -> np.ndarray:
    """By `math.erf` where it is not linear (to 2**-33) or constant."""
    result = np.where(np.abs(x) < 2.0**-16, x * (2 / math.sqrt(math.pi)), np.sign(x))
    bent = (np.abs(x) >= 2.0**-16) & (np.abs(x) < 6.0)
    result[bent] = np.fromiter(map(math.erf, x[bent]), np.float64)
    return result


def _gelu(x: np.ndarray) -> np.ndarray:
    """By `math.erfc` where the tail matters."""
    result = np.where(np.abs(x) < 2.0**-16, x * (0.5 + x / math.sqrt(2 * math.pi)), np.maximum(x, 0.0))
    bent = (np.abs(x) >= 2.0**-16) & (np.abs(x) < 40.0)
    result[bent] = 0.5 * x[bent] * np.fromiter(map(math.erfc, -x[bent] / math.sqrt(2)), np.float64)
    return result


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    inside = np.clip(x, -12.0, 12.0)
    return np.asarray(x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (inside + 0.044715 * inside**3))))


CASES: dict[str, Case] = {
    "exp": Case(np.exp, -86.98, 88.72283),
    "exp_nonpositive": Case(np.exp, -MAX_FLOAT, 0.0, "max(|y|, 1)"),
    "log": Case(np.log, LEAST),
    "log_normal": Case(np.log, NORMAL),
    "sigmoid": Case(lambda x: 1 / (1 + np.exp(-x)), -86.5),
    "silu": Case(lambda x: x / (1 + np.exp(-x)), -86.5),
    "softplus": Case(lambda x: np.logaddexp(0, x), -87.0),
    "tanh": Case(np.tanh),
    "sinh": Case(np.sinh, -88.72283, 88.72283),
    "cosh": Case(np.cosh, -88.72283, 88.72283),
    "asinh": Case(np.arcsinh, -1e18, 1e18),
    "acosh": Case(np.arccosh, 1.0, 1e18, "max(|y|, 1)"),
    "atanh": Case(np.arctanh, -1.0, 1.0),
    "reciprocal": Case(lambda x: 1 / x),
    "reciprocal_normal": Case(lambda x: 1 / x, NORMAL, 2.0**125),
    "sqrt": Case(np.sqrt, 0.0),
    "rsqrt": Case(lambda x: 1 / np.sqrt(x), 0.0),
    "rsqrt_normal": Case(lambda x: 1 / np.sqrt(x), NORMAL),
    "erf": Case(_erf),
    "gelu": Case(_gelu, scale="max(|y|, |x| / 2)"),
    "gelu_tanh": Case(_gelu_tanh, scale="max(|y|, |x| / 2)"),
    "sin": Case(np.sin, -8192.0, 8192.0, "max(|y|, 1)"),
    "cos": Case(np.cos, -8192.0, 8192.0, "max(|y|, 1)"),
    "tan": Case(np.tan, -1.57, 1.57),
    "asin": Case(np.arcsin, -1.0, 1.0),
    "acos": Case(np.arccos, -1.0, 1.0),
    "atan": Case(np.arctan),
}


def error_ulp(case: Case, function: Expression, x: np.ndarray) -> np.ndarray:
    """Error of each result in ulp; infinite where exactly one of result and reference is NaN or infinite."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        want = case.reference(wide)
        got = evaluate(function, [x])
        exponent = np.frexp(np.minimum(SCALES[case.scale](wide, want), MAX_FLOAT))[1]
        unit = np.ldexp(1.0, np.maximum(exponent - 24, -149))
        error = np.abs(got - want) / unit
        agrees = (got == want.astype(np.float32)) & ~np.isfinite(got)
        return np.where(agrees | (np.isnan(got) & np.isnan(want)), 0.0, np.nan_to_num(error, nan=np.inf))


def pattern_ranges(low: float, high: float) -> list[tuple[int, int]]:
    """Binary32 numbers from low to high as ranges of unsigned patterns, ends excluded; -0 belongs to the negative."""
    def bits(x: float) -> int:
        return int(np.float32(x).view(np.uint32))

    ranges = []
    if high >= 0:
        ranges.append((bits(max(low, 0.0)), bits(high) + 1))
    if low < 0:
        ranges.append((bits(min(high, -0.0) if high < 0 else -0.0), bits(low) + 1))
    return ranges


def _chunks(low: float, high: float, stride: int) -> Iterator[np.ndarray]:
    for first, end in pattern_ranges(low, high):
        for start in range(first, end, CHUNK * stride):
            yield np.arange(start, min(end, start + CHUNK * stride), stride, dtype=np.uint32).view(np.float32)


def measure(name: str, *, stride: int = 1) -> Worst:
    """The worst error over every ``stride``-th number of the function's domain."""
    case, function = CASES[name], expression(name)
    worst = Worst(0.0, case.low)
    for x in _chunks(case.low, case.high, stride):
        error = error_ulp(case, function, x)
        i = int(error.argmax())
        if error[i] > worst.ulp:
            worst = Worst(float(error[i]), float(x[i]))
    return worst


def table(results: dict[str, Worst]) -> str:
    """The text of `seedchip/numerics/measured.py`."""
    rows = "".join(f'    "{name}": Worst({math.ceil(w.ulp * 1000) / 1000}, {w.at!r}),\n' for name, w in results.items())
    return ('"""Worst errors over every number of each domain. Generated: `python -m seedchip.numerics.measure`."""\n\n'
            "from seedchip.numerics.measure import Worst\n\n"
            f"MEASURED: dict[str, Worst] = {{\n{rows}}}\n")


def main(names: list[str]) -> None:
    chosen = names or list(CASES)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        results = {}
        for name, worst in zip(chosen, pool.map(measure, chosen), strict=True):
            results[name] = worst
            print(f"{name:20s} {worst.ulp:8.3f} ulp at {worst.at:.9g}", flush=True)
    if not names:
        Path(__file__).with_name("measured.py").write_text(table(results))


if __name__ == "__main__":
    main(sys.argv[1:])
