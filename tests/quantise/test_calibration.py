"""Statistics of calibration against values computed from all samples at once, in binary64."""

from __future__ import annotations

import numpy as np
import pytest

from seedchip.graph.ops import Conv, MatMul
from seedchip.graph.reference import compute, compute_in
from seedchip.quantise.calibration import NUM_BINS, Statistics

SPREADS = np.array([1.0, 30.0, 0.0, 1e-3, 1e-39])


def seen(num_batches: int = 4) -> tuple[Statistics, np.ndarray]:
    """Statistics of batches that grow, so that histograms have to widen, and the rows themselves."""
    rng = np.random.default_rng(5)
    batches = [(rng.standard_normal((300, 5)) * SPREADS * 2**n).astype(np.float32) for n in range(num_batches)]
    statistics = Statistics()
    for batch in batches:
        statistics.update(batch)
    return statistics, np.concatenate(batches).astype(np.float64)


def test_moments_and_ranges_are_those_of_all_rows():
    statistics, rows = seen()
    np.testing.assert_array_equal(statistics.high, np.maximum(rows.max(axis=0), 0))
    np.testing.assert_array_equal(statistics.low, np.minimum(rows.min(axis=0), 0))
    np.testing.assert_allclose(statistics.mean, rows.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(statistics.power, np.square(rows).mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_the_error_of_clipping_is_that_of_all_rows_within_a_bin(share: float):
    statistics, rows = seen()
    threshold = share * statistics.magnitude
    exact = np.square(np.maximum(np.abs(rows) - threshold, 0.0)).mean(axis=0)
    bin_error = statistics.width / NUM_BINS
    bound = 2 * bin_error * np.sqrt(exact) + bin_error**2
    assert (np.abs(statistics.clipped_power(threshold) - exact) <= bound).all()


def test_thresholds_follow_an_update():
    statistics, rows = seen(2)
    before = statistics.threshold("mse", 99.9, 127), statistics.thresholds("mse", 99.9, 127).copy()
    assert statistics.threshold("mse", 99.9, 127) == before[0]
    statistics.update((8 * rows).astype(np.float32))
    assert statistics.threshold("mse", 99.9, 127) > 2 * before[0]
    changed = SPREADS > 0
    assert (statistics.thresholds("mse", 99.9, 127)[changed] > 2 * before[1][changed]).all()


@pytest.mark.parametrize("op, shapes", [
    (MatMul(), [(2, 9, 70), (70, 33), (2, 9, 5), (5, 33)]),
    (Conv((1, 1), (2, 1), (1, 1, 1, 1), 2), [(2, 9, 8, 6), (3, 3, 3, 8)]),
    (Conv((1, 1), (1, 1), (1, 1, 1, 1), 6), [(2, 9, 8, 6), (3, 3, 1, 12)])], ids=["pairs", "grouped", "depthwise"])
def test_binary32_sums_agree_with_binary64_sums_and_stay_binary32(op: MatMul | Conv, shapes: list[tuple[int, ...]]):
    rng = np.random.default_rng(1)
    operands = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    fast = compute_in(np.float32, op, *operands)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, compute(op, *operands), atol=2e-5)
    codes = [rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
    np.testing.assert_array_equal(compute_in(np.float32, op, *codes), compute(op, *codes))
