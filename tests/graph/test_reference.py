"""The reference against scalar loops, plain NumPy and ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import (
    Concat,
    Conv,
    Expand,
    Gather,
    GraphError,
    Map,
    MatMul,
    Op,
    Pad,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Take,
    Transpose,
)
from seedchip.graph.reference import compute, evaluate, evaluate_all
from seedchip.graph.verify import verify
from seedchip.numerics.expression import apply, argument
from seedchip.numerics.reduction import row_reduce

RNG = np.random.default_rng(0)


def int8(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def typed(array: np.ndarray) -> TensorType:
    return TensorType(array.shape, array.dtype.name)


def checked(op: Op, *operands: np.ndarray) -> np.ndarray:
    """The value, after its type was compared with the operation's type rule."""
    result = compute(op, *operands)
    assert typed(result) == op.infer(*(typed(a) for a in operands))
    return result


@pytest.mark.parametrize(("a", "b"), [
    ((3, 5), (5, 4)), ((2, 1, 3, 2500), (4, 2500, 2)), ((1, 0), (0, 3)), ((0, 3), (3, 2))])
def test_int8_matmul_is_exact(a, b):
    x, y = int8(*a), int8(*b)
    np.testing.assert_array_equal(checked(MatMul(), x, y), x.astype(np.int64) @ y.astype(np.int64))


def test_extreme_int8_matmul_is_exact_and_wraps_like_an_accumulator():
    x, y = np.full((1, 4096), -128, np.int8), np.full((4096, 1), -128, np.int8)
    assert checked(MatMul(), x, y)[0, 0] == 4096 * 2**14
    long = np.full((1, 2**17), -128, np.int8)
    assert checked(MatMul(), long, long.T)[0, 0] == -(2**31)


def test_matmul_pairs_are_summed():
    a, b, c, d = int8(3, 7), int8(7, 2), int8(3, 7), int8(7, 2)
    want = a.astype(int) @ b.astype(int) + c.astype(int) @ d.astype(int)
    np.testing.assert_array_equal(checked(MatMul(), a, b, c, d), want)


def test_float_matmul_is_rounded_once():
    a, b = RNG.standard_normal((4, 300)).astype(np.float32), RNG.standard_normal((300, 3)).astype(np.float32)
    want = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(checked(MatMul(), a, b), want, rtol=1e-6)


