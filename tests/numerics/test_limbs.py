"""Limbs against Python integers."""

from fractions import Fraction

import numpy as np
import pytest

from seedchip.numerics import limbs
from seedchip.numerics.expression import argument, evaluate, num_operations


def interesting(num_limbs: int) -> np.ndarray:
    bound = limbs.limit(num_limbs)
    if num_limbs == 2:
        return np.arange(-bound, bound + 1)
    rng = np.random.default_rng(0)
    near = (np.arange(-300, 301)[:, None] + np.array([0, 65536, -65536, 32768, -32768, 8388608 - 33000])).ravel()
    edges = np.array([bound, -bound, bound - 1, 128, -128, 127, 32639, 32640, -32640])
    values = np.concatenate([near, edges, rng.integers(-bound, bound + 1, 200000)])
    return values[np.abs(values) <= bound]


@pytest.mark.parametrize("num_limbs", [1, 2, 3])
def test_limbs_are_int8_and_sum_to_the_operand(num_limbs):
    q = interesting(num_limbs)
    parts = [evaluate(e, [q.astype(np.float32)]) for e in limbs.limbs(argument(0), num_limbs)]
    constants = limbs.split(q, num_limbs)
    total = np.zeros_like(q)
    for i, (part, stored) in enumerate(zip(parts, constants, strict=True)):
        assert part.min() >= -128 and part.max() <= 127
        assert stored.dtype == np.int8
        np.testing.assert_array_equal(part, stored)
        total += stored.astype(np.int64) * 256**i
    np.testing.assert_array_equal(total, q)


def test_operation_counts():
    assert [num_operations(limbs.limb(argument(0), i, 2)) for i in (0, 1)] == [3, 2]
    assert [num_operations(limbs.limb(argument(0), i, 3)) for i in (0, 1, 2)] == [3, 5, 4]


def test_limits():
    assert [limbs.limit(n) for n in (1, 2, 3)] == [127, 32639, 8355711]
    with pytest.raises(ValueError, match=r"^operands of 2 limbs must lie within \+-32639, not 32640$"):
        limbs.split(np.array([-32640]), 2)
    with pytest.raises(ValueError, match=r"^an operand has 1, 2 or 3 limbs, not 4$"):
        limbs.limit(4)
    with pytest.raises(ValueError, match=r"^limb index must be 0 to 1, not 2$"):
        limbs.limb(argument(0), 2, 2)


def test_pairs_by_diagonal():
    assert limbs.diagonals(1) == (((0, 0),),)
    assert limbs.diagonals(2) == (((0, 0),), ((0, 1), (1, 0)), ((1, 1),))
    assert limbs.diagonals(3) == (((0, 2), (1, 1), (2, 0)), ((1, 2), (2, 1)), ((2, 2),))
    assert sum(map(len, limbs.diagonals(3, complete=True))) == 9


@pytest.mark.parametrize(("num_limbs", "complete"), [(1, False), (2, False), (3, False), (3, True)])
def test_recombined_dot_products_are_within_the_stated_error(num_limbs, complete):
    rng = np.random.default_rng(num_limbs)
    bound, depth = limbs.limit(num_limbs), 500
    a, b = rng.integers(-bound, bound + 1, (2, 200, depth))
    parts_a, parts_b = limbs.split(a, num_limbs), limbs.split(b, num_limbs)
    sums = []
    for pairs in limbs.diagonals(num_limbs, complete=complete):
        total = sum((parts_a[i].astype(np.int64) * parts_b[j]).sum(axis=1) for i, j in pairs)
        assert np.abs(total).max() < 2**31
        sums.append(total.astype(np.int32))
    root = limbs.recombine([argument(i) for i in range(len(sums))])
    got = evaluate(root, [s.astype(np.float32) for s in sums])
    lost = 0 if complete else limbs.dropped_bound(num_limbs, depth)
    for row in range(200):
        exact = sum(int(x) * int(y) for x, y in zip(a[row], b[row], strict=True))
        scaled = [abs(int(s[row])) * Fraction(256) ** (d - len(sums) + 1) for d, s in enumerate(sums)]
        rounding = 2 * Fraction(1, 2**24) * sum(scaled) * len(sums)
        assert abs(Fraction(float(got[row])) - Fraction(exact, limbs.unit(num_limbs))) <= rounding + Fraction(
            lost, limbs.unit(num_limbs))


def test_depth_limit_is_the_last_that_cannot_overflow():
    for num_limbs in (1, 2, 3):
        depth, widest = limbs.max_depth(num_limbs), max(map(len, limbs.diagonals(num_limbs)))
        assert widest * depth * 128 * 128 < 2**31 <= widest * (depth + 1) * 128 * 128 + 1


def test_recombining_nothing_is_refused():
    with pytest.raises(ValueError, match=r"^recombine needs one diagonal or more$"):
        limbs.recombine([])
