"""Constant operands as int8: symmetric, one scale per output channel, one or more exact limbs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedchip.numerics.limbs import limit, split
from seedchip.quantise.errors import QuantiseError


@dataclass(frozen=True)
class QuantisedWeights:
    """``weights ~ scale * sum(limb_i * 256**i)``; ``scale`` broadcasts against the weights."""

    limbs: tuple[np.ndarray, ...]
    """int8, lowest limb first"""
    scale: np.ndarray
    error: np.ndarray
    """weights - their quantised value, in binary64"""


def quantise_weights(weights: np.ndarray, axes: tuple[int, ...], num_limbs: int, place: str) -> QuantisedWeights:
    """Quantises with one scale for every index of the axes that are not in ``axes`` (those that are summed over).

    Raises:
        QuantiseError: a weight is NaN or infinite.
    """
    values = np.asarray(weights, np.float64)
    if not np.isfinite(values).all():
        raise QuantiseError(f"weights {place} must be finite, but they hold NaN or infinity; "
                            "repair or train the model again")
    absmax = np.max(np.abs(values), axis=axes, keepdims=True, initial=0.0)
    scale = np.where(absmax > 0, absmax, 1.0) / limit(num_limbs)
    codes = np.rint(values / scale)
    return QuantisedWeights(split(codes, num_limbs), scale, values - codes * scale)
