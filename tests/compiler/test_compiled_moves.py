"""Operations that only move elements, broadcasts, scalars, gathers, and what the driver does at the network's ends."""

from __future__ import annotations

import numpy as np
import pytest
from small_graphs import A0, A1, A2, CHIPS, assert_exact, build, convolution, feeds_for, float32, int8, run

from seedchip.compiler import compile_graph
from seedchip.graph.ops import Concat, Conv, Expand, Gather, Map, MatMul, Pad, Reshape, Slice, Take, Transpose
from seedchip.graph.reference import evaluate
from seedchip.numerics.expression import apply
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import load

SHAPE = (2, 3, 5, 7)
MOVES = {
    "rotate the axes": Transpose((0, 3, 1, 2)), "reverse the axes": Transpose((3, 2, 1, 0)),
    "rows that merge": Reshape((6, 35)), "one row": Reshape((210,)), "rows that straddle": Reshape((5, 42)),
    "one column": Reshape((210, 1)), "slice with steps": Slice((0, 1, 4, 6), (2, 2, 3, 4), (1, 1, -2, -1)),
    "one element": Slice((1, 2, 3, 4), (1, 1, 1, 1), (1, 1, 1, 1)),
    "one column of many": Slice((0, 0, 0, 3), (2, 3, 5, 1), (1, 1, 1, 1)),
    "pad": Pad((0, 1, 2, 0), (1, 0, 0, 3), 1.5), "pad with zeros": Pad((1, 0, 0, 2), (0, 0, 1, 0)),
    "pad beyond the type": Pad((0, 0, 0, 1), (0, 0, 0, 0), 1e10), "expand": Expand((4, 2, 3, 5, 7)),
    "take": Take(2, (4, 0, 0, 1, 3, 2)), "take columns": Take(3, (6, 6, 0)),
}


@pytest.mark.parametrize("chip", ["nano", "micro"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "int32"])
@pytest.mark.parametrize("op", MOVES.values(), ids=MOVES)
def test_a_move_is_exact(op, dtype, chip):
    assert_exact(build({"x": (SHAPE, dtype)}, [("y", op, ("x",))], ["y"]), chip)


@pytest.mark.parametrize("dtype", ["float32", "int8", "int32"])
@pytest.mark.parametrize("op", MOVES.values(), ids=MOVES)
def test_a_move_between_two_maps_is_exact(op, dtype):
    """A view must be one that the next engine can read."""
    graph = build({"x": (SHAPE, "float32")},
                  [("a", Map(apply("mul", A0, 9.0), dtype), ("x",)), ("b", op, ("a",)),
                   ("y", Map(apply("add", A0, A0)), ("b",))], ["y"])
    assert_exact(graph)


def test_a_large_copy_goes_in_pieces():
    assert_exact(build({"x": ((70, 90, 30), "float32")}, [("y", Transpose((2, 0, 1)), ("x",))], ["y"]), "nano")


@pytest.mark.parametrize(("axis", "shapes"), [
    (1, ((2, 3, 5, 7), (2, 2, 5, 7))), (1, ((3, 4), (3, 9))), (0, ((1,), (3,), (2,))),
    (3, ((2, 3, 5, 7), (2, 3, 5, 1)))], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_concatenation_is_exact(axis, shapes, dtype):
    names = tuple("abc"[: len(shapes)])
    graph = build({n: (s, dtype) for n, s in zip(names, shapes, strict=True)}, [("y", Concat(axis), names)], ["y"])
    assert_exact(graph)


def test_a_tensor_may_be_joined_to_itself_and_to_a_constant():
    graph = build({"x": ((3, 4), "int8")}, [("y", Concat(1), ("x", "c", "x"))], ["y"], {"c": int8(3, 6)})
    assert_exact(graph)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("shapes", [
    ((3, 1), (1, 5), (1, 1)), ((), (2, 1, 5), (1, 3, 1)), ((2, 3, 1), (1, 3, 1), (1, 1, 1)), ((), (), ()),
    ((4, 1), (4, 1), ()), ((7,), (1,), (5, 7)), ((2, 1, 3, 1, 5), (1, 4, 3, 2, 1), (5,))], ids=str)
def test_operands_broadcast(chip, shapes):
    names = ("a", "b", "c")
    graph = build({n: (s, "float32") for n, s in zip(names, shapes, strict=True)},
                  [("y", Map(apply("mad", A0, A1, A2)), names)], ["y"])
    assert_exact(graph, chip)


@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (4, 5)], ids=str)
def test_constants_of_every_shape_broadcast(shape):
    graph = build({"x": ((4, 5), "float32")}, [("y", Map(apply("mul", A0, A1)), ("x", "c"))], ["y"],
                  {"c": float32(*shape) if shape != (3, 1) else float32(4, 1)})
    assert_exact(graph)


@pytest.mark.parametrize("table", [float32(7, 20), int8(7, 3), float32(5, 1), int8(40, 64)], ids=lambda t: str(t.shape))
@pytest.mark.parametrize("shape", [(3, 4), (1,), ()], ids=str)
def test_rows_are_gathered_by_index(table, shape):
    graph = build({"i": (shape, "int32")}, [("y", Gather(), ("t", "i"))], ["y"], {"t": table})
    rows = len(table)
    values = [0, -1, rows - 1, -rows, rows, -rows - 1, 2**31 - 1, -(2**31), 3, 2, 1, -2]
    count = int(np.prod(shape))
    assert_exact(graph, feeds={"i": np.array(values[:count], np.int32).reshape(shape)})


