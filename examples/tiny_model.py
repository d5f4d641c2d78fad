"""The network that the examples use: 64 inputs, one hidden layer of 128 with ReLU, 10 outputs; random weights."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def make_model() -> onnx.ModelProto:
    """An ONNX model with the input ``x`` [batch, 64] and the output ``y`` [batch, 10]."""
    random = np.random.default_rng(0)
    weights = {"w1": random.normal(0, 0.15, (64, 128)), "b1": random.normal(0, 0.5, 128),
               "w2": random.normal(0, 0.15, (128, 10))}
    make = helper.make_node
    nodes = [make("MatMul", ["x", "w1"], ["h1"], "hidden"), make("Add", ["h1", "b1"], ["h2"], "bias"),
             make("Relu", ["h2"], ["h3"], "relu"), make("MatMul", ["h3", "w2"], ["y"], "classes")]
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def make_input(rows: int = 1) -> np.ndarray:
    """Feeds for ``x``: rows of standard normal numbers by a fixed seed."""
    return np.random.default_rng(1).standard_normal((rows, 64), np.float32)
