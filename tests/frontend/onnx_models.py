"""Small ONNX models, made in memory, that the front end's tests share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, INT8, UINT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT8, TensorProto.UINT8


def model(nodes: Sequence[onnx.NodeProto], inputs: Mapping[str, tuple[int, Sequence[int | str]]],
          outputs: Sequence[str], weights: Mapping[str, np.ndarray] | None = None, opset: int = 21) -> onnx.ModelProto:
    """A model of ``nodes``; ``inputs`` gives element type and shape by name."""
    graph = helper.make_graph(
        list(nodes), "test", [helper.make_tensor_value_info(n, t, list(s)) for n, (t, s) in inputs.items()],
        [onnx.ValueInfoProto(name=n) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in (weights or {}).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def reference(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """What ONNX Runtime computes, without its own optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, dict(feeds))


def convolution_network(seed: int = 0) -> onnx.ModelProto:
    """Convolution, normalisation, squeeze and excitation, residual, pool, classifier: N x 3 x 12 x 10 in, N x 5 out."""
    rng = np.random.default_rng(seed)

    def random(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.4).astype(np.float32)

    weights = {"w1": random(8, 3, 3, 3), "b1": random(8), "scale": random(8), "shift": random(8), "mean": random(8),
               "var": np.abs(random(8)) + 0.5,
               "w2": random(8, 1, 3, 3), "w3": random(4, 8, 1, 1), "w4": random(8, 4, 1, 1),
               "w5": random(8, 5), "b5": random(5), "axes": np.array([2, 3])}
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"], "norm"),
        node("Relu", ["n1"], ["r1"]),
        node("Conv", ["r1", "w2"], ["c2"], "depthwise", pads=[1, 1, 1, 1], group=8),
        node("ReduceMean", ["c2", "axes"], ["m"], keepdims=1),
        node("Conv", ["m", "w3"], ["s1"]), node("Relu", ["s1"], ["s2"]), node("Conv", ["s2", "w4"], ["s3"]),
        node("Sigmoid", ["s3"], ["gate"]), node("Mul", ["c2", "gate"], ["g"]), node("Add", ["g", "r1"], ["sum"]),
        node("GlobalAveragePool", ["sum"], ["pool"]), node("Flatten", ["pool"], ["flat"]),
        node("Gemm", ["flat", "w5", "b5"], ["logits"]), node("Softmax", ["logits"], ["y"], axis=1),
    ]
    return model(nodes, {"x": (FLOAT, ["batch", 3, 12, 10])}, ["y"], weights)


def quantised_network(seed: int = 0) -> onnx.ModelProto:
    """A convolution with uint8 activations, per-channel int8 weights and int32 bias in QDQ form: 1 x 4 x 9 x 9 in."""
    rng = np.random.default_rng(seed)
    node = helper.make_node
    weights = {"sx": np.float32(0.05), "zx": np.uint8(117), "sy": np.float32(0.3), "zy": np.uint8(90),
               "w": rng.integers(-127, 128, (6, 4, 3, 3)).astype(np.int8), "zw": np.zeros(6, np.int8),
               "sw": rng.uniform(0.01, 0.02, 6).astype(np.float32),
               "b": rng.integers(-500, 500, 6).astype(np.int32)}
    weights["sb"] = (weights["sw"] * weights["sx"]).astype(np.float32)
    nodes = [
        node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]), node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
        node("DequantizeLinear", ["w", "sw", "zw"], ["wd"], axis=0),
        node("DequantizeLinear", ["b", "sb"], ["bd"], axis=0),
        node("Conv", ["xd", "wd", "bd"], ["c"], pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", "sy", "zy"], ["yq"]), node("DequantizeLinear", ["yq", "sy", "zy"], ["y"]),
    ]
    return model(nodes, {"x": (FLOAT, [1, 4, 9, 9])}, ["y"], {n: np.asarray(a) for n, a in weights.items()})