def test_a_table_may_be_computed():
    graph = build({"x": ((6, 9), "int8"), "i": ((5,), "int32")},
                  [("t", Map(apply("mul", A0, 0.5)), ("x",)), ("y", Gather(), ("t", "i"))], ["y"])
    assert_exact(graph)


def test_a_computed_index_that_is_out_of_range_gives_zeros():
    graph = build({"i": ((4,), "int32")},
                  [("j", Map(apply("mul", A0, 3.0), "int32"), ("i",)), ("y", Gather(), ("t", "j"))], ["y"],
                  {"t": float32(7, 20)})
    feeds = {"i": np.array([0, 2, 3, -3], np.int32)}
    assert_exact(graph, feeds=feeds)
    assert not run(graph, "nano", feeds)["y"][2:].any()


# The network's ends ---------------------------------------------------------------------------------------------------


def image_network():
    """NCHW binary32 in, INT8 NHWC inside, NCHW out."""
    inner = convolution((2, 8, 9, 5), 6, (3, 3), Conv(pads=(1, 1, 1, 1)))
    steps = [("t", Transpose((0, 2, 3, 1)), ("image",)), ("x", Map(apply("mul", A0, 40.0), "int8"), ("t",)),
             *((n.output, n.op, n.inputs) for n in inner.nodes), ("out", Transpose((0, 3, 1, 2)), ("y",))]
    return build({"image": ((2, 5, 8, 9), "float32")}, steps, ["out"], inner.constants)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_driver_converts_an_image_and_transposes_the_output(chip):
    graph = image_network()
    program = compile_graph(graph, load(chip))
    (place,), (out,) = program.inputs, program.outputs
    assert (place.storage, place.permutation, place.multiplier) == ("int8", (0, 2, 3, 1), 40.0)
    assert (out.shape, out.permutation) == ((2, 6, 8, 9), (0, 2, 3, 1))
    assert len(program.layers) == 1
    image = feeds_for(graph)["image"]
    image[0, 0, 0, :4] = np.nan, np.inf, -np.inf, 0.0125
    assert_exact(graph, chip, {"image": image})


@pytest.mark.parametrize("perm", [(0, 3, 1, 2), (1, 2, 0, 3), (3, 0, 2, 1), (0, 1, 3, 2)], ids=str)
def test_any_last_transpose_is_the_drivers(perm):
    """Stored axis i is user axis permutation[i], for an output as for an input."""
    graph = build({"x": ((2, 3, 4, 5), "int8")},
                  [("a", Map(apply("add", A0, 1.0)), ("x",)), ("y", Transpose(perm), ("a",))], ["y"])
    (place,) = compile_graph(graph, load("nano")).outputs
    assert tuple(place.shape[p] for p in place.permutation) == (2, 3, 4, 5) == place.stored_shape
    assert_exact(graph)


@pytest.mark.parametrize("perm", [(0, 3, 1, 2), (1, 2, 0, 3), (3, 0, 2, 1)], ids=str)
def test_any_first_transpose_is_the_drivers(perm):
    graph = build({"x": ((2, 3, 4, 5), "int8")},
                  [("a", Transpose(perm), ("x",)), ("y", Map(apply("add", A0, 1.0)), ("a",))], ["y"])
    (place,) = compile_graph(graph, load("nano")).inputs
    assert place.permutation == perm
    assert_exact(graph)


def test_a_driver_that_scales_an_input_does_the_whole_function_or_none_of_it():
    """0.3 * (0.3 * x) must not lose a factor, and (0.3 * x) + 1 no summand."""
    for inner in (apply("mul", A0, 0.3), apply("add", A0, 1.0)):
        graph = build({"x": ((3, 4), "float32")},
                      [("a", Map(inner), ("x",)), ("y", Map(apply("mul", A0, 0.3), "int8"), ("a",))], ["y"])
        assert_exact(graph, feeds={"x": float32(3, 4) * 100})


def test_transposes_at_both_ends_are_all_the_network():
    graph = build({"x": ((2, 3, 4), "int8")},
                  [("a", Transpose((1, 0, 2)), ("x",)), ("y", Transpose((2, 1, 0)), ("a",))], ["y"])
    assert_exact(graph)


def test_outputs_may_be_inputs_constants_and_the_same_tensor_twice():
    graph = build({"x": ((3, 4), "int8")}, [("y", Map(apply("add", A0, 1.0)), ("x",)), ("z", MatMul(), ("x", "w"))],
                  ["y", "z", "x"], {"w": int8(4, 5)})
    graph = graph.replace(outputs={**graph.outputs, "again": "y"}, output_dtypes={"z": "int64", "again": "float64"})
    assert_exact(graph)


def test_a_device_runs_again_with_other_feeds():
    graph, spec = image_network(), load("nano")
    device = SimulatedDevice(compile_graph(graph, spec), spec)
    for seed in (1, 2, 1):
        feeds = feeds_for(graph, seed)
        np.testing.assert_array_equal(device.run(feeds)["out"], evaluate(graph, feeds)["out"])
