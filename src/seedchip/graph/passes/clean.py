"""Small clean-ups: equal nodes merged, constants computed, chains of reshapes and transposes shortened."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Expand, Map, Pad, Reduce, Reshape, Slice, Take, Transpose
from seedchip.graph.passes.dequantise import match_dequantise
from seedchip.graph.passes.rewriter import Rewriter
from seedchip.graph.reference import compute

MAX_FOLDED_ELEMENTS = 2**27


@dataclass(frozen=True)
class MergeEqual:
    """Nodes with equal operations and operands become one; so do equal constants."""

    def __call__(self, graph: Graph) -> Graph:
        new = Rewriter(graph)
        name: dict[str, str] = {n: n for n in graph.inputs}
        known: dict[object, str] = {}
        for constant, array in graph.constants.items():
            digest = hashlib.blake2b(np.ascontiguousarray(array).data, digest_size=16).digest() if array.size else b""
            name[constant] = known.setdefault((array.shape, array.dtype.name, digest), constant)
        for node in graph.nodes:
            inputs = tuple(name[i] for i in node.inputs)
            key = (node.op, inputs)
            if key not in known:
                known[key] = new.copy(node, inputs)
            name[node.output] = known[key]
        return new.finish({public: name[n] for public, n in graph.outputs.items()})


@dataclass(frozen=True)
class FoldConstants:
    """Nodes that read only constants are computed; ``keep_codes`` leaves dequantised weights for the integer products.
    """

    keep_codes: bool = False

    def __call__(self, graph: Graph) -> Graph:
        new = Rewriter(graph)
        for node in graph.nodes:
            if self._foldable(graph, new, node):
                value = compute(node.op, *(new.constants[i] for i in node.inputs))
                new.constants[node.output] = np.ascontiguousarray(value)
                new.types[node.output] = graph.types[node.output]
            elif isinstance(node.op, Map):
                new.map(node.op.expression, node.inputs, node.op.dtype, (node.source, node.output))
            else:
                new.copy(node)
        return new.finish(graph.outputs)

    def _foldable(self, graph: Graph, new: Rewriter, node: Node) -> bool:
        size = graph.types[node.output].num_elements
        if size > MAX_FOLDED_ELEMENTS or not all(i in new.constants for i in node.inputs):
            return False
        if isinstance(node.op, (Expand, Take)) and size > 4 * sum(new.constants[i].size for i in node.inputs) + 4096:
            return False
        dequantised = match_dequantise(node, new.types) if self.keep_codes else None
        return dequantised is None or len(graph.types[dequantised.codes].shape) < 2


@dataclass(frozen=True)
class ShortenMovement:
    """Reshapes and transposes that undo or follow each other become one or none, and so do slices that keep everything.

    With ``units``, a transpose that only moves axes of size 1 becomes a reshape.
    """

    units: bool = True

    def __call__(self, graph: Graph) -> Graph:
        new = Rewriter(graph)
        name: dict[str, str] = {n: n for n in (*graph.inputs, *graph.constants)}
        producers: dict[str, Node] = {}
        for node in graph.nodes:
            inputs = [name[i] for i in node.inputs]
            name[node.output] = self._shorter(new, producers, node, inputs)
            if new.nodes and new.nodes[-1].output == name[node.output]:
                producers[name[node.output]] = new.nodes[-1]
        return new.finish({public: name[n] for public, n in graph.outputs.items()})

    def _shorter(self, new: Rewriter, producers: dict[str, Node], node: Node, inputs: list[str]) -> str:
        op, x = node.op, inputs[0]
        before = producers.get(x)
        if isinstance(op, Transpose):
            perm = op.perm
            if before is not None and isinstance(before.op, Transpose):
                x, perm = before.inputs[0], tuple(before.op.perm[p] for p in perm)
            if not self.units and perm != tuple(range(len(perm))):
                return new.emit(Transpose(perm), [x], node.source, node.output)
            return new.transpose(x, perm, node.source, node.output)
        if isinstance(op, Reshape):
            while before is not None and isinstance(before.op, Reshape):
                x = before.inputs[0]
                before = producers.get(x)
            return new.reshape(x, op.shape, node.source, node.output)
        if isinstance(op, (Expand, Slice, Pad)) and _keeps(op, new.types[x]):
            return x
        if isinstance(op, Reduce) and new.types[x].shape[-1] == 1 and new.types[x].dtype == "float32":
            return x
        return new.copy(node, inputs)


def _keeps(op: Expand | Slice | Pad, x: TensorType) -> bool:
    """Whether the operation changes nothing."""
    forward = not isinstance(op, Slice) or all(s == 1 or n <= 1 for s, n in zip(op.steps, x.shape, strict=True))
    return forward and op.infer(x) == x
