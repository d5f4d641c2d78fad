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


def score_rows(values: np.ndarray) -> np.ndarray | None:
    """The rows in which a largest element means something: along the last axis that is longer than 1 (a classifier may
    give N x 1000 x 1 x 1), the axes before it in one; None for outputs without such rows or without a batch axis."""
    shape = values.shape
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return values.reshape(-1, shape[-1]) if len(shape) > 1 and values.size else None


def _top1(ours: np.ndarray, reference: np.ndarray) -> float | None:
    """Share of rows whose largest elements are at the same place."""
    a, b = score_rows(ours), score_rows(reference)
    return None if a is None or b is None else float(np.mean(a.argmax(-1) == b.argmax(-1)))


def compare_outputs(ours: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> tuple[OutputAccuracy, ...]:
    """Every output that both have, in our order."""
    return tuple(compare_output(name, ours[name], reference[name]) for name in ours if name in reference)
