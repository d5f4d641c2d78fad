"""The one shape of everything in the zoo: a model, real inputs for it, and what agreement means for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Feeds = dict[str, np.ndarray]
Outputs = Mapping[str, np.ndarray]
Score = Callable[[Sequence[Outputs], Sequence[Outputs]], dict[str, float]]


@dataclass(frozen=True)
class Entry:
    """A ready-to-run model.

    ``shapes`` binds the model's symbolic sizes. ``calibration`` and ``samples`` give disjoint lists of feeds, each for
    one run. ``score(outputs, references)`` compares outputs of the first runs of ``samples()``, in that order, with
    binary32's; every figure is better when higher. ``trained`` is false where weights are random.
    ``extra`` names the optional dependencies that `model` needs. All calls but ``score`` may raise `ZooError`.
    """

    name: str
    description: str
    licence: str
    model: Callable[[], Path]
    samples: Callable[[], list[Feeds]]
    score: Score
    calibration: Callable[[], list[Feeds]]
    shapes: Mapping[str, int] = field(default_factory=dict)
    trained: bool = True
    extra: str | None = None


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two arrays as vectors, in binary64; 1 when both are zero."""
    x, y = np.ravel(a).astype(np.float64), np.ravel(b).astype(np.float64)
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return 1.0 if norms == 0 and not (x.any() or y.any()) else float(x @ y) / norms if norms else 0.0


def sqnr_db(outputs: np.ndarray, references: np.ndarray) -> float:
    """Signal-to-quantisation-noise ratio in decibel, at most 300: power of ``references`` over the difference's."""
    signal = float(np.square(references.astype(np.float64)).sum())
    noise = float(np.square(outputs.astype(np.float64) - references.astype(np.float64)).sum())
    if noise == 0:
        return 300.0
    return min(300.0, 10 * float(np.log10(signal / noise))) if signal else -300.0


def arrays(outputs: Sequence[Outputs], name: str | None = None) -> np.ndarray:
    """One output (the only one when not named) of every run, stacked along a new first axis."""
    return np.stack([run[name if name is not None else next(iter(run))] for run in outputs])


def agreement(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
    """Smallest cosine and signal-to-noise ratio over all outputs of all runs: for models without a task."""
    pairs = [(run[name], reference[name]) for run, reference in zip(outputs, references, strict=True)
             for name in reference]
    return {"cosine": min(cosine(a, b) for a, b in pairs), "sqnr_db": min(sqnr_db(a, b) for a, b in pairs)}
