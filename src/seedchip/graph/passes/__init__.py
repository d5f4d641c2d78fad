"""Passes from graph to graph: each is a frozen dataclass; a valid graph goes in and a valid one comes out."""

from __future__ import annotations

from collections.abc import Callable

from seedchip.graph.ir import Graph
from seedchip.graph.passes.affine import FoldAffine
from seedchip.graph.passes.clean import FoldConstants, MergeEqual, ShortenMovement
from seedchip.graph.passes.dequantise import SinkDequantise
from seedchip.graph.passes.fuse import FuseMaps
from seedchip.graph.passes.hoist import HoistMaps
from seedchip.graph.passes.integer import IntegerProducts
from seedchip.graph.passes.layout import SinkTransposes
from seedchip.graph.passes.rewriter import remove_dead

__all__ = ["PIPELINE", "remove_dead", "simplify"]

PIPELINE: tuple[Callable[[Graph], Graph], ...] = (
    MergeEqual(), ShortenMovement(units=False),
    FoldConstants(keep_codes=True), SinkDequantise(), FoldConstants(keep_codes=True), IntegerProducts(),
    FoldConstants(),
    SinkTransposes(), ShortenMovement(), FoldConstants(),
    HoistMaps(), FoldAffine(), FuseMaps(), MergeEqual(),
)


def simplify(graph: Graph) -> Graph:
    """The graph with the same outputs and fewer nodes, through `PIPELINE`."""
    graph = remove_dead(graph)
    for step in PIPELINE:
        graph = step(graph)
    return graph
