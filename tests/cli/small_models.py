"""ONNX models small enough for every test, with weights by a fixed seed."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save_mlp(path: Path) -> Path:
    """x [batch, 32] -> 64 -> ReLU -> y [batch, 10]."""
    random = np.random.default_rng(7)
    weights = {"w1": 0.2 * random.standard_normal((32, 64)), "b1": random.standard_normal(64),
               "w2": 0.2 * random.standard_normal((64, 10))}
    nodes = [helper.make_node("MatMul", ["x", "w1"], ["a"], "fc1"), helper.make_node("Add", ["a", "b1"], ["b"], "bias"),
             helper.make_node("Relu", ["b"], ["c"], "relu"), helper.make_node("MatMul", ["c", "w2"], ["y"], "fc2")]
    return _save(path, nodes, ("x", ["batch", 32]), ("y", ["batch", 10]), weights)


def save_picture_net(path: Path) -> Path:
    """x [1, 3, 8, 8] -> 3x3 convolution to 4 channels -> global mean y [1, 4, 1, 1]."""
    weights = {"w": 0.3 * np.random.default_rng(3).standard_normal((4, 3, 3, 3))}
    nodes = [helper.make_node("Conv", ["x", "w"], ["a"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
             helper.make_node("GlobalAveragePool", ["a"], ["y"], "pool")]
    return _save(path, nodes, ("x", [1, 3, 8, 8]), ("y", [1, 4, 1, 1]), weights)


def _save(path: Path, nodes: list, x: tuple, y: tuple, weights: dict[str, np.ndarray]) -> Path:
    graph = helper.make_graph(
        nodes, path.stem, [helper.make_tensor_value_info(x[0], TensorProto.FLOAT, x[1])],
        [helper.make_tensor_value_info(y[0], TensorProto.FLOAT, y[1])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path
