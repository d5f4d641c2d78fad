"""Products of dequantised tensors become exact integer products of their codes, followed by one map with both scales.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Conv, MatMul
from seedchip.graph.passes.dequantise import Dequantised, Term, match_dequantise
from seedchip.graph.passes.rewriter import Rewriter
from seedchip.numerics.expression import Expression, apply, argument, constant


@dataclass(frozen=True)
class IntegerProducts:
    """Conv and MatMul whose two operands are dequantised int8 codes. With zero points z:

    sum (a - za)(b - zb) = sum a b - za sum b - zb sum a + K za zb, all integers; padded positions hold the code za.
    """

    def __call__(self, graph: Graph) -> Graph:
        new = Rewriter(graph)
        makers: dict[str, Node] = {}
        for node in graph.nodes:
            if not self._replaced(new, makers, node):
                new.copy(node)
            makers[node.output] = new.nodes[-1]
        return new.finish(graph.outputs)

    def _replaced(self, new: Rewriter, makers: dict[str, Node], node: Node) -> bool:
        if not isinstance(node.op, (MatMul, Conv)) or len(node.inputs) != 2:
            return False
        a, b = (match_dequantise(makers.get(i), new.types) for i in node.inputs)
        if a is None or b is None:
            return False
        return _matmul(new, node, a, b) if isinstance(node.op, MatMul) else _conv(new, node, a, b)


def _sizes(new: Rewriter, term: Term) -> tuple[int, ...]:
    return new.types[term].shape if isinstance(term, str) else ()


def _along(new: Rewriter, term: Term, axis: int) -> bool:
    """Whether a scale or zero point is the same along ``axis`` (negative)."""
    shape = _sizes(new, term)
    return len(shape) < -axis or shape[axis] == 1


def _only_last(new: Rewriter, term: Term) -> bool:
    return all(n == 1 for n in _sizes(new, term)[:-1])


def _is_zero(new: Rewriter, term: Term) -> bool:
    if isinstance(term, str):
        return term in new.constants and not new.constants[term].any()
    return not term


class _Tail:
    """The map behind an integer product, as it grows."""

    def __init__(self, new: Rewriter, total: str) -> None:
        self.new, self.inputs = new, [total]
        self.value = argument(0)

    def leaf(self, term: Term) -> Expression:
        if not isinstance(term, str):
            return constant(float(term or 0.0))
        self.inputs.append(term)
        return argument(len(self.inputs) - 1)

    def subtract(self, zero: Term, sums: str) -> None:
        """Takes ``zero * sums`` off, multiplied at once where both are known."""
        if not isinstance(zero, str) and sums in self.new.constants:
            known = self.new.constants[sums] * np.float32(zero or 0.0)
            self.value = apply("sub", self.value, self.leaf(self.new.constant(known, "correction")))
            return
        self.value = apply("sub", self.value, apply("mul", self.leaf(zero), self.leaf(sums)))

    def scale(self, a: Term, b: Term) -> None:
        if not isinstance(a, str) and not isinstance(b, str):
            self.value = apply("mul", self.value, float(np.float32(np.float64(a or 0) * np.float64(b or 0))))
            return
        known = [self.new.constants.get(t) if isinstance(t, str) else np.float32(t or 0) for t in (a, b)]
        if known[0] is not None and known[1] is not None:
            product = np.asarray(np.multiply(known[0], known[1], dtype=np.float64), np.float32)
            self.value = apply("mul", self.value, self.leaf(self.new.constant(product, "scale")))
            return
        self.value = apply("mul", self.value, apply("mul", self.leaf(a), self.leaf(b)))

    def emit(self, node: Node) -> bool:
        self.new.map(self.value, self.inputs, "float32", (node.source, node.output))
        return True


def _matmul(new: Rewriter, node: Node, a: Dequantised, b: Dequantised) -> bool:
    zero_a, zero_b = _is_zero(new, a.zero), _is_zero(new, b.zero)
    uniform = all(_along(new, t, -1) for t in (a.scale, a.zero)) and all(_along(new, t, -2) for t in (b.scale, b.zero))
    if not uniform:
        return False
    tail = _Tail(new, new.emit(MatMul(), [a.codes, b.codes], node.source))
    columns = None if zero_a else _code_sums(new, b.codes, -2, node)
    rows = None if zero_b else _code_sums(new, a.codes, -1, node)
    if columns is not None:
        tail.subtract(a.zero, columns)
    if rows is not None:
        tail.subtract(b.zero, rows)
    if columns is not None and rows is not None:
        inner = float(new.types[a.codes].shape[-1])
        tail.value = apply("add", tail.value, apply("mul", apply("mul", tail.leaf(a.zero), tail.leaf(b.zero)), inner))
    tail.scale(a.scale, b.scale)
    return tail.emit(node)


def _code_sums(new: Rewriter, codes: str, axis: int, node: Node) -> str:
    """Exact sums of codes along an axis, which keeps size 1."""
    if codes in new.constants:
        sums = new.constants[codes].astype(np.int64).sum(axis=axis, keepdims=True)
        return new.constant(sums.astype(np.float32), "sums")
    inner = new.types[codes].shape[axis]
    ones = new.constant(np.ones((1, inner) if axis == -2 else (inner, 1), np.int8), "ones")
    return new.emit(MatMul(), [ones, codes] if axis == -2 else [codes, ones], node.source)


def _conv(new: Rewriter, node: Node, x: Dequantised, w: Dequantised) -> bool:
    assert isinstance(node.op, Conv)
    single = all(not isinstance(t, str) or new.types[t].num_elements == 1 for t in (x.scale, x.zero))
    if not single or isinstance(x.zero, str) or not _only_last(new, w.scale):
        return False
    zero = float(x.zero or 0.0)
    if w.codes not in new.constants and (zero or not _is_zero(new, w.zero)):
        return False
    weights = _centred(new, w)
    op = Conv(node.op.strides, node.op.dilations, node.op.pads, node.op.groups, int(zero))
    tail = _Tail(new, new.emit(op, [name for part in weights for name in (x.codes, part)], node.source))
    if zero:
        sums = sum(new.constants[part].astype(np.int64).sum(axis=(0, 1, 2)) for part in weights)
        tail.subtract(zero, new.constant(np.asarray(sums, np.float32), "sums"))
    tail.scale(x.scale, w.scale)
    return tail.emit(node)


def _centred(new: Rewriter, w: Dequantised) -> list[str]:
    """Weights whose zero is code 0: one int8 tensor, or two with that sum where nine bits are needed."""
    if _is_zero(new, w.zero):
        return [w.codes]
    zero = new.constants[w.zero] if isinstance(w.zero, str) else np.array(w.zero)
    values = new.constants[w.codes].astype(np.int64) - zero.astype(np.int64)
    if values.min() >= -128 and values.max() <= 127:
        return [new.constant(values.astype(np.int8), w.codes)]
    low = np.floor_divide(values, 2)
    return [new.constant(part.astype(np.int8), w.codes) for part in (low, values - low)]
