"""Products and sums per channel behind a convolution or matrix product move into its weights and one bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Conv, Map, MatMul
from seedchip.graph.passes.rewriter import Rewriter
from seedchip.numerics.expression import Expression, apply, argument

MAX_CHAIN = 8


@dataclass(frozen=True)
class FoldAffine:
    """Chains of maps `a x + b` with constants per output channel, each the only reader of the one before it.

    Works on float32 Conv and MatMul with constant weights. The scale goes into the weights and the sum of all offsets
    becomes one map (computed in binary64, rounded once); batch normalisation disappears this way.
    """

    def __call__(self, graph: Graph) -> Graph:
        new, consumers = Rewriter(graph), graph.consumers()
        public = set(graph.outputs.values())
        replaced: dict[str, tuple[np.ndarray, np.ndarray, Node]] = {}
        skipped: set[str] = set()
        for node in graph.nodes:
            if node.output in skipped or not _has_weights(graph, node):
                continue
            found = _chain(graph, node, consumers, public)
            if found is not None:
                maps, scale, offset = found
                replaced[node.output] = (scale, offset, maps[-1])
                skipped.update(m.output for m in maps)
        for node in graph.nodes:
            if node.output in replaced:
                _emit(new, node, *replaced[node.output])
            elif node.output not in skipped:
                new.copy(node)
        return new.finish(graph.outputs)


def _has_weights(graph: Graph, node: Node) -> bool:
    return (isinstance(node.op, (Conv, MatMul)) and len(node.inputs) == 2 and node.inputs[1] in graph.constants
            and graph.types[node.output].dtype == "float32")


Chain = tuple[list[Node], np.ndarray, np.ndarray]


def _chain(graph: Graph, node: Node, consumers: dict[str, list[Node]], public: set[str]) -> Chain | None:
    """The maps to fold and their common scale and offset, or None when folding gains nothing."""
    channels = graph.types[node.output].shape[-1]
    scale, offset = np.ones(channels), np.zeros(channels)
    maps: list[Node] = []
    last, scaled = node.output, False
    while last not in public and len(consumers[last]) == 1 and len(maps) < MAX_CHAIN:
        reader = consumers[last][0]
        step = _affine(graph, reader, last, channels)
        if step is None:
            break
        scale, offset = scale * step[0], offset * step[0] + step[1]
        scaled = scaled or bool(np.any(step[0] != 1))
        maps.append(reader)
        last = reader.output
    finite = bool(np.isfinite(scale).all() and np.isfinite(offset).all())
    return (maps, scale, offset) if finite and (scaled or len(maps) > 1) else None


def _affine(graph: Graph, node: Node, x: str, channels: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Scale and offset of a map that multiplies and adds constants per channel, else None."""
    if not isinstance(node.op, Map) or node.op.dtype != "float32" or graph.types[node.output] != graph.types[x]:
        return None
    e = node.op.expression

    def value(leaf: Expression) -> np.ndarray | None:
        if leaf.operator == "constant":
            return np.full(channels, float(np.int32(leaf.value).view(np.float32)))
        if leaf.operator != "argument" or node.inputs[leaf.value] not in graph.constants:
            return None
        array = graph.constants[node.inputs[leaf.value]]
        if array.size not in (1, channels) or (array.size == channels and array.shape[-1:] != (channels,)):
            return None
        return np.broadcast_to(array.reshape(-1).astype(np.float64), channels)

    def is_x(leaf: Expression) -> bool:
        return leaf.operator == "argument" and node.inputs[leaf.value] == x

    zero, one = np.zeros(channels), np.ones(channels)
    if e.operator in ("add", "mul", "mad"):
        first, second = e.operands[:2]
        if not is_x(first):
            first, second = second, first
        term = value(second) if is_x(first) else None
        if term is None:
            return None
        if e.operator == "add":
            return one, term
        extra = value(e.operands[2]) if e.operator == "mad" else zero
        return None if extra is None else (term, extra)
    if e.operator == "sub" and is_x(e.operands[0]):
        term = value(e.operands[1])
        return None if term is None else (one, -term)
    return None


def _emit(new: Rewriter, node: Node, scale: np.ndarray, offset: np.ndarray, last: Node) -> None:
    weights = node.inputs[1]
    if np.any(scale != 1):
        product = (new.constants[weights].astype(np.float64) * scale).astype(np.float32)
        weights = new.constant(product, f"{weights}/scaled")
    if not offset.any():
        new.emit(node.op, [node.inputs[0], weights], node.source, last.output)
        return
    y = new.emit(node.op, [node.inputs[0], weights], node.source, node.output)
    bias = new.constant(offset.astype(np.float32), f"{last.output}/bias")
    new.map(apply("add", argument(0), argument(1)), [y, bias], "float32", (last.source, last.output))
