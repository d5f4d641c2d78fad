"""Exact functions against NumPy on random bit patterns, and the raw-pattern rule of bit operations."""

import numpy as np
import pytest

from seedchip.numerics.expression import apply, argument, evaluate, pattern
from seedchip.numerics.functions import expression

SPECIAL = np.array([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1, -1, np.inf, -np.inf, np.nan, 2.0**-149, -(2.0**-149),
                    2.0**23 + 1, -(2.0**23) - 1, 3.4e38], np.float32)


def operands(count: int = 1) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    patterns = [rng.integers(0, 2**32, 50000, dtype=np.uint32).view(np.float32) for _ in range(count)]
    small = [rng.integers(-40, 40, 5000).astype(np.float32) / 4 for _ in range(count)]
    grids = [g.ravel() for g in np.meshgrid(*[SPECIAL] * count)]
    return [np.concatenate(parts) for parts in zip(patterns, small, grids, strict=True)]


@pytest.mark.parametrize(("name", "reference"), [
    ("absolute", np.abs), ("negate", np.negative), ("sign", np.sign), ("floor", np.floor), ("ceil", np.ceil),
    ("round_even", np.rint), ("trunc", np.trunc), ("isnan", np.isnan), ("isinf", np.isinf)])
def test_unary_function_is_numpys(name, reference):
    (x,) = operands()
    with np.errstate(invalid="ignore"):
        want = reference(x).astype(np.float32)
    np.testing.assert_array_equal(evaluate(expression(name), [x]), want)


@pytest.mark.parametrize(("name", "reference"), [
    ("equal", np.equal), ("not_equal", np.not_equal), ("less", np.less), ("less_or_equal", np.less_equal),
    ("greater", np.greater), ("greater_or_equal", np.greater_equal), ("minimum", np.minimum), ("maximum", np.maximum)])
def test_binary_function_is_numpys(name, reference):
    a, b = operands(2)
    np.testing.assert_array_equal(evaluate(expression(name), [a, b]), reference(a, b).astype(np.float32))


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logic_has_its_truth_table(name):
    a, b = np.array([0, 0, 1, 1], np.float32), np.array([0, 1, 0, 1], np.float32)
    want = getattr(np, name)(a, b).astype(np.float32)
    np.testing.assert_array_equal(evaluate(expression(name), [a, b]), want)


def test_logical_not_where_and_clip():
    x = np.array([0, -0.0, 1, -3], np.float32)
    np.testing.assert_array_equal(evaluate(expression("logical_not"), [x]), [1, 1, 0, 0])
    np.testing.assert_array_equal(evaluate(expression("where"), [x, x + 10, x - 10]), [-10, -10, 11, 7])
    np.testing.assert_array_equal(evaluate(expression("clip"), [x, x * 0 - 1, x * 0 + 0.5]), [0, 0, 0.5, -1])


def test_masks_are_raw_patterns_though_they_look_like_nan():
    x = np.array([100.0, -100.0], np.float32)
    np.testing.assert_array_equal(evaluate(apply("and", argument(0), pattern(0x7FFFFFFF)), [x]), [100, 100])
    np.testing.assert_array_equal(evaluate(apply("and", argument(0), pattern(0xFFFFF000)), [x]), x)


def test_every_nan_of_arithmetic_is_the_canonical_one():
    strange = np.array([0xFFC00001, 0x7F800001], np.uint32).view(np.float32)
    doubled = apply("shr", apply("add", argument(0), argument(0)), pattern(1))
    assert (evaluate(doubled, [strange]).view(np.uint32) == 0x7FC00000 >> 1).all()
