"""Layout: transposes sink towards the outputs until they meet their inverses, so that image networks stay NHWC
throughout.

Every tensor of the old graph is known as a base tensor of the new graph seen through an order of axes. Element-wise
operations, joins, pads, slices and reshapes that keep groups of axes together work on the base and pass the order on;
what can't is given a real transpose. (The idea is that of layout propagation in image compilers, e.g. oneDNN graph.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Concat, Expand, Map, Pad, Reduce, Reshape, Slice, Take, Transpose
from seedchip.graph.passes.rewriter import Rewriter, inverse, moves_only_units

Order = tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Axis ``i`` of the tensor is axis ``order[i]`` of ``base``."""

    base: str
    order: Order

    @property
    def plain(self) -> bool:
        return self.order == tuple(range(len(self.order)))


@dataclass(frozen=True)
class SinkTransposes:
    """Valid graph in, valid graph out; outputs keep their shapes."""

    def __call__(self, graph: Graph) -> Graph:
        return _Sinking(graph).run()


class _Sinking:
    def __init__(self, graph: Graph) -> None:
        self.old = graph
        self.new = Rewriter(graph)
        self.views = {n: View(n, tuple(range(len(graph.types[n].shape)))) for n in (*graph.inputs, *graph.constants)}
        self.made: dict[tuple[str, Order], str] = {}

    def run(self) -> Graph:
        for node in self.old.nodes:
            self.views[node.output] = self._place(node)
        return self.new.finish({public: self._plain(name) for public, name in self.old.outputs.items()})

    def _place(self, node: Node) -> View:
        op, out = node.op, len(self.old.types[node.output].shape)
        first = self.views[node.inputs[0]]
        if isinstance(op, Transpose):
            return View(first.base, tuple(first.order[p] for p in op.perm))
        if isinstance(op, Map):
            return self._elementwise(node)
        if isinstance(op, Concat):
            order = self._best_order(node.inputs, out)
            inputs = [self._as(name, order) for name in node.inputs]
            return View(self.new.emit(Concat(order[op.axis]), inputs, node.source, node.output), order)
        if first.plain:
            return self._ordinary(node)
        if isinstance(op, Reshape):
            return self._reshape(node, first, op)
        if isinstance(op, (Pad, Slice, Take)):
            return View(self.new.emit(_permuted(op, first.order), [first.base], node.source, node.output), first.order)
        if isinstance(op, Expand) and len(first.order) == out:
            shape = tuple(op.shape[i] for i in inverse(first.order))
            return View(self.new.emit(Expand(shape), [first.base], node.source, node.output), first.order)
        if isinstance(op, Reduce) and first.order[-1] == out - 1:
            return View(self.new.emit(op, [first.base], node.source, node.output), first.order)
        return self._ordinary(node)

    def _ordinary(self, node: Node) -> View:
        output = self.new.emit(node.op, [self._plain(name) for name in node.inputs], node.source, node.output)
        return View(output, tuple(range(len(self.new.types[output].shape))))

    def _plain(self, name: str) -> str:
        return self._as(name, tuple(range(len(self.views[name].order))))

    def _as(self, name: str, order: Order) -> str:
        """The base that shows tensor ``name`` through ``order``."""
        view = self.views[name]
        perm = tuple(view.order[i] for i in inverse(order))
        key = (view.base, perm)
        if key not in self.made:
            self.made[key] = self.new.transpose(view.base, perm, "", name if order == tuple(range(len(order))) else "")
        return self.made[key]

    def _best_order(self, names: tuple[str, ...], rank: int) -> Order:
        """The order of axes that leaves the fewest elements to be transposed; at a tie, one that keeps a transpose
        pending."""
        identity = tuple(range(rank))
        found = [self.views[n].order for n in names if len(self.views[n].order) == rank and not self.views[n].plain]
        costs = {}
        for order in (*found, identity):
            costs[order] = sum(self._cost(n, order) for n in names if len(self.views[n].order) == rank)
        return min(costs, key=lambda order: (costs[order], order == identity))

    def _cost(self, name: str, order: Order) -> int:
        view = self.views[name]
        perm = tuple(view.order[i] for i in inverse(order))
        free = view.base in self.new.constants or (view.base, perm) in self.made \
            or moves_only_units(self.new.types[view.base].shape, perm)
        return 0 if free else self.new.types[view.base].num_elements

    def _elementwise(self, node: Node) -> View:
        assert isinstance(node.op, Map)
        rank = len(self.old.types[node.output].shape)
        order = self._best_order(node.inputs, rank)
        inputs = [self._widened(name, order) for name in node.inputs]
        return View(self.new.map(node.op.expression, inputs, node.op.dtype, (node.source, node.output)), order)

    def _widened(self, name: str, order: Order) -> str:
        """An operand of any rank, to broadcast against tensors seen through ``order``."""
        rank, missing = len(order), len(order) - len(self.views[name].order)
        if not missing:
            return self._as(name, order)
        if order == tuple(range(rank)) or missing == rank:
            return self._plain(name)
        plain = self._plain(name)
        wide = self.new.reshape(plain, (1,) * missing + self.new.types[plain].shape)
        return self.new.transpose(wide, inverse(order))

    def _reshape(self, node: Node, view: View, op: Reshape) -> View:
        shape = self.old.types[node.inputs[0]].shape
        groups = _groups(shape, op.shape)
        ranked = None if groups is None else _ranked(groups, shape, view.order)
        if groups is not None and ranked is None:
            order = _channels_last(groups, view.order)
            if order is not None:
                view = View(self._as(node.inputs[0], order), order)
                ranked = _ranked(groups, shape, order)
        if ranked is None:
            return self._ordinary(node)
        axes = [j for _, made in ranked for j in made]
        base = self.new.reshape(view.base, tuple(op.shape[j] for j in axes), node.source, node.output)
        return View(base, inverse(axes))


