"""Moves a factor that is constant along a row from the left operand of a matrix product behind the product.

``(diag(r) P) V = diag(r) (P V)``. Softmax ends in such a factor, one over the sum of the row. Left of it the largest
number of a row is 1, so int8 codes of a diffuse row keep their 127 steps, and the product has fewer columns to
scale than the row has elements (Dao et al., "FlashAttention" (2022), postpone the same division).
"""

from __future__ import annotations

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Map, MatMul
from seedchip.numerics.expression import Expression, apply, argument, merge, postorder, substitute


def hoist_row_factors(graph: Graph) -> Graph:
    """The graph with every such factor behind its product; unchanged where there is none."""
    consumers, producers = graph.consumers(), graph.producers()
    types = dict(graph.types)
    replaced: dict[str, list[Node]] = {}
    for node in graph.nodes:
        maker = producers.get(node.inputs[0])
        if not isinstance(node.op, MatMul) or len(node.inputs) != 2 or maker is None or not isinstance(maker.op, Map):
            continue
        alone = len(consumers[maker.output]) == 1 and maker.output not in graph.outputs.values()
        factor = _row_factor(graph, maker) if alone and node.inputs[1] != maker.output else None
        if factor is None or types[node.output].dtype != "float32":
            continue
        position, expression = factor
        product = f"{node.output}/unscaled"
        if product in types:
            continue
        rows = [n for i, n in enumerate(maker.inputs) if i != position]
        leaves = [argument(max(i - (i > position), 0)) for i in range(len(maker.inputs))]
        factor_map = Node(Map(substitute(expression, leaves)), tuple(rows), maker.output, maker.source)
        types[maker.output] = factor_map.op.infer(*(types[n] for n in rows))
        types[product] = TensorType(types[node.output].shape)
        replaced[maker.output] = [factor_map]
        replaced[node.output] = [Node(node.op, (maker.inputs[position], node.inputs[1]), product, node.source),
                                 Node(Map(apply("mul", argument(0), argument(1))), (product, maker.output), node.output,
                                      maker.source)]
    nodes = tuple(n for node in graph.nodes for n in replaced.get(node.output, [node]))
    return graph.replace(nodes=nodes, types=types)


def _row_factor(graph: Graph, maker: Node) -> tuple[int, Expression] | None:
    """Which operand of ``x * f(rows)`` is x, and f; None for any other map."""
    if not isinstance(maker.op, Map) or maker.op.dtype != "float32":
        return None
    product, guarded = _unguarded(maker.op.expression)
    if product.operator != "mul":
        return None
    shape = graph.types[maker.output].shape
    for x, f in (product.operands, product.operands[::-1]):
        if x.operator != "argument":
            continue
        name = maker.inputs[x.value]
        others = [maker.inputs[e.value] for e in postorder(f) if e.operator == "argument"]
        by_row = all(graph.types[n].shape[-1:] == (1,) and len(graph.types[n].shape) == len(shape) for n in others)
        whole = graph.types[name] == TensorType(shape) and name not in graph.constants
        if whole and others and by_row and shape[-1] > 1:
            return x.value, _guard(f) if guarded else f
    return None


def _unguarded(e: Expression) -> tuple[Expression, bool]:
    """``p`` of ``0 where p is NaN else p``, and whether there was such a guard."""
    if e.operator == "sel" and merge(e).key() == merge(_guard(e.operands[2])).key():
        return e.operands[2], True
    return e, False


def _guard(p: Expression) -> Expression:
    return apply("sel", apply("eq", apply("eq", p, p), 0.0), 0.0, p)
