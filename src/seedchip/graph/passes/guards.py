"""Guards against NaN that integer results do not need: the conversion to an integer gives 0 for NaN anyway."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Map
from seedchip.numerics.expression import Expression, merge


@dataclass(frozen=True)
class DropNanGuards:
    """``where(isnan(v), 0, v)``, multiplied by finite constants and converted to an integer, is v treated the same way.
    """

    def __call__(self, graph: Graph) -> Graph:
        return graph.replace(nodes=tuple(self._node(n) for n in graph.nodes))

    def _node(self, node: Node) -> Node:
        op = node.op
        if not isinstance(op, Map) or op.dtype == "float32":
            return node
        bare = _unguarded(merge(op.expression))
        return node if bare is None else replace(node, op=Map(bare, op.dtype))


def _unguarded(e: Expression) -> Expression | None:
    """``e`` without its guard, or None when it has none."""
    if e.operator == "mul":
        factor = next((o for o in e.operands if o.operator == "constant"), None)
        other = next((o for o in e.operands if o is not factor), None)
        if factor is None or other is None or not np.isfinite(np.int32(factor.value).view(np.float32)):
            return None
        bare = _unguarded(other)
        return None if bare is None else Expression("mul", (bare, factor))
    if e.operator != "sel" or not _is_zero(e.operands[1]):
        return None
    test, value = e.operands[0], e.operands[2]
    is_number = test.operands[0] if test.operator == "eq" and _is_zero(test.operands[1]) else None
    if is_number is None or is_number.operator != "eq" or any(o is not value for o in is_number.operands):
        return None
    return value


def _is_zero(e: Expression) -> bool:
    return e.operator == "constant" and e.value == 0
