"""Small graphs for the compiler's tests, and the check that all of them share: the bytes that the simulated chip gives
back are the bytes of `seedchip.graph.reference`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler import compile_graph
from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Conv, Map, MatMul, Op, Reduce, Reshape, Transpose
from seedchip.graph.reference import evaluate
from seedchip.numerics.expression import Expression, apply, argument
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import ChipSpec, load

if TYPE_CHECKING:
    from collections.abc import Mapping

Step = tuple[str, Op, tuple[str, ...]]
"""Name of the result, operation, names of the operands."""
CHIPS = ("nano", "micro", "nvdla-64", "nvdla-2048")
A0, A1, A2, A3 = (argument(i) for i in range(4))
SCALE = apply("mad", A0, A1, A2)
"""The common tail of a product: per-column scale and bias."""


def build(inputs: Mapping[str, tuple[tuple[int, ...], str]], steps: list[Step], outputs: list[str],
          constants: Mapping[str, np.ndarray] | None = None) -> Graph:
    """A graph from inputs (shape, type), steps in order and names of outputs; types are inferred."""
    constants = constants or {}
    types = {name: TensorType(shape, dtype) for name, (shape, dtype) in inputs.items()}
    types |= {name: TensorType(value.shape, value.dtype.name) for name, value in constants.items()}
    nodes = []
    for output, op, names in steps:
        types[output] = op.infer(*(types[n] for n in names))
        nodes.append(Node(op, names, output, output))
    return Graph("small", tuple(inputs), {name: name for name in outputs}, constants, tuple(nodes), types)


def int8(*shape: int) -> np.ndarray:
    """Random codes in [-127, 127], the same ones for the same shape."""
    return np.random.default_rng([7, *shape]).integers(-127, 128, shape).astype(np.int8)


def float32(*shape: int) -> np.ndarray:
    """Standard normal numbers, the same ones for the same shape."""
    return np.random.default_rng([11, *shape]).standard_normal(shape).astype(np.float32)


def feeds_for(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    feeds = {}
    for name in graph.inputs:
        t = graph.types[name]
        if t.dtype == "float32":
            feeds[name] = rng.standard_normal(t.shape).astype(np.float32)
        else:
            low, high = (-128, 128) if t.dtype == "int8" else (-40, 41)
            feeds[name] = rng.integers(low, high, t.shape).astype(t.dtype)
    return feeds


def run(graph: Graph, chip: str | ChipSpec, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    spec = load(chip)
    return SimulatedDevice(compile_graph(graph, spec), spec).run(feeds)


def assert_exact(graph: Graph, chip: str | ChipSpec = "nano", feeds: Mapping[str, np.ndarray] | None = None) -> None:
    """The chip's outputs equal the reference's: names, shapes, types and every bit."""
    feeds = feeds_for(graph) if feeds is None else feeds
    got, want = run(graph, chip, feeds), evaluate(graph, feeds)
    assert list(got) == list(want)
    for name, value in want.items():
        assert (got[name].shape, got[name].dtype) == (value.shape, value.dtype)
        wrong = int(np.count_nonzero(got[name] != value))
        assert got[name].tobytes() == value.tobytes(), f"{name}: {wrong} of {value.size} elements differ"


def scaled(columns: int) -> dict[str, np.ndarray]:
    """Constants ``scale`` and ``bias`` of `SCALE`."""
    return {"scale": np.abs(float32(columns)) * np.float32(1e-2), "bias": float32(columns)}


def product(rows: int, depth: int, columns: int) -> Graph:
    """A quantised linear layer."""
    return build({"x": ((rows, depth), "int8")},
                 [("sum", MatMul(), ("x", "w")), ("y", Map(SCALE, "int8"), ("sum", "scale", "bias"))], ["y"],
                 {"w": int8(depth, columns), **scaled(columns)})


def convolution(image: tuple[int, int, int, int], filters: int, kernel: tuple[int, int], op: Conv) -> Graph:
    """A quantised convolution with ReLU on an NHWC image."""
    weights = int8(*kernel, image[3] // op.groups, filters)
    return build({"x": (image, "int8")},
                 [("sum", op, ("x", "w")),
                  ("y", Map(apply("max", SCALE, 0.0), "int8"), ("sum", "scale", "bias"))], ["y"],
                 {"w": weights, **scaled(filters)})


def softmax(shape: tuple[int, ...]) -> Graph:
    """The steps of a softmax, the exponential replaced by a square: maximum, difference, sum, quotient."""
    difference = apply("sub", A0, A1)
    return build({"x": (shape, "float32")},
                 [("most", Reduce("max"), ("x",)), ("e", Map(apply("mul", difference, difference)), ("x", "most")),
                  ("total", Reduce("sum"), ("e",)), ("share", Map(apply("mad", A0, 0.25, 1.0)), ("total",)),
                  ("y", Map(apply("mul", A0, A1)), ("e", "share"))], ["y"])


def layer_normalisation(rows: int, depth: int, columns: int) -> Graph:
    """A product, its residual, mean and variance, INT8 and binary32 results."""
    square: Expression = apply("mul", A0, A0)
    steps: list[Step] = [
        ("sum", MatMul(), ("x", "w")),
        ("h", Map(apply("add", A3, SCALE)), ("sum", "scale", "bias", "residual")),
        ("total", Reduce("sum"), ("h",)), ("mean", Map(apply("mul", A0, 1.0 / columns)), ("total",)),
        ("d", Map(apply("sub", A0, A1)), ("h", "mean")), ("square", Map(square), ("d",)),
        ("variance", Reduce("sum"), ("square",)), ("z", Map(SCALE), ("d", "variance", "gain")),
        ("y", Map(apply("mul", A0, 0.1), "int8"), ("z",))]
    return build({"x": ((rows, depth), "int8"), "residual": ((rows, columns), "float32")}, steps, ["y", "h"],
                 {"w": int8(depth, columns), "gain": float32(columns), **scaled(columns)})


def attention(heads: int, length: int, width: int) -> Graph:
    """Scores, rows made INT8, values: operands are views, and K is read transposed."""
    split = Reshape((1, length, heads, width))
    whole = ((1, length, heads * width), "int8")
    swap = Transpose((0, 2, 1, 3))
    steps: list[Step] = [
        ("q1", split, ("q",)), ("q2", swap, ("q1",)), ("k1", split, ("k",)), ("k2", Transpose((0, 2, 3, 1)), ("k1",)),
        ("v1", split, ("v",)), ("v2", swap, ("v1",)), ("s", MatMul(), ("q2", "k2")),
        ("f", Map(apply("mul", A0, 1e-4)), ("s",)), ("most", Reduce("max"), ("f",)),
        ("p", Map(apply("mul", apply("sub", A0, A1), -3.0), "int8"), ("f", "most")), ("o", MatMul(), ("p", "v2")),
        ("o2", Map(apply("mul", A0, 1e-3), "int8"), ("o",)), ("o3", swap, ("o2",)), ("y", Reshape(whole[0]), ("o3",))]
    return build({"q": whole, "k": whole, "v": whole}, steps, ["y"])
