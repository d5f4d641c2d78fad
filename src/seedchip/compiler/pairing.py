"""Which regions take turns: one that keeps the vector engine busy and one that keeps the matrix engine busy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.compiler.products import product_depth
from seedchip.graph.ops import Conv, Map, MatMul
from seedchip.numerics.expression import num_operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedchip.compiler.region import Region
    from seedchip.graph.ir import Graph
    from seedchip.spec import ChipSpec

_REACH = 12
"""Regions that a product may be put off."""
_MATRIX_BOUND, _VECTOR_BOUND = 0.5, 1.5
"""Vector cycles for each matrix cycle: below the first the vector engine has time to spare, above the second the array
has."""


def is_product(region: Region) -> bool:
    return region.head is not None and isinstance(region.head.op, (MatMul, Conv))


def pair(regions: list[Region], graph: Graph, spec: ChipSpec) -> list[list[Region]]:
    """The regions in an order that keeps their dependencies, some in pairs.

    A matrix-bound product is put off to the next vector-bound one that does not depend on it, if nothing in between
    does.
    """
    needs = _dependencies(regions)
    partner: dict[int, int] = {}
    after: dict[int, list[int]] = {}
    for i, region in enumerate(regions):
        if is_product(region) and _balance(region, graph, spec) < _MATRIX_BOUND:
            found = _partner(i, regions, needs, lambda r: _balance(r, graph, spec) > _VECTOR_BOUND)
            if found and found[0] not in partner:
                partner[found[0]], after[found[0]] = i, found[1]
    late = {*partner.values(), *(k for moves in after.values() for k in moves)}
    groups: list[list[Region]] = []
    for j, region in enumerate(regions):
        if j not in late:
            groups.append([regions[partner[j]], region] if j in partner else [region])
            groups += [[regions[k]] for k in after.get(j, [])]
    return groups


def _partner(i: int, regions: list[Region], needs: list[set[int]],
             fits: Callable[[Region], bool]) -> tuple[int, list[int]] | None:
    """The region that region ``i`` can be put off to, and the moves of its result that must come after."""
    moves: list[int] = []
    for j in range(i + 1, min(i + _REACH, len(regions))):
        if i in needs[j]:
            if not regions[j].is_move:
                return None
            moves.append(j)
        elif is_product(regions[j]) and fits(regions[j]):
            return j, moves
    return None


def _dependencies(regions: list[Region]) -> list[set[int]]:
    """For each region, all regions that it needs, directly or not."""
    where = {n.output: i for i, r in enumerate(regions) for n in r.nodes}
    needs: list[set[int]] = []
    for i, region in enumerate(regions):
        direct = {where[name] for n in region.nodes for name in n.inputs if name in where} - {i}
        needs.append(direct.union(*(needs[d] for d in direct)))
    return needs


def _balance(region: Region, graph: Graph, spec: ChipSpec) -> float:
    """Vector cycles for each matrix cycle, tiles aside."""
    head = region.nodes[0]
    slots = sum(max(1, num_operations(n.op.expression)) if isinstance(n.op, Map) else 2 for n in region.nodes[1:])
    depth = product_depth(head, graph)
    return slots * spec.matrix.columns / spec.vector.lanes / max(1, depth / spec.matrix.rows * (len(head.inputs) // 2))
