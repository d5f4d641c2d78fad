"""Windows: maxima and sums over images, alone and with the map behind them."""

from __future__ import annotations

import numpy as np
import pytest
from small_graphs import A0, A1, A2, CHIPS, assert_exact, build, float32

from seedchip.graph.ops import Map, Pool
from seedchip.numerics.expression import apply

WINDOWS = {
    "3 x 3, stride 2, padded": Pool("max", (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)),
    "2 x 3": Pool("max", (2, 3)),
    "dilated": Pool("max", (3, 2), (1, 2), (2, 3), (2, 0, 1, 1)),
    "global": Pool("max", (9, 11)),
    "window of padding alone": Pool("max", (2, 2), (3, 3), (1, 1), (3, 3, 3, 3)),
}


def pool(kind: str, op: Pool, shape: tuple[int, int, int, int], dtype: str):
    window = Pool(kind, op.kernel, op.strides, op.dilations, op.pads)
    return build({"x": (shape, dtype)}, [("y", window, ("x",))], ["y"])


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("kind", ["max", "sum"])
@pytest.mark.parametrize("op", WINDOWS.values(), ids=WINDOWS)
def test_a_window_is_exact(op, kind, dtype):
    assert_exact(pool(kind, op, (2, 9, 11, 24), dtype))


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("channels", [1, 2, 33])
def test_any_number_of_channels_is_exact(chip, channels):
    assert_exact(pool("sum", Pool("sum", (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)), (1, 9, 11, channels), "float32"), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("kind", ["max", "sum"])
def test_a_map_is_computed_on_the_way_out_of_a_window(chip, kind):
    window = Pool(kind, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1))
    graph = build({"x": ((2, 9, 11, 24), "int8"), "r": ((2, 5, 6, 24), "int8")},
                  [("p", window, ("x",)), ("y", Map(apply("mad", A1, A2, A0), "int8"), ("r", "scale", "p"))], ["y"],
                  {"scale": float32(24)})
    assert_exact(graph, chip)


def test_a_window_that_others_read_too_is_written():
    graph = build({"x": ((1, 6, 6, 10), "int8")},
                  [("p", Pool("max", (2, 2)), ("x",)), ("y", Map(apply("mul", A0, 0.5), "int8"), ("p",))], ["y", "p"])
    assert_exact(graph)


@pytest.mark.parametrize("kind", ["max", "sum"])
def test_the_first_tap_is_taken_as_it_is(kind):
    """The sum of a window of -0 is -0 (a sum that begins at +0 would be +0); a maximum of one tap keeps its sign."""
    graph = pool(kind, Pool("sum", (1, 1), pads=(1, 0, 0, 0)), (1, 2, 2, 8), "float32")
    assert_exact(graph, feeds={"x": np.full((1, 2, 2, 8), -0.0, np.float32)})
    two = pool(kind, Pool("sum", (2, 2)), (1, 2, 2, 8), "float32")
    assert_exact(two, feeds={"x": np.full((1, 2, 2, 8), -0.0, np.float32)})
