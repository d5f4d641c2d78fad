"""Element-wise maps move in front of reshapes and transposes, to the product that made their operand."""

from __future__ import annotations

from dataclasses import dataclass

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Map, Reshape, Transpose
from seedchip.graph.passes.rewriter import Rewriter

_BYTES = {"int8": 1, "int32": 4, "float32": 4}


@dataclass(frozen=True)
class HoistMaps:
    """A map of one tensor (and single constants) that alone reads a reshape or transpose is computed before it, where
    the result is not wider than the operand: fewer bytes are moved, and the map can join the tail of a product."""

    def __call__(self, graph: Graph) -> Graph:
        while True:
            hoisted = self._once(graph)
            if hoisted is None:
                return graph
            graph = hoisted

    def _once(self, graph: Graph) -> Graph | None:
        producers, consumers, public = graph.producers(), graph.consumers(), set(graph.outputs.values())
        pairs: dict[str, Node] = {}
        taken: set[str] = set()
        for node in graph.nodes:
            tensors = [n for n in node.inputs if n not in graph.constants or graph.types[n].num_elements != 1]
            if not isinstance(node.op, Map) or len(set(tensors)) != 1:
                continue
            move = producers.get(tensors[0])
            if (move is not None and isinstance(move.op, (Reshape, Transpose)) and len(consumers[move.output]) == 1
                    and move.output not in public and move.inputs[0] not in taken and move.inputs[0] in producers
                    and graph.types[move.output].shape == graph.types[node.output].shape
                    and _BYTES[node.op.dtype] <= _BYTES[graph.types[move.output].dtype]):
                pairs[node.output] = move
                taken.add(node.output)
        return self._rewrite(graph, pairs) if pairs else None

    def _rewrite(self, graph: Graph, pairs: dict[str, Node]) -> Graph:
        new = Rewriter(graph)
        moved = {move.output for move in pairs.values()}
        for node in graph.nodes:
            if node.output in pairs:
                move = pairs[node.output]
                inputs = [move.inputs[0] if n == move.output else self._single(new, n, move) for n in node.inputs]
                early = new.emit(node.op, inputs, node.source)
                new.emit(move.op, (early,), node.source, node.output)
            elif node.output not in moved:
                new.copy(node)
        return new.finish(graph.outputs)

    def _single(self, new: Rewriter, name: str, move: Node) -> str:
        """A single constant with no more axes than the tensor before the move."""
        value = new.constants[name]
        return name if value.ndim <= len(new.types[move.inputs[0]].shape) else new.constant(value.reshape(()), name)
