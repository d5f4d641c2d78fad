"""Matrix products: sizes that do not divide, slices of K, whole rows, pairs, batches, operands computed at run time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from small_graphs import (
    A0,
    CHIPS,
    SCALE,
    assert_exact,
    attention,
    build,
    feeds_for,
    int8,
    layer_normalisation,
    product,
    run,
    scaled,
    softmax,
)

from seedchip.compiler import compile_levels
from seedchip.graph.ops import Map, MatMul, Reduce
from seedchip.isa import Matmul
from seedchip.numerics.expression import apply
from seedchip.spec import load


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 40, 1), (20, 30, 50), (65, 17, 129), (200, 300, 500)], ids=str)
def test_a_linear_layer_is_exact(chip, sizes):
    assert_exact(product(*sizes), chip)


def test_a_long_inner_product_is_cut_into_slices_that_accumulate():
    nano = load("nano")
    small = replace(nano, name="small", scratchpad=replace(nano.scratchpad, bytes=4096))
    graph = product(24, 2000, 24)
    instructions = [i for i in compile_levels(graph, small).program.instructions if isinstance(i, Matmul)]
    assert {i.accumulate for i in instructions} == {0, 1}
    assert_exact(graph, small)


@pytest.mark.parametrize("chip", CHIPS)
def test_sums_of_two_products_share_the_accumulators(chip):
    graph = build({"a": ((2, 6, 20), "int8"), "b": ((2, 6, 20), "int8")},
                  [("y", MatMul(), ("a", "v", "b", "w"))], ["y"],
                  {"v": int8(20, 10), "w": int8(20, 10)[::-1].copy()})
    assert_exact(graph, chip)


@pytest.mark.parametrize("chip", CHIPS)
def test_a_shared_activation_with_two_weights_is_exact(chip):
    """The limbs of a 16-bit weight: x @ (high, low)."""
    graph = build({"x": ((9, 20), "int8")}, [("y", MatMul(), ("x", "v", "x", "w"))], ["y"],
                  {"v": int8(20, 10), "w": int8(20, 10)[::-1].copy()})
    assert_exact(graph, chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("shapes", [((4, 6, 8), (4, 8, 10)), ((3, 1, 6, 8), (1, 2, 8, 10)), ((6, 8), (5, 8, 3)),
                                    ((2, 3, 6, 8), (8, 4))], ids=str)
def test_batches_broadcast_and_both_operands_may_be_computed(chip, shapes):
    graph = build({"x": (shapes[0], "int8"), "w": (shapes[1], "int8")}, [("y", MatMul(), ("x", "w"))], ["y"])
    assert_exact(graph, chip)


def test_constant_weights_of_a_batch_are_exact():
    graph = build({"x": ((3, 5, 12), "int8")}, [("y", MatMul(), ("x", "w"))], ["y"], {"w": int8(3, 12, 7)})
    assert_exact(graph)


def test_extreme_codes_do_not_saturate():
    graph = build({"x": ((3, 2000), "int8")}, [("y", MatMul(), ("x", "w"))], ["y"],
                  {"w": np.full((2000, 3), -128, np.int8)})
    assert_exact(graph, feeds={"x": np.full((3, 2000), -128, np.int8)})


@pytest.mark.parametrize("chip", CHIPS)
def test_rows_may_be_reduced_behind_a_product(chip):
    assert_exact(layer_normalisation(70, 64, 96), chip)


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_rows_of_one_element_may_be_reduced(kind):
    graph = build({"x": ((7, 2), "int8"), "z": ((5, 1), "float32")},
                  [("a", Reduce(kind), ("x",)), ("y", Reduce(kind), ("a",)), ("b", Reduce(kind), ("z",))], ["y", "b"])
    assert_exact(graph, feeds=feeds_for(graph) | {"z": np.array([[-0.0], [np.nan], [np.inf], [1], [-2]], np.float32)})


@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_the_sums_themselves_may_be_reduced_and_returned(kind):
    graph = build({"x": ((30, 20), "int8")}, [("s", MatMul(), ("x", "w")), ("y", Reduce(kind), ("s",))], ["y", "s"],
                  {"w": int8(20, 30)})
    assert_exact(graph)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("shape", [(2, 3, 40, 50), (7, 1), (1, 300)], ids=str)
def test_a_softmax_like_chain_is_exact(chip, shape):
    assert_exact(softmax(shape), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("sizes", [(4, 40, 32), (3, 24, 20), (1, 1, 5)], ids=str)
def test_attention_reads_its_operands_as_views(chip, sizes):
    assert_exact(attention(*sizes), chip)


def test_attention_keys_are_read_transposed_and_not_copied():
    program = compile_levels(attention(4, 40, 32), load("micro")).program
    assert any(isinstance(i, Matmul) and i.transpose for i in program.instructions)
    assert not any("transpose" in layer.operation for layer in program.layers)


def two_branches():
    """A product that keeps the array busy beside one that keeps the vector lanes busy."""
    long = A0
    for _ in range(8):
        long = apply("mad", long, 0.5, 1.0)
    return build({"x": ((96, 512), "int8"), "z": ((96, 16), "int8")},
                 [("s", MatMul(), ("x", "v")), ("a", Map(apply("mul", A0, 1e-3), "int8"), ("s",)),
                  ("t", MatMul(), ("z", "w")), ("b", Map(long), ("t",))], ["a", "b"],
                 {"v": int8(512, 80), "w": int8(16, 80)})


@pytest.mark.parametrize("chip", CHIPS)
def test_two_products_that_take_turns_are_exact(chip):
    assert_exact(two_branches(), chip)


def test_a_matrix_bound_product_and_a_vector_bound_one_take_turns():
    program = compile_levels(two_branches(), load("micro")).program
    assert [layer.name for layer in program.layers if " | " in layer.name] == ["s | t"]


def test_two_products_of_a_row_share_one_input():
    graph = build({"x": ((40, 24), "int8")},
                  [("s", MatMul(), ("x", "v")), ("a", Map(apply("mul", A0, 0.1)), ("s",)),
                   ("t", MatMul(), ("x", "w")), ("y", Map(SCALE, "int8"), ("t", "scale", "a"))], ["y"],
                  {"v": int8(24, 1), "w": int8(24, 16), "scale": scaled(16)["scale"]})
    assert_exact(graph)


def test_a_matrix_product_equals_onnx_runtime():
    """MatMulInteger of another implementation."""
    graph = build({"x": ((2, 37, 53), "int8")}, [("y", MatMul(), ("x", "w"))], ["y"], {"w": int8(53, 29)})
    x = feeds_for(graph)["x"]
    proto = helper.make_model(helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w", "x0"], ["y"])], "matmul",
        [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.INT32, None)],
        [onnx.numpy_helper.from_array(int8(53, 29), "w"), onnx.numpy_helper.from_array(np.uint8(128), "x0")]),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"x": (x.astype(np.int16) + 128).astype(np.uint8)})
    np.testing.assert_array_equal(run(graph, "micro", {"x": x})["y"], want)


def test_a_matrix_product_equals_numpys_integers():
    graph = build({"x": ((37, 53), "int8")}, [("y", MatMul(), ("x", "w"))], ["y"], {"w": int8(53, 29)})
    x = feeds_for(graph)["x"]
    got = run(graph, "micro", {"x": x})["y"]
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, x.astype(np.int64) @ int8(53, 29).astype(np.int64))
