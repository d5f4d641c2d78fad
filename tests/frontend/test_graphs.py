"""Imported graphs compute what ONNX Runtime computes, with few nodes."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import FLOAT, INT8, UINT8, convolution_network, model, quantised_network, reference

from seedchip.frontend import load_model
from seedchip.graph.ops import Conv, Transpose
from seedchip.graph.reference import evaluate
from seedchip.graph.verify import verify

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def check(proto, feeds, rtol=1e-5, atol=1e-6, **options):
    """The graph, after both forms of it have been compared with ONNX Runtime."""
    for optimise in (False, True):
        graph = load_model(proto, input_shapes={n: v.shape for n, v in feeds.items()}, optimise=optimise, **options)
        verify(graph)
        found = evaluate(graph, feeds)
        for got, want in zip(found.values(), reference(proto, feeds), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)
    return graph


def count(graph) -> Counter:
    return Counter(node.op.name for node in graph)


def random(*shape, seed=3):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_convolution_network_has_one_transpose_and_one_map_behind_each_product():
    graph = check(convolution_network(), {"x": random(2, 3, 12, 10)})
    kinds = count(graph)
    assert kinds["conv"] == 4
    assert kinds["transpose"] == 1
    assert kinds["map"] == 10  # four tails, the mean, the gate, the pool's scale, softmax's three


def test_batch_normalisation_disappears_into_weights_and_bias():
    graph = load_model(convolution_network())
    first = next(n for n in graph if isinstance(n.op, Conv))
    tail = graph.consumers()[first.output]
    assert [str(t.op) for t in tail] == ["map<max(add(%0, %1), 0) -> float32>"]


def test_codes_of_a_quantised_network_meet_in_an_integer_convolution():
    graph = check(quantised_network(), {"x": random(1, 4, 9, 9)}, rtol=0, atol=0.3 * 1e-5)
    (conv,) = [n for n in graph if isinstance(n.op, Conv)]
    assert graph.types[conv.output].dtype == "int32"
    assert conv.op.pad_value == 117 - 128
    assert graph.types[conv.inputs[0]].dtype == graph.types[conv.inputs[1]].dtype == "int8"


def test_asymmetric_weights_are_two_exact_passes():
    proto = quantised_network()
    zero = next(t for t in proto.graph.initializer if t.name == "zw")
    zero.CopyFrom(numpy_helper.from_array(np.array([9, 0, -7, 3, 1, -2], np.int8), "zw"))
    graph = check(proto, {"x": random(1, 4, 9, 9)}, rtol=0, atol=0.3 * 1e-5)
    (conv,) = [n for n in graph if isinstance(n.op, Conv)]
    assert len(conv.inputs) == 4


@pytest.mark.parametrize("zero_points", [(0, 0), (131, 0), (131, 7), (3, -5)])
def test_integer_products_are_exact(zero_points):
    rng = np.random.default_rng(0)
    weights = {"b": rng.integers(-128, 128, (40, 7)).astype(np.int8), "za": np.uint8(zero_points[0]),
               "zb": np.int8(zero_points[1])}
    proto = model([helper.make_node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])], {"a": (UINT8, [2, 5, 40])}, ["y"],
                  {n: np.asarray(w) for n, w in weights.items()})
    check(proto, {"a": rng.integers(0, 256, (2, 5, 40)).astype(np.uint8)}, rtol=0, atol=0)


def test_dynamically_quantised_convolution_has_a_zero_point_of_run_time():
    weights = {"w": np.random.default_rng(1).integers(-127, 128, (6, 3, 3, 3)).astype(np.int8)}
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
             helper.make_node("ConvInteger", ["q", "w", "z"], ["i"], pads=[1, 1, 1, 1]),
             helper.make_node("Cast", ["i"], ["f"], to=FLOAT), helper.make_node("Mul", ["f", "s"], ["y"])]
    check(model(nodes, {"x": (FLOAT, [1, 3, 8, 8])}, ["y"], weights), {"x": random(1, 3, 8, 8)}, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("attributes", [
    {}, {"strides": [2, 2]}, {"strides": [3, 2], "pads": [1, 0, 2, 1]}, {"dilations": [2, 3]}, {"group": 2},
    {"strides": [2, 3], "output_padding": [1, 2], "group": 2, "dilations": [2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [3, 3]}, {"strides": [2, 2], "output_shape": [9, 12]},
])
def test_transposed_convolution_is_one_dense_convolution(attributes):
    groups = attributes.get("group", 1)
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], **attributes)
    proto = model([node], {"x": (FLOAT, [2, 4, 5, 6])}, ["y"],
                  {"w": random(4, 6 // groups, 3, 4), "b": random(6)})
    graph = check(proto, {"x": random(2, 4, 5, 6)})
    assert count(graph)["conv"] == 1


@pytest.mark.parametrize("attributes", [
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, {"kernel_shape": [2, 3], "pads": [1, 1, 0, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1, "ceil_mode": 1},
    {"kernel_shape": [3, 3], "auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"kernel_shape": [2, 2], "dilations": [2, 3]},
])
@pytest.mark.parametrize("kind", ["AveragePool", "MaxPool"])
def test_pools_count_their_taps(kind, attributes):
    if kind == "MaxPool":
        attributes = {k: v for k, v in attributes.items() if k != "count_include_pad"}
    proto = model([helper.make_node(kind, ["x"], ["y"], **attributes)], {"x": (FLOAT, [1, 2, 11, 8])}, ["y"])
    check(proto, {"x": random(1, 2, 11, 8)})


def test_channel_shuffle_keeps_its_layout():
    """Reshape, transpose, reshape between convolutions (ShuffleNet): the image is never brought back to NCHW."""
    node = helper.make_node
    weights = {"w": random(8, 2, 1, 1), "s1": np.array([0, 4, 2, 6, 5]), "s2": np.array([0, 8, 6, 5])}
    nodes = [node("Conv", ["x", "w"], ["a"], group=4), node("Reshape", ["a", "s1"], ["b"]),
             node("Transpose", ["b"], ["c"], perm=[0, 2, 1, 3, 4]), node("Reshape", ["c", "s2"], ["d"]),
             node("Conv", ["d", "w"], ["y"], group=4)]
    graph = check(model(nodes, {"x": (FLOAT, [1, 8, 6, 5])}, ["y"], weights), {"x": random(1, 8, 6, 5)})
    assert [n.op.perm for n in graph if isinstance(n.op, Transpose)] == [(0, 2, 3, 1), (0, 1, 2, 4, 3), (0, 3, 1, 2)]


def test_attention_pattern_is_products_and_softmax():
    node = helper.make_node
    weights = {n: random(16, 16, seed=i) * 0.3 for i, n in enumerate(("wq", "wk", "wv"))}
    weights |= {"heads": np.array([0, 0, 4, 4]), "flat": np.array([0, 0, 16]), "scale": np.array(2, np.float32)}
    nodes = []
    for n, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [node("MatMul", ["x", f"w{n}"], [f"{n}1"]), node("Reshape", [f"{n}1", "heads"], [f"{n}2"]),
                  node("Transpose", [f"{n}2"], [n], perm=perm)]
    nodes += [node("MatMul", ["q", "k"], ["s1"]), node("Div", ["s1", "scale"], ["s2"]),
              node("Softmax", ["s2"], ["p"], axis=-1),
              node("MatMul", ["p", "v"], ["o1"]), node("Transpose", ["o1"], ["o2"], perm=[0, 2, 1, 3]),
              node("Reshape", ["o2", "flat"], ["y"])]
    graph = check(model(nodes, {"x": (FLOAT, [2, 5, 16])}, ["y"], weights), {"x": random(2, 5, 16)})
    assert count(graph) == {"matmul": 5, "reshape": 4, "transpose": 4, "map": 4, "reduce": 2}


@pytest.mark.parametrize("length", [8192, 8193, 20000, 3 * 8192])
@pytest.mark.parametrize("kind", ["ReduceSum", "ReduceMax", "ReduceMin"])
def test_long_rows_are_reduced_in_stages(kind, length):
    node = helper.make_node(kind, ["x", "axes"], ["y"])
    proto = model([node], {"x": (FLOAT, [2, length])}, ["y"], {"axes": np.array([1])})
    graph = check(proto, {"x": random(2, length)}, rtol=1e-4, atol=1e-3)
    assert all(graph.types[n.inputs[0]].shape[-1] <= 8192 for n in graph if n.op.name == "reduce")


def with_random_weights(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The large networks of the onnx package make their weights of one number each: here of random ones."""
    rng = np.random.default_rng(0)
    shapes = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    for node in [n for n in proto.graph.node if n.op_type == "ConstantOfShape"]:
        shape = tuple(shapes[node.input[0]])
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 1
        low, high = (-1, 1) if len(shape) > 1 else (0.5, 1.5)  # means, variances, scales and biases are near one
        array = (rng.uniform(low, high, shape) * np.sqrt(3 / fan_in if len(shape) > 1 else 1)).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(array, node.output[0]))
        proto.graph.node.remove(node)
    return proto


@pytest.mark.parametrize(("name", "transposes"), [
    ("densenet121", 1), ("inception_v1", 1), ("inception_v2", 1), ("resnet50", 1), ("shufflenet", 17),
    ("squeezenet", 1)])
def test_networks_of_the_onnx_package_with_random_weights_agree_with_onnx_runtime(name, transposes):
    proto = with_random_weights(onnx.load(LIGHT / f"light_{name}.onnx"))
    (value,) = [i for i in proto.graph.input if i.name not in {t.name for t in proto.graph.initializer}]
    graph = load_model(proto)
    verify(graph)
    feeds = {value.name: random(*graph.types[value.name].shape)}
    (got,), (want,) = evaluate(graph, feeds).values(), reference(proto, feeds)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-6)
    assert want.max() > 2 * want.min()
    assert count(graph)["transpose"] == transposes


def test_int8_tensors_of_the_model_stay_int8():
    proto = model([helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0])], {"x": (INT8, [2, 3])}, ["y"])
    assert check(proto, {"x": np.arange(6, dtype=np.int8).reshape(2, 3)}).types["y"].dtype == "int8"
