"""Exact products, by both forms of the kernel, also where pairs of products leave 16 bits."""

from __future__ import annotations

import numpy as np
import pytest

from seedchip.simulator.gemm import product, widening_product

SHAPES = [(1, 1, 1), (3, 5, 7), (128, 576, 64), (2, 9000, 16), (16, 4608, 8)]


@pytest.mark.parametrize("make", [product, widening_product])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_equal_those_of_64_bit_integers(make, shape):
    m, k, n = shape
    rng = np.random.default_rng(k)
    for extreme in (False, True):
        a, b = (rng.choice([-128, 127], s).astype(np.int8) if extreme else rng.integers(-128, 128, s, np.int8)
                for s in ((m, k), (k, n)))
        exact = a.astype(np.int64) @ b.astype(np.int64)
        np.testing.assert_array_equal(make()(a.view(np.uint8) ^ np.uint8(128), b), exact)


def test_batches_multiply_one_by_one():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (4, 3, 16), np.int8), rng.integers(-128, 128, (4, 16, 8), np.int8)
    exact = a.astype(np.int64) @ b.astype(np.int64)
    np.testing.assert_array_equal(product()(a.view(np.uint8) ^ np.uint8(128), b), exact)
