"""INT16 and INT24 operands on the INT8 array: exact balanced limbs.

An integer ``q`` is ``sum(l_i * 256**i)`` with every limb ``l_i`` in -128..127. A product of two such operands is the
sum over pairs (i, j) of limb products with weight ``256**(i + j)``. Pairs of one weight (one *diagonal*) share an exact
INT32 accumulator, so order of summation can't matter; the diagonals are then combined in binary32, smallest weight up.
The idea is Ozaki's: Ozaki, Ogita, Oishi, Rump, "Error-free transformations of matrix multiplication by using fast
routines of matrix multiplication and its applications", Numerical Algorithms 59 (2012); on integer units: Ootomo,
Ozaki, Yokota, "DGEMM on integer matrix multiplication unit" (2024).

Range. The greatest number of two balanced limbs is 127 * 256 + 127 = 32639, not 32767, and of three 8355711, so
operands are scaled to `limit(num_limbs)` and clipped there. The smallest is taken symmetric.

Error. INT16 uses all four pairs. INT24 uses the six pairs with i + j >= 2 (or all nine): the three left out are at most
``513 * 2**14`` per product, 1.2e-7 of the greatest product (`dropped_bound`). `recombine` adds one rounding per
conversion and per addition: at most ``2**-24`` of each diagonal and of each running sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seedchip.numerics.expression import Expression, apply

RADIX = 256
INT8_PRODUCT = 1 << 14
"""The greatest product of two limbs, (-128) * (-128)."""

NUM_LIMBS = {"int8": 1, "int16": 2, "int24": 3}
"""Limbs of one operand at each precision."""

Pair = tuple[int, int]


def limit(num_limbs: int) -> int:
    """The greatest magnitude of an operand: 127, 32639 or 8355711 for one, two or three limbs."""
    _check_count(num_limbs)
    return sum(127 * RADIX**i for i in range(num_limbs))


def limb(q: Expression, index: int, num_limbs: int) -> Expression:
    """Limb ``index`` (0 is the lowest) of an integer-valued binary32 expression with ``|q| <= limit(num_limbs)``.

    All steps are exact: ``h = floor(q / 256 + 1/2)`` and ``l = q - 256 h`` need at most 24 bits.
    """
    _check_count(num_limbs)
    if not 0 <= index < num_limbs:
        raise ValueError(f"limb index must be 0 to {num_limbs - 1}, not {index}")
    value = q
    for i in range(num_limbs - 1):
        above = apply("floor", apply("mad", value, 1 / RADIX, 0.5))
        if i == index:
            return apply("mad", above, -float(RADIX), value)
        value = above
    return value


def limbs(q: Expression, num_limbs: int) -> tuple[Expression, ...]:
    """All limbs of ``q``, lowest first."""
    return tuple(limb(q, i, num_limbs) for i in range(num_limbs))


def split(values: np.ndarray, num_limbs: int) -> tuple[np.ndarray, ...]:
    """Integer constants as int8 arrays, lowest limb first. Raises ValueError outside ``limit(num_limbs)``."""
    rest = np.asarray(values, np.int64)
    bound = limit(num_limbs)
    if rest.size and int(np.abs(rest).max()) > bound:
        raise ValueError(f"operands of {num_limbs} limbs must lie within +-{bound}, not {int(np.abs(rest).max())}")
    parts = []
    for _ in range(num_limbs - 1):
        above = (rest + RADIX // 2) // RADIX
        parts.append((rest - RADIX * above).astype(np.int8))
        rest = above
    return (*parts, rest.astype(np.int8))


def diagonals(num_limbs: int, *, complete: bool = False) -> tuple[tuple[Pair, ...], ...]:
    """Limb pairs (i of A, j of B) by weight ``256**(i + j)``, smallest weight first.

    One limb: 1 pair; two: 4; three: the 6 with i + j >= 2, or all 9 if ``complete``.
    """
    _check_count(num_limbs)
    lowest = 2 if num_limbs == 3 and not complete else 0
    return tuple(
        tuple((i, d - i) for i in range(num_limbs) if 0 <= d - i < num_limbs)
        for d in range(lowest, 2 * num_limbs - 1))


def unit(num_limbs: int) -> int:
    """The weight of the highest diagonal: `recombine` gives the product sum divided by this power of 256."""
    _check_count(num_limbs)
    return int(RADIX ** (2 * (num_limbs - 1)))


def recombine(sums: Sequence[Expression]) -> Expression:
    """Diagonal sums (as binary32, smallest weight first) to one number in units of the highest diagonal.

    ``((s0 / 256) + s1) / 256 + s2 ...``: one `mad` per diagonal but the first; the division by 256 is exact.
    """
    if not sums:
        raise ValueError("recombine needs one diagonal or more")
    value = sums[0]
    for s in sums[1:]:
        value = apply("mad", value, 1 / RADIX, s)
    return value


def max_depth(num_limbs: int, *, complete: bool = False) -> int:
    """The longest inner dimension whose diagonals can't overflow INT32, for any operands."""
    widest = max(len(pairs) for pairs in diagonals(num_limbs, complete=complete))
    return (2**31 - 1) // (widest * INT8_PRODUCT)


def dropped_bound(num_limbs: int, depth: int) -> int:
    """The greatest magnitude of what `diagonals` leaves out of a sum of ``depth`` products."""
    kept = diagonals(num_limbs)
    lost = [pairs for pairs in diagonals(num_limbs, complete=True) if pairs not in kept]
    return depth * sum(len(pairs) * INT8_PRODUCT * int(RADIX ** sum(pairs[0])) for pairs in lost)


def _check_count(num_limbs: int) -> None:
    if num_limbs not in (1, 2, 3):
        raise ValueError(f"an operand has 1, 2 or 3 limbs, not {num_limbs}")
