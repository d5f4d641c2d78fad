"""Dequantised tensors: how a map `(codes - zero) * scale` is recognised, and how it moves behind what only moves
elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Concat, Expand, Map, Op, Pad, Reshape, Slice, Take, Transpose
from seedchip.graph.passes.rewriter import Rewriter
from seedchip.numerics.expression import Expression, apply, argument, pattern

Term = str | float | None
"""A tensor's name, a number, or None for a zero point that is not there."""


@dataclass(frozen=True)
class Dequantised:
    """Real value = (codes - zero) * scale."""

    codes: str
    zero: Term
    scale: Term


def match_dequantise(node: Node | None, types: Mapping[str, TensorType]) -> Dequantised | None:
    """The parts of a map that dequantises int8 codes, else None."""
    if node is None or not isinstance(node.op, Map) or node.op.dtype != "float32":
        return None
    e = node.op.expression
    if e.operator != "mul":
        return None
    difference, scale = e.operands
    zero: Expression | None = None
    if difference.operator == "sub":
        difference, zero = difference.operands
    leaves = [scale] if zero is None else [scale, zero]
    if difference.operator != "argument" or any(l.operator not in ("argument", "constant") for l in leaves):
        return None
    codes = node.inputs[difference.value]
    shape = np.broadcast_shapes(*(types[i].shape for i in node.inputs))
    if types[codes].dtype != "int8" or types[codes].shape != shape:
        return None
    return Dequantised(codes, None if zero is None else _term(zero, node), _term(scale, node))


def _term(leaf: Expression, node: Node) -> Term:
    if leaf.operator == "argument":
        return node.inputs[leaf.value]
    return float(np.int32(leaf.value).view(np.float32))


def emit_dequantise(new: Rewriter, d: Dequantised, place: tuple[str, str]) -> str:
    """The map of ``d``."""
    inputs = [d.codes]

    def leaf(term: Term) -> Expression:
        if isinstance(term, str):
            inputs.append(term)
            return argument(len(inputs) - 1)
        return pattern(int(np.float32(term).view(np.int32)))

    difference = argument(0) if d.zero is None else apply("sub", argument(0), leaf(d.zero))
    return new.map(apply("mul", difference, leaf(d.scale)), inputs, "float32", place)


@dataclass(frozen=True)
class SinkDequantise:
    """Movements of dequantised tensors move the codes instead, so that products find codes at their inputs."""

    def __call__(self, graph: Graph) -> Graph:
        new = Rewriter(graph)
        makers: dict[str, Node] = {}
        for node in graph.nodes:
            moved = self._moved(new, makers, node) if isinstance(
                node.op, (Transpose, Reshape, Slice, Take, Expand, Pad, Concat)) else None
            if moved is None:
                new.copy(node)
            else:
                emit_dequantise(new, moved, (node.source, node.output))
            makers[node.output] = new.nodes[-1]
        return new.finish(graph.outputs)

    def _moved(self, new: Rewriter, makers: dict[str, Node], node: Node) -> Dequantised | None:
        found = [match_dequantise(makers.get(i), new.types) for i in node.inputs]
        d = found[0]
        if d is None or any(o is None or (o.zero, o.scale) != (d.zero, d.scale) for o in found):
            return None
        zero, scale = (_moved_term(new, node.op, t, d.codes) for t in (d.zero, d.scale))
        if "" in (zero, scale):
            return None
        op: Op = node.op
        if isinstance(op, Pad):
            if op.value or isinstance(zero, str):
                return None
            op = Pad(op.before, op.after, float(zero or 0.0))
        codes = [o.codes for o in found if o is not None]
        return Dequantised(new.emit(op, codes, node.source), zero, scale)


def _moved_term(new: Rewriter, op: Op, term: Term, codes: str) -> Term:
    """A scale or zero point after the movement; an empty name when it can't follow."""
    if not isinstance(term, str):
        return term
    shape, rank = new.types[term].shape, len(new.types[codes].shape)
    if int(np.prod(shape, dtype=np.int64)) == 1 and len(shape) == 0:
        return term
    if not isinstance(op, Transpose) or term not in new.constants:
        return ""
    wide = new.reshape(term, (1,) * (rank - len(shape)) + shape)
    return new.transpose(wide, op.perm)
