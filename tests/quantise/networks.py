"""Small networks for the tests of quantisation, with weights and feeds from fixed seeds."""

from __future__ import annotations

import numpy as np

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Conv, Map, MatMul, Op, Pool, Reduce, Reshape, Transpose
from seedchip.numerics import functions
from seedchip.numerics.expression import apply, argument


class Net:
    """Adds nodes by name; every method returns the name of what it made."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: list[str] = []
        self.constants: dict[str, np.ndarray] = {}
        self.nodes: list[Node] = []
        self.types: dict[str, TensorType] = {}

    def input(self, name: str, *shape: int) -> str:
        self.inputs.append(name)
        self.types[name] = TensorType(shape)
        return name

    def const(self, name: str, values: np.ndarray) -> str:
        self.constants[name] = np.asarray(values, np.float32)
        self.types[name] = TensorType(self.constants[name].shape)
        return name

    def add(self, name: str, op: Op, *inputs: str) -> str:
        self.nodes.append(Node(op, inputs, name, name))
        self.types[name] = op.infer(*(self.types[i] for i in inputs))
        return name

    def conv(self, name: str, x: str, filters: int, kernel: int = 3, groups: int = 1) -> str:
        """Convolution and bias."""
        channels = self.types[x].shape[3] // groups
        w = self.rng.normal(size=(kernel, kernel, channels, filters)) / np.sqrt(kernel * kernel * channels)
        pad = kernel // 2
        y = self.add(f"{name}_sum", Conv(pads=(pad,) * 4, groups=groups), x, self.const(f"{name}_w", w))
        return self.add(name, Map(apply("add", argument(0), argument(1))), y,
                        self.const(f"{name}_b", self.rng.normal(size=filters) * 0.1))

    def dense(self, name: str, x: str, width: int) -> str:
        """Matrix product and bias."""
        depth = self.types[x].shape[-1]
        w = self.const(f"{name}_w", self.rng.normal(size=(depth, width)) / np.sqrt(depth))
        y = self.add(f"{name}_sum", MatMul(), x, w)
        return self.add(name, Map(apply("add", argument(0), argument(1))), y,
                        self.const(f"{name}_b", self.rng.normal(size=width) * 0.1))

    def relu(self, name: str, x: str) -> str:
        return self.add(name, Map(apply("max", argument(0), 0.0)), x)

    def sum(self, name: str, a: str, b: str) -> str:
        return self.add(name, Map(apply("add", argument(0), argument(1))), a, b)

    def graph(self, *outputs: str) -> Graph:
        return Graph("net", tuple(self.inputs), {o: o for o in outputs}, self.constants, tuple(self.nodes), self.types)


def image_network(batch: int = 2) -> Graph:
    """Residual block with clip and hard-swish, depthwise layer, pooling, GELU, classifier."""
    net = Net()
    x = net.input("x", batch, 16, 16, 3)
    a = net.relu("a", net.conv("conv1", x, 8))
    b = net.add("b", Map(functions.clip(argument(0), 0.0, 6.0)), net.conv("conv2", a, 8))
    swish = apply("mul", argument(0), functions.clip(apply("mad", argument(0), 1 / 6, 0.5), 0.0, 1.0))
    c = net.add("c", Map(swish), net.conv("conv3", b, 8, groups=8))
    d = net.relu("d", net.sum("skip", net.conv("conv4", c, 8), a))
    e = net.add("e", Pool("max", (2, 2), (2, 2)), d)
    f = net.add("f", Map(functions.gelu(argument(0))), net.conv("conv5", e, 16))
    pooled = net.add("pooled", Map(apply("mul", argument(0), 1 / 64)), net.add("total", Pool("sum", (8, 8)), f))
    flat = net.add("flat", Reshape((batch, 16)), pooled)
    return net.graph(net.dense("out", flat, 10))


def attention_network(batch: int = 2, rows: int = 12, width: int = 16) -> Graph:
    """One attention head with softmax and a residual sum."""
    net = Net(1)
    x = net.input("x", batch, rows, width)
    q, k, v = (net.dense(name, x, width) for name in ("q", "k", "v"))
    turned = net.add("k_turned", Transpose((0, 2, 1)), k)
    scores = net.add("scores", MatMul(), q, turned)
    scores = net.add("scaled", Map(apply("mul", argument(0), width ** -0.5)), scores)
    top = net.add("top", Reduce("max"), scores)
    powers = net.add("powers", Map(functions.exp(apply("sub", argument(0), argument(1)))), scores, top)
    total = net.add("row_total", Reduce("sum"), powers)
    shares = net.add("shares", Map(apply("mul", argument(0), functions.reciprocal(argument(1)))), powers, total)
    mixed = net.add("mixed", MatMul(), shares, v)
    return net.graph(net.sum("result", net.dense("project", mixed, width), x))


def normal_feeds(graph: Graph, count: int = 3, seed: int = 5) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [{n: rng.normal(size=graph.types[n].shape).astype(np.float32) for n in graph.inputs} for _ in range(count)]
