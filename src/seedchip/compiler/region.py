"""Regions: steps of the network that run tile by tile without leaving the core.

A region is at most one head (a matrix product, a convolution or a window) and the maps and row reductions behind it
that work on the same rows. Between regions tensors lie in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedchip.graph.ops import Conv, Map, MatMul, Move, Pool, Reduce

if TYPE_CHECKING:
    from seedchip.graph.ir import Graph, Node

HEADS = (MatMul, Conv, Pool)
ROWS = (Map, Reduce)
MAX_NODES = 24


@dataclass
class Region:
    """Nodes in order. ``rows`` is the shape of all axes but the last; ``columns`` the longest last axis."""

    nodes: list[Node]
    rows: tuple[int, ...]
    columns: int
    outputs: list[str] = field(default_factory=list)
    """tensors that others read, or that the network gives back"""

    @property
    def head(self) -> Node | None:
        return self.nodes[0] if isinstance(self.nodes[0].op, HEADS) else None

    @property
    def is_move(self) -> bool:
        return isinstance(self.nodes[0].op, Move)

    @property
    def needs_whole_rows(self) -> bool:
        return any(isinstance(n.op, Reduce) for n in self.nodes)

    @property
    def inner(self) -> set[str]:
        return {n.output for n in self.nodes}

    def __str__(self) -> str:
        kind = "+".join(n.op.name for n in self.nodes)
        return f"region {kind} rows={'x'.join(map(str, self.rows))} columns={self.columns} -> {', '.join(self.outputs)}"


def partition(graph: Graph) -> list[Region]:
    """Regions in an order in which each finds its operands in memory."""
    regions: list[Region] = []
    where: dict[str, int] = {}
    for node in graph:
        home = max((where.get(name, -1) for name in node.inputs), default=-1)
        if home >= 0 and isinstance(node.op, ROWS) and _joins(regions[home], node, graph):
            regions[home].nodes.append(node)
            regions[home].columns = max(regions[home].columns, _columns(graph.types[node.output].shape))
        else:
            shape = graph.types[node.output].shape or (1,)
            if isinstance(node.op, Reduce):
                shape = graph.types[node.inputs[0]].shape
            regions.append(Region([node], tuple(shape[:-1]), _columns(shape)))
            home = len(regions) - 1
        where[node.output] = home
    consumers = graph.consumers()
    given = set(graph.outputs.values())
    for region in regions:
        inner = region.inner
        region.outputs = [n.output for n in region.nodes
                          if n.output in given or any(c.output not in inner for c in consumers[n.output])]
    return regions


def _columns(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape else 1


def _joins(region: Region, node: Node, graph: Graph) -> bool:
    """The node works on the region's rows, and so do all the tensors that it takes from inside."""
    if region.is_move or len(region.nodes) >= MAX_NODES:
        return False
    shapes = [graph.types[node.output].shape, *(graph.types[n].shape for n in node.inputs if n in region.inner)]
    if any(len(s) != len(region.rows) + 1 or s[:-1] != region.rows for s in shapes):
        return False
    columns = {s[-1] for s in shapes} - {1}
    return columns <= {region.columns} or region.columns == 1