def slow_conv(op: Conv, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    size = op.infer(TensorType(x.shape, "int8"), TensorType(w.shape, "int8")).shape
    out = np.zeros(size, np.int64)
    per_group = w.shape[3] // op.groups
    for n, i, j, f in np.ndindex(size):
        for a, b, c in np.ndindex(w.shape[:3]):
            row = i * op.strides[0] + a * op.dilations[0] - op.pads[0]
            column = j * op.strides[1] + b * op.dilations[1] - op.pads[1]
            inside = 0 <= row < x.shape[1] and 0 <= column < x.shape[2]
            value = x[n, row, column, (f // per_group) * w.shape[2] + c] if inside else op.pad_value
            out[n, i, j, f] += int(value) * int(w[a, b, c, f])
    return out


@pytest.mark.parametrize(("op", "filters"), [
    (Conv(), 4), (Conv(strides=(2, 3), pads=(1, 0, 2, 1)), 4), (Conv(dilations=(2, 1), pads=(2, 1, 2, 1)), 2),
    (Conv(groups=2, pads=(1, 1, 1, 1), pad_value=-7), 4), (Conv(groups=4, pads=(1, 1, 1, 1)), 4),
    (Conv(groups=4, strides=(2, 2), dilations=(1, 2), pads=(0, 1, 1, 2), pad_value=3), 8)])
def test_int8_convolution_equals_the_scalar_loop(op, filters):
    x, w = int8(2, 6, 7, 4), int8(3, 2, 4 // op.groups, filters)
    np.testing.assert_array_equal(checked(op, x, w), slow_conv(op, x, w))


def test_convolution_pairs_are_summed():
    op = Conv(pads=(1, 1, 1, 1))
    x0, w0, x1, w1 = int8(1, 4, 4, 2), int8(3, 3, 2, 3), int8(1, 4, 4, 2), int8(3, 3, 2, 3)
    np.testing.assert_array_equal(checked(op, x0, w0, x1, w1), slow_conv(op, x0, w0) + slow_conv(op, x1, w1))


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_float_convolution_is_onnx_runtimes(groups):
    x = RNG.standard_normal((2, 9, 8, 6)).astype(np.float32)
    w = RNG.standard_normal((3, 3, 6 // groups, 12)).astype(np.float32)
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], group=groups, strides=[2, 1], dilations=[1, 2],
                                 pads=[1, 2, 0, 1])
    shapes = [("x", (2, 6, 9, 8)), ("w", (12, 6 // groups, 3, 3))]
    infos = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes]
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "conv", infos, [result]), ir_version=10,
                                   opset_imports=[onnx.helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"x": x.transpose(0, 3, 1, 2), "w": w.transpose(3, 2, 0, 1)})
    op = Conv(strides=(2, 1), dilations=(1, 2), pads=(1, 2, 0, 1), groups=groups)
    np.testing.assert_allclose(checked(op, x, w), want.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "values", "want"), [
    ("int8", [0.5, 1.5, -2.5, 127.6, -1e9, np.nan, np.inf, -np.inf], [0, 2, -2, 127, -128, 0, 127, -128]),
    ("int32", [0.5, 2.0**31, -(2.0**31), 2.0**31 - 128, np.nan, -np.inf],
     [0, 2**31 - 1, -(2**31), 2**31 - 128, 0, -(2**31)])])
def test_map_rounds_to_even_and_saturates(dtype, values, want):
    got = checked(Map(apply("mov", argument(0)), dtype), np.array(values, np.float32))
    np.testing.assert_array_equal(got, np.array(want, dtype))


def test_map_reads_integers_as_binary32():
    big = np.array([2**24 + 1, 2**31 - 1, -5], np.int32)
    got = checked(Map(apply("add", argument(0), argument(1))), big, np.array([[1], [2]], np.int8))
    np.testing.assert_array_equal(got, big.astype(np.float32) + np.array([[1], [2]], np.float32))


def test_reduce_and_pool_read_int8():
    x = int8(2, 5, 6, 3)
    np.testing.assert_array_equal(checked(Reduce("sum"), x), row_reduce("sum", x.astype(np.float32)))
    got = checked(Pool("sum", (2, 2), (2, 2)), x[:, :4])
    np.testing.assert_array_equal(got, x[:, :4].astype(np.float32).reshape(2, 2, 2, 3, 2, 3).sum((2, 4)))


def test_data_movement_is_numpys():
    x = RNG.standard_normal((2, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(checked(Transpose((2, 0, 1)), x), x.transpose(2, 0, 1))
    np.testing.assert_array_equal(checked(Reshape((6, 4)), x), x.reshape(6, 4))
    np.testing.assert_array_equal(checked(Slice((0, 2, 1), (2, 3, 2), (1, -1, 2)), x), x[:, ::-1, 1::2])
    np.testing.assert_array_equal(checked(Slice((0, 0, 0), (2, 0, 4), (1, 1, 1)), x), x[:, :0])
    np.testing.assert_array_equal(checked(Concat(1), x, x[:, :1]), np.concatenate([x, x[:, :1]], 1))
    np.testing.assert_array_equal(checked(Expand((5, 2, 3, 4)), x), np.broadcast_to(x, (5, 2, 3, 4)))
    np.testing.assert_array_equal(checked(Take(2, (3, 0, 0)), x), x[:, :, [3, 0, 0]])


def test_pad_converts_its_value():
    assert checked(Pad((0,), (2,), 300.0), int8(1)).tolist()[1:] == [127, 127]
    assert checked(Pad((1,), (0,), -np.inf), np.zeros(1, np.float32)).tolist() == [-np.inf, 0]


def test_gather_wraps_negative_rows_and_gives_zeros_outside():
    table = RNG.standard_normal((4, 3)).astype(np.float32)
    got = checked(Gather(), table, np.array([[0, -1], [4, -5]], np.int32))
    np.testing.assert_array_equal(got, np.stack([table[[0, 3]], np.zeros((2, 3), np.float32)]))


def small_graph() -> Graph:
    types = {"x": TensorType((2, 3), "int8"), "w": TensorType((3, 2), "int8"), "s": TensorType((2, 2), "int32"),
             "y": TensorType((2, 2), "int8")}
    nodes = (Node(MatMul(), ("x", "w"), "s", "dense"), Node(Map(apply("mul", argument(0), 0.01), "int8"), ("s",), "y"))
    return Graph("small", ("x",), {"out": "y", "sums": "s"}, {"w": int8(3, 2)}, nodes, types, {"out": "int64"})


def test_graph_is_evaluated_by_public_names_and_types():
    graph = small_graph()
    verify(graph)
    x = int8(2, 3).astype(np.int64)
    outputs, everything = evaluate(graph, {"x": x}), evaluate_all(graph, {"x": x})
    sums = x @ graph.constants["w"].astype(np.int64)
    assert outputs["out"].dtype == np.int64 and set(everything) == {"x", "w", "s", "y"}
    np.testing.assert_array_equal(outputs["sums"], sums)
    want = np.clip(np.rint(sums.astype(np.float32) * np.float32(0.01)), -128, 127)
    np.testing.assert_array_equal(outputs["out"], want)
    np.testing.assert_array_equal(everything["y"], want)


@pytest.mark.parametrize(("feeds", "sentence"), [
    ({}, r"^feeds must hold input 'x', a int8\[2x3\]$"),
    ({"x": np.zeros((2, 3), np.int8), "z": 0}, r"^feeds must name inputs of the graph \(x\), not 'z'$"),
    ({"x": np.zeros((3, 2), np.int8)}, r"^input 'x' must have shape \(2, 3\), not \(3, 2\)$"),
    ({"x": np.zeros((2, 3), np.float32)}, r"^input 'x' must be int8, not float32$"),
    ({"x": np.full((2, 3), 200)}, r"^input 'x' must lie in -128 to 127, not 200 to 200$")])
def test_wrong_feeds_are_refused(feeds, sentence):
    with pytest.raises(GraphError, match=sentence):
        evaluate(small_graph(), feeds)


def test_batch_rows_have_the_same_bits_alone():
    op, x, w = Conv(pads=(1, 1, 1, 1), groups=2), int8(3, 5, 5, 4), int8(3, 3, 2, 6)
    whole = compute(op, x, w)
    for i in range(3):
        np.testing.assert_array_equal(compute(op, x[i:i + 1], w), whole[i:i + 1])