def _permuted(op: Pad | Slice | Take, order: Order) -> Pad | Slice | Take:
    """The operation on the base: field ``i`` of the old one stands at axis ``order[i]``."""
    if isinstance(op, Take):
        return replace(op, axis=order[op.axis])
    back = inverse(order)

    def moved(values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(values[i] for i in back)

    if isinstance(op, Pad):
        return replace(op, before=moved(op.before), after=moved(op.after))
    return Slice(moved(op.starts), moved(op.sizes), moved(op.steps))


Groups = list[tuple[list[int], list[int]]]


def _groups(before: tuple[int, ...], after: tuple[int, ...]) -> Groups | None:
    """Smallest runs of axes before and after a reshape that hold the same elements; None for empty tensors."""
    if 0 in before:
        return None
    groups: Groups = []
    i = j = 0
    while i < len(before) or j < len(after):
        old, made = [], []
        if i < len(before):
            old.append(i)
            i += 1
        if j < len(after) and (not old or before[old[0]] != 1 or after[j] == 1 or i == len(before)):
            made.append(j)
            j += 1
        while math.prod(before[a] for a in old) != math.prod(after[a] for a in made):
            if math.prod(before[a] for a in old) < math.prod(after[a] for a in made):
                old.append(i)
                i += 1
            else:
                made.append(j)
                j += 1
        groups.append((old, made))
    return groups


def _ranked(groups: Groups, shape: tuple[int, ...], order: Order) -> Groups | None:
    """Groups in the order of the base, or None when the base interleaves them."""
    long = sorted(order[i] for i in range(len(shape)) if shape[i] != 1)
    keyed: list[tuple[float, int, tuple[list[int], list[int]]]] = []
    last = -1.0
    for number, (old, made) in enumerate(groups):
        places = [order[i] for i in old if shape[i] != 1]
        if places:
            start = long.index(places[0])
            if long[start:start + len(places)] != places:
                return None
            last = float(places[0])
        keyed.append((last, number, (old, made)))
    return [group for _, _, group in sorted(keyed, key=lambda k: k[:2])]


def _channels_last(groups: Groups, order: Order) -> Order | None:
    """An order that brings the axes of each group together and leaves the innermost group of the base innermost.

    None where that group is the last one anyway: then the plain order serves as well.
    """
    innermost = order.index(len(order) - 1)
    filled = [old for old, _ in groups if old]
    if innermost in filled[-1]:
        return None
    placed = [axis for old in sorted(filled, key=lambda old: max(order[i] for i in old)) for axis in old]
    return inverse(placed)
