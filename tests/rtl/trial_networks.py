"""Small networks of the kinds that the chip is for, with random weights by a fixed seed."""

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

WIDTH, HEADS, LENGTH, TOKENS = 32, 2, 8, 50


def perceptron(rng: np.random.Generator) -> ModelProto:
    """Two fully connected layers with ReLU between them; every row of ``x`` [4, 32] is an item of a batch."""
    weights = {"w1": rng.normal(0, 0.2, (32, 24)), "b1": rng.normal(0, 0.5, 24), "w2": rng.normal(0, 0.2, (24, 10))}
    nodes = [_make("MatMul", "x w1", "h1"), _make("Add", "h1 b1", "h2"), _make("Relu", "h2", "h3"),
             _make("MatMul", "h3 w2", "y")]
    return _model(nodes, ("x", TensorProto.FLOAT, [4, 32]), [4, 10], weights)


def encoder(rng: np.random.Generator) -> ModelProto:
    """A transformer encoder layer: embeddings of ``ids`` [1, 8], two heads of attention, layer norms, a GELU, mean."""
    matrix = lambda rows, columns: rng.normal(0, 1 / np.sqrt(rows), (rows, columns))  # noqa: E731
    weights = {"table": rng.normal(0, 1, (TOKENS, WIDTH)), "fc1": matrix(WIDTH, 2 * WIDTH),
               "fc2": matrix(2 * WIDTH, WIDTH), "root": np.array(np.sqrt(WIDTH / HEADS)), "half": np.array(0.5),
               "one": np.array(1.0), "sqrt2": np.array(np.sqrt(2)),
               **{w: matrix(WIDTH, WIDTH) for w in ("wq", "wk", "wv", "wo")},
               **{n: rng.normal(1, 0.1, WIDTH) for n in ("gain1", "bias1", "gain2", "bias2")}}
    nodes = [_make("Gather", "table ids", "x")]
    for name, turn in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [_make("MatMul", f"x w{name}", f"{name}1"), _make("Reshape", f"{name}1 heads", f"{name}2"),
                  _make("Transpose", f"{name}2", name, perm=turn)]
    nodes += [
        _make("MatMul", "q k", "s1"), _make("Div", "s1 root", "s2"), _make("Softmax", "s2", "p", axis=-1),
        _make("MatMul", "p v", "a1"), _make("Transpose", "a1", "a2", perm=[0, 2, 1, 3]),
        _make("Reshape", "a2 rows", "a3"), _make("MatMul", "a3 wo", "a4"), _make("Add", "x a4", "r1"),
        _make("LayerNormalization", "r1 gain1 bias1", "n1", axis=-1),
        _make("MatMul", "n1 fc1", "f1"), _make("Div", "f1 sqrt2", "f2"), _make("Erf", "f2", "f3"),
        _make("Add", "f3 one", "f4"), _make("Mul", "f1 f4", "f5"), _make("Mul", "f5 half", "f6"),
        _make("MatMul", "f6 fc2", "f7"), _make("Add", "n1 f7", "r2"),
        _make("LayerNormalization", "r2 gain2 bias2", "n2", axis=-1),
        _make("ReduceMean", "n2", "y", axes=[1], keepdims=0)]
    shapes = {"heads": np.array([1, LENGTH, HEADS, WIDTH // HEADS]), "rows": np.array([1, LENGTH, WIDTH])}
    return _model(nodes, ("ids", TensorProto.INT64, [1, LENGTH]), [1, WIDTH], weights, shapes)


def _make(operator: str, inputs: str, output: str, **attributes: object):
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def _model(nodes: list, x: tuple, y: list[int], weights: dict, shapes: dict | None = None) -> ModelProto:
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    constants += [numpy_helper.from_array(value.astype(np.int64), name) for name, value in (shapes or {}).items()]
    graph = helper.make_graph(nodes, "small", [helper.make_tensor_value_info(*x)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
