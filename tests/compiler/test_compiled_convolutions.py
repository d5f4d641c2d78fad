"""Convolutions: strides, pads, dilations, groups, first layers packed by the driver, kernels computed at run time."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from small_graphs import CHIPS, assert_exact, build, convolution, feeds_for, int8, run

from seedchip.compiler import compile_graph
from seedchip.graph.ops import Conv
from seedchip.spec import load

CASES = {
    "same": ((1, 14, 14, 32), 48, (3, 3), Conv(pads=(1, 1, 1, 1))),
    "stride 2, uneven pads, two images": ((2, 15, 17, 24), 40, (3, 3), Conv((2, 2), pads=(0, 1, 1, 0))),
    "strides differ": ((1, 11, 13, 9), 10, (2, 4), Conv((3, 2), pads=(1, 0, 2, 1))),
    "dilated": ((1, 12, 13, 9), 10, (3, 2), Conv(dilations=(2, 3), pads=(2, 1, 2, 2))),
    "pad value": ((1, 6, 6, 20), 10, (3, 3), Conv(pads=(1, 1, 1, 1), pad_value=-5)),
    "first layer": ((1, 32, 32, 3), 16, (7, 7), Conv((2, 2), pads=(3, 3, 3, 3))),
    "first layer of one channel": ((2, 12, 9, 1), 5, (5, 5), Conv(pads=(0, 2, 1, 2))),
    "first layer, pad value": ((1, 12, 12, 3), 5, (3, 3), Conv(pads=(1, 1, 1, 1), pad_value=7)),
    "1 x 1": ((2, 7, 9, 20), 30, (1, 1), Conv()),
    "1 x 1, strided": ((1, 14, 14, 32), 64, (1, 1), Conv((2, 2))),
    "1 x 1, padded": ((1, 4, 5, 8), 6, (1, 1), Conv(pads=(1, 1, 1, 1))),
    "depthwise": ((1, 14, 14, 32), 32, (3, 3), Conv(pads=(1, 1, 1, 1), groups=32)),
    "depthwise, dilated, 20 channels": ((1, 14, 14, 20), 20, (5, 5), Conv((1, 1), (1, 2), (2, 2, 2, 2), groups=20)),
    "depthwise, two for each channel": ((1, 8, 8, 12), 24, (3, 3), Conv((2, 2), groups=12)),
    "grouped": ((1, 14, 14, 32), 64, (3, 3), Conv(pads=(1, 1, 1, 1), groups=8)),
    "few wide groups": ((1, 6, 6, 66), 132, (3, 3), Conv(groups=2)),
    "groups of odd size": ((1, 6, 6, 12), 9, (3, 3), Conv(groups=3)),
    "one output pixel": ((1, 5, 5, 10), 7, (5, 5), Conv()),
    "one row": ((1, 1, 50, 10), 7, (1, 3), Conv(pads=(0, 1, 0, 1))),
    "window of padding alone": ((1, 3, 3, 4), 6, (2, 2), Conv((3, 3), pads=(3, 3, 3, 3), pad_value=2)),
}


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_convolution_is_exact(chip, case):
    assert_exact(convolution(*case), chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("op", [Conv(pads=(1, 1, 1, 1), pad_value=-5), Conv((2, 2)), Conv(groups=3)], ids=str)
def test_kernels_may_be_computed_by_the_network(chip, op):
    graph = build({"x": ((1, 6, 6, 12), "int8"), "w": ((3, 3, 12 // op.groups, 9), "int8")}, [("y", op, ("x", "w"))],
                  ["y"])
    assert_exact(graph, chip)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("groups", [1, 12])
def test_sums_of_two_convolutions_are_exact(chip, groups):
    kernel = int8(3, 3, 12 // groups, 12)
    graph = build({"x": ((1, 8, 8, 12), "int8"), "z": ((1, 8, 8, 12), "int8")},
                  [("y", Conv(pads=(1, 1, 1, 1), groups=groups), ("x", "v", "z", "w"))], ["y"],
                  {"v": kernel, "w": kernel[::-1].copy()})
    assert_exact(graph, chip)


def test_a_first_layers_few_channels_are_packed_by_the_driver():
    graph = convolution(*CASES["first layer"])
    (place,) = compile_graph(graph, load("micro")).inputs
    assert place.pad_columns == (3, 3)
    assert place.row_bytes == 3


def test_a_convolution_equals_onnx_runtime():
    """ConvInteger of another implementation, NCHW."""
    graph = build({"x": ((2, 13, 11, 12), "int8")}, [("y", Conv((2, 1), (1, 2), (1, 2, 0, 1), 2), ("x", "w"))], ["y"],
                  {"w": int8(3, 2, 6, 10)})
    x = feeds_for(graph)["x"]
    node = helper.make_node("ConvInteger", ["x", "w", "x0"], ["y"], strides=[2, 1], dilations=[1, 2], pads=[1, 2, 0, 1],
                            group=2)
    proto = helper.make_model(helper.make_graph(
        [node], "conv", [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, [2, 12, 13, 11])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.INT32, None)],
        [onnx.numpy_helper.from_array(int8(3, 2, 6, 10).transpose(3, 2, 0, 1).copy(), "w"),
         onnx.numpy_helper.from_array(np.uint8(128), "x0")]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    shifted = (x.transpose(0, 3, 1, 2).astype(np.int16) + 128).astype(np.uint8)
    (want,) = session.run(None, {"x": shifted})
    got = run(graph, "micro", {"x": x})["y"]
    np.testing.assert_array_equal(got.transpose(0, 3, 1, 2), want)


def test_a_convolution_equals_numpys_integers():
    graph = build({"x": ((1, 9, 8, 5), "int8")}, [("y", Conv((2, 1), (1, 2), (1, 2, 0, 1), pad_value=9), ("x", "w"))],
                  ["y"], {"w": int8(3, 2, 5, 6)})
    x, w = feeds_for(graph)["x"], int8(3, 2, 5, 6).astype(np.int64)
    padded = np.pad(x.astype(np.int64), ((0, 0), (1, 0), (2, 1), (0, 0)), constant_values=9)
    got = run(graph, "nano", {"x": x})["y"]
    want = np.zeros(got.shape, np.int64)
    for _, row, column, _ in np.ndindex(1, got.shape[1], got.shape[2], 1):
        window = padded[0, 2 * row:2 * row + 3, column:column + 4:2]
        want[0, row, column] = np.tensordot(window, w, 3)
    np.testing.assert_array_equal(got, want)
