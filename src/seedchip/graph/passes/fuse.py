"""Element-wise producers join their readers: one map instead of two, and no tensor between them."""

from __future__ import annotations

from dataclasses import dataclass

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Map
from seedchip.graph.passes.dequantise import match_dequantise
from seedchip.graph.passes.rewriter import Rewriter, normal_map
from seedchip.numerics.expression import Expression, argument, num_operations, substitute

TRUTH = ("lt", "le", "eq")


@dataclass(frozen=True)
class FuseMaps:
    """A map is composed with its reader when that is its only one and has the same shape (a dequantised tensor: with every
    reader). The result has at most ``max_operations`` micro-operations, ``max_streams`` tensor operands and
    ``max_vectors`` constants of one axis."""

    max_operations: int = 48
    max_streams: int = 3
    max_vectors: int = 3

    def __call__(self, graph: Graph) -> Graph:
        while True:  # a tensor with two readers has one after those have joined
            fused = self._once(graph)
            if len(fused.nodes) == len(graph.nodes):
                return fused
            graph = fused

    def _once(self, graph: Graph) -> Graph:
        new, consumers = Rewriter(graph), graph.consumers()
        public = set(graph.outputs.values())
        maps: dict[str, tuple[Expression, list[str], str]] = {}
        for node in graph.nodes:
            if not isinstance(node.op, Map):
                continue
            body = normal_map(node.op.expression, node.inputs, graph.types, graph.constants)
            body = (body[0], [self._bare(graph, new, n, body[1]) for n in body[1]])
            maps[node.output] = (*self._absorb(graph, new, maps, consumers, public, node, body), node.op.dtype)
        for node in graph.nodes:
            if node.output in maps:
                expression, inputs, dtype = maps[node.output]
                new.map(expression, inputs, dtype, (node.source, node.output))
            else:
                new.copy(node)
        return new.finish(graph.outputs)

    def _bare(self, graph: Graph, new: Rewriter, name: str, operands: list[str]) -> str:
        """A constant without leading axes of size 1, where another operand gives the result its rank."""
        if name not in new.constants:
            return name
        shape = new.types[name].shape
        rank = max(len(new.types.get(o, graph.types.get(o, new.types[name])).shape) for o in operands)  # type: ignore
        others = max((len(graph.types[o].shape) for o in operands if o != name and o in graph.types), default=0)
        bare = tuple(shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)):])
        if bare == shape or others < rank:
            return name
        return new.reshape(name, bare)

    def _absorb(self, graph, new, maps, consumers, public, node, body):
        """``body`` with every producer that may join composed into it."""
        refused: set[str] = set()
        while True:
            candidate = next((n for n in body[1] if n in maps and n not in refused), None)
            if candidate is None:
                return body
            producer, inputs, dtype = maps[candidate]
            joined = self._joined(graph, new, body, candidate, producer, inputs) \
                if self._may_join(graph, maps, consumers, public, node, candidate) else None
            if joined is None:
                refused.add(candidate)
            else:
                body = joined

    def _may_join(self, graph, maps, consumers, public, node: Node, name: str) -> bool:
        producer, inputs, dtype = maps[name]
        if dtype != "float32" and producer.operator not in TRUTH:
            return False
        if graph.types[name].shape != graph.types[node.output].shape:
            return False
        readers = consumers[name]
        single = name not in public and len(readers) == 1
        if single:
            return True
        whole = Node(Map(producer, dtype), tuple(inputs), name)
        known = {n: graph.types[n] for n in inputs if n in graph.types}
        return len(known) == len(inputs) and match_dequantise(whole, known) is not None \
            and all(isinstance(r.op, Map) for r in readers)

    def _joined(self, graph, new, body, name: str, producer: Expression, inputs: list[str]):
        expression, operands = body
        combined = list(dict.fromkeys([*(o for o in operands if o != name), *inputs]))
        place = {n: argument(i) for i, n in enumerate(combined)}
        inner = substitute(producer, [place[n] for n in inputs])
        whole = substitute(expression, [inner if o == name else place[o] for o in operands])
        vectors = [n for n in combined if n in new.constants and len(new.types[n].shape) <= 1]
        streams = len(combined) - len(vectors)
        if num_operations(whole) > self.max_operations or streams > self.max_streams or len(vectors) > self.max_vectors:
            return None
        return whole, combined
