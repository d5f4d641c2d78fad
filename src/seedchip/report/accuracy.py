"""How close outputs are to a reference's: cosine, largest difference, SQNR, top-1 agreement. All sums in binary64."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seedchip.report.report import OutputAccuracy, decibels


def compare_output(name: str, ours: np.ndarray, reference: np.ndarray) -> OutputAccuracy:
    """One output of any shape and number type; the shapes must be equal, else every figure is None.

    Elements where the reference is not finite count as equal when ours are the same, and make the figures None
    otherwise.
    """
    shape = tuple(int(n) for n in reference.shape)
    if ours.shape != reference.shape or not reference.size:
        return OutputAccuracy(name, shape, None, None, None, None)
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    finite = np.isfinite(b)
    if not np.isfinite(a[finite]).all() or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return OutputAccuracy(name, shape, None, None, None, _top1(ours, reference))
    a, b = a[finite], b[finite]
    difference = np.abs(a - b)
    noise, signal, power = float(difference @ difference), float(b @ b), float(a @ a)
    cosine = 1.0 if noise == 0 else float(a @ b) / (signal * power) ** 0.5 if signal and power else 0.0
    return OutputAccuracy(name, shape, min(1.0, max(-1.0, cosine)), float(difference.max(initial=0.0)),
                          decibels(signal, noise), _top1(ours, reference))


def _top1(ours: np.ndarray, reference: np.ndarray) -> float | None:
    """Rows along the last axis whose largest elements are at the same place; None for outputs without rows."""
    if reference.ndim < 2 or reference.shape[-1] < 2:
        return None
    return float(np.mean(ours.argmax(-1) == reference.argmax(-1)))


def compare_outputs(ours: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> tuple[OutputAccuracy, ...]:
    """Every output that both have, in our order."""
    return tuple(compare_output(name, ours[name], reference[name]) for name in ours if name in reference)
