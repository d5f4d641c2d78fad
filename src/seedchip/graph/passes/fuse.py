"""Element-wise producers join their readers: one map instead of two, and no tensor between them."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Map
from seedchip.graph.passes.dequantise import match_dequantise
from seedchip.graph.passes.rewriter import Rewriter, normal_map
from seedchip.numerics.expression import Expression, argument, num_operations, postorder, substitute

TRUTH = ("lt", "le", "eq")
"""Their results are 0 and 1, which int8 holds exactly."""
WHOLE = ("mov", "add", "sub", "mul", "mad", "min", "max", "rne", "floor", "sel", *TRUTH)
"""Operations that keep integers integers (and within int32, as products of int8 and their corrections are)."""


@dataclass(frozen=True)
class Body:
    """A map on its way: expression, operands, element type."""

    expression: Expression
    operands: tuple[str, ...]
    dtype: str


@dataclass(frozen=True)
class FuseMaps:
    """A map is composed with its reader when that is its only one and has the same shape (a dequantised tensor: with
    every reader).

    The result has at most ``max_operations`` micro-operations, ``max_streams`` tensor operands and ``max_vectors``
    constants of one axis.
    """

    max_operations: int = 48
    max_streams: int = 3
    max_vectors: int = 3

    def __call__(self, graph: Graph) -> Graph:
        while True:  # a tensor with two readers has one after those have joined
            fused = _Fusing(self, graph).run()
            if len(fused.nodes) == len(graph.nodes):
                return fused
            graph = fused


class _Fusing:
    def __init__(self, limits: FuseMaps, graph: Graph) -> None:
        self.limits, self.graph, self.new = limits, graph, Rewriter(graph)
        self.consumers, self.public = graph.consumers(), set(graph.outputs.values())
        self.maps: dict[str, Body] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if isinstance(node.op, Map):
                self.maps[node.output] = self._absorb(node, self._normal(node, node.op))
        for node in self.graph.nodes:
            if node.output in self.maps:
                body = self.maps[node.output]
                self.new.map(body.expression, body.operands, body.dtype, (node.source, node.output))
            else:
                self.new.copy(node)
        return self.new.finish(self.graph.outputs)

    def _normal(self, node: Node, op: Map) -> Body:
        expression, operands = normal_map(op.expression, node.inputs, self.graph.types, self.graph.constants)
        return Body(expression, tuple(self._bare(name, operands) for name in operands), op.dtype)

    def _bare(self, name: str, operands: list[str]) -> str:
        """A constant without leading axes of size 1, where another operand gives the result its rank."""
        if name not in self.new.constants:
            return name
        shape = self.new.types[name].shape
        ranks = [len(self.graph.types[o].shape) for o in operands if o != name]
        bare = shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)):]
        return self.new.reshape(name, bare) if max(ranks, default=0) >= len(shape) else name

    def _absorb(self, node: Node, body: Body) -> Body:
        """``body`` with every producer that may join composed into it."""
        refused: set[str] = set()
        while True:
            name = next((n for n in body.operands if n in self.maps and n not in refused), None)
            if name is None:
                return body
            joined = self._joined(body, name) if self._may_join(node, name) else None
            if joined is None:
                refused.add(name)
            else:
                body = joined

    def _may_join(self, node: Node, name: str) -> bool:
        producer = self.maps[name]
        if not self._exact(producer):
            return False
        if self.graph.types[name].shape != self.graph.types[node.output].shape:
            return False
        readers = self.consumers[name]
        if name not in self.public and len(readers) == 1:
            return True
        whole = Node(Map(producer.expression, producer.dtype), producer.operands, name)
        types = ChainMap(self.new.types, cast(dict[str, TensorType], self.graph.types))
        return match_dequantise(whole, types) is not None and all(isinstance(r.op, Map) for r in readers)

    def _exact(self, producer: Body) -> bool:
        """Whether the conversion to the producer's element type changes nothing: it may be left out then."""
        if producer.dtype == "float32" or producer.expression.operator in TRUTH:
            return True
        if producer.dtype != "int32":
            return False
        return all(self._whole(e, producer.operands) for e in postorder(producer.expression))

    def _whole(self, e: Expression, operands: tuple[str, ...]) -> bool:
        """Whether a step of an expression gives an integer when its operands are integers."""
        if e.operator == "constant":
            return float(np.int32(e.value).view(np.float32)).is_integer()
        if e.operator != "argument":
            return e.operator in WHOLE
        name = operands[e.value]
        array = self.new.constants.get(name)
        if array is not None:
            return bool(np.all(array == np.rint(array)))
        return self.new.types.get(name, self.graph.types[name]).dtype != "float32"

    def _joined(self, body: Body, name: str) -> Body | None:
        """The two maps as one, or None where a limit is passed."""
        producer = self.maps[name]
        operands = tuple(dict.fromkeys([*(o for o in body.operands if o != name), *producer.operands]))
        place = {n: i for i, n in enumerate(operands)}
        whole = _composed(body.expression, tuple(-1 if o == name else place[o] for o in body.operands),
                          producer.expression, tuple(place[n] for n in producer.operands))
        vectors = sum(1 for n in operands if n in self.new.constants and np.ndim(self.new.constants[n]) <= 1)
        limits = self.limits
        if (num_operations(whole) > limits.max_operations or vectors > limits.max_vectors
                or len(operands) - vectors > limits.max_streams):
            return None
        return Body(whole, operands, body.dtype)


@lru_cache(maxsize=4096)
def _composed(outer: Expression, places: tuple[int, ...], inner: Expression,
              inner_places: tuple[int, ...]) -> Expression:
    """``outer`` with argument ``i`` renumbered to ``places[i]``, or replaced by ``inner`` where that is -1."""
    value = substitute(inner, [argument(p) for p in inner_places])
    return substitute(outer, [value if p < 0 else argument(p) for p in places])
