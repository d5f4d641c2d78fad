"""Row and window reductions against scalar loops written from the prose."""

import numpy as np
import pytest

from seedchip.numerics.reduction import row_reduce, window_reduce

STEP = {"sum": lambda a, b: a + b, "max": lambda a, b: np.float32(np.maximum(a, b) + np.float32(0)),
        "min": lambda a, b: np.float32(np.minimum(a, b) + np.float32(0))}
NOTHING = {"sum": np.float32(0), "max": np.float32(-np.inf), "min": np.float32(np.inf)}


def slow_row(kind: str, row: np.ndarray) -> np.float32:
    partials: list[np.float32 | None] = [None] * 64
    for j, value in enumerate(row):
        held = partials[j % 64]
        partials[j % 64] = value if held is None else STEP[kind](held, value)
    tree = [NOTHING[kind] if p is None else p for p in partials]
    for half in (32, 16, 8, 4, 2, 1):
        tree = [STEP[kind](tree[p], tree[p + half]) for p in range(half)]
    return tree[0]


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 127, 200, 1000])
def test_row_equals_the_scalar_loop(kind, length):
    x = (np.random.default_rng(length).standard_normal((3, length)) * 1e3).astype(np.float32)
    got = row_reduce(kind, x)
    assert got.shape == (3, 1) and got.dtype == np.float32
    want = np.array([[slow_row(kind, row)] for row in x], np.float32)
    np.testing.assert_array_equal(got.view(np.int32), want.view(np.int32))


def test_sum_of_a_row_differs_from_the_sequential_one_so_the_order_is_tested():
    x = np.random.default_rng(0).standard_normal((50, 700)).astype(np.float32)
    sequential = np.cumsum(x, axis=1, dtype=np.float32)[:, -1:]
    assert (row_reduce("sum", x) != sequential).any()


def test_rows_do_not_depend_on_their_batch():
    x = np.random.default_rng(1).standard_normal((16, 5, 333)).astype(np.float32)
    whole = row_reduce("sum", x)
    for i in range(16):
        np.testing.assert_array_equal(row_reduce("sum", x[i:i + 1, ::-1])[:, ::-1], whole[i:i + 1])


def test_signed_zeros_infinities_and_nan():
    negative_zeros = np.full((1, 64), -0.0, np.float32)
    assert np.signbit(row_reduce("sum", negative_zeros)[0, 0])
    assert not np.signbit(row_reduce("sum", negative_zeros[:, :63])[0, 0])
    assert not np.signbit(row_reduce("max", negative_zeros)[0, 0])
    assert not np.signbit(row_reduce("min", negative_zeros[:, :1])[0, 0])
    mixed = np.array([[np.inf, -np.inf, 1]], np.float32)
    assert row_reduce("sum", mixed).view(np.uint32)[0, 0] == 0x7FC00000
    strange = np.array([[1, 2]], np.float32)
    strange.view(np.uint32)[0, 0] = 0xFFC00001
    for kind in ("sum", "max", "min"):
        assert row_reduce(kind, strange).view(np.uint32)[0, 0] == 0x7FC00000


def test_wrong_kind_and_empty_rows_are_refused():
    with pytest.raises(ValueError, match=r"^the kind of a reduction must be one of sum, max, min, not 'mean'$"):
        row_reduce("mean", np.ones((2, 2), np.float32))
    with pytest.raises(ValueError, match=r"^row_reduce needs a last axis of one element or more, not shape \(2, 0\)$"):
        row_reduce("sum", np.ones((2, 0), np.float32))


def slow_window(kind, x, kernel, strides, dilations, pads):
    height = (x.shape[1] + pads[0] + pads[2] - dilations[0] * (kernel[0] - 1) - 1) // strides[0] + 1
    width = (x.shape[2] + pads[1] + pads[3] - dilations[1] * (kernel[1] - 1) - 1) // strides[1] + 1
    out = np.empty((x.shape[0], height, width, x.shape[3]), np.float32)
    for n, i, j, c in np.ndindex(out.shape):
        value = None
        for a in range(kernel[0]):
            for b in range(kernel[1]):
                row = i * strides[0] + a * dilations[0] - pads[0]
                column = j * strides[1] + b * dilations[1] - pads[1]
                if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                    tap = x[n, row, column, c]
                    value = tap if value is None else STEP[kind](value, tap)
        out[n, i, j, c] = NOTHING[kind] if value is None else value
    return out


@pytest.mark.parametrize("kind", ["sum", "max"])
@pytest.mark.parametrize(("kernel", "strides", "dilations", "pads"), [
    ((2, 2), (2, 2), (1, 1), (0, 0, 0, 0)), ((3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    ((3, 2), (1, 3), (2, 1), (2, 0, 1, 3)),
    ((1, 1), (1, 1), (1, 1), (2, 2, 2, 2)), ((7, 6), (1, 1), (1, 1), (0, 0, 0, 0)),
    ((2, 2), (3, 3), (3, 4), (4, 4, 4, 4))])
def test_window_equals_the_scalar_loop(kind, kernel, strides, dilations, pads):
    x = np.random.default_rng(2).standard_normal((2, 7, 6, 3)).astype(np.float32)
    x[1, :, :, 0] = -0.0
    got = window_reduce(kind, x, kernel, strides=strides, dilations=dilations, pads=pads)
    want = slow_window(kind, x, kernel, strides, dilations, pads)
    np.testing.assert_array_equal(got.view(np.int32), want.view(np.int32))


def test_window_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"^a window of 9 taps, dilation 1, must fit in 4 \+ 0 positions$"):
        window_reduce("max", np.ones((1, 4, 4, 1), np.float32), (9, 1))
