"""The compiler: one line of steps from a quantised graph to a program. Each step's result can be printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seedchip.compiler.builder import Builder
from seedchip.compiler.emit import emit_regions
from seedchip.compiler.interface import input_copies, output_sources, place_inputs, place_outputs
from seedchip.compiler.legalise import legalise
from seedchip.compiler.placement import Placement
from seedchip.compiler.region import Region, partition
from seedchip.graph.passes.fuse import FuseMaps
from seedchip.graph.passes.guards import DropNanGuards
from seedchip.graph.passes.hoist import HoistMaps
from seedchip.graph.verify import verify
from seedchip.isa import ISA_VERSION, encode_program
from seedchip.program import Program

if TYPE_CHECKING:
    from seedchip.graph.ir import Graph
    from seedchip.spec import ChipSpec

Level = Literal["graph", "tile", "program"]


@dataclass(frozen=True)
class Compilation:
    """What each level of the pipeline made."""

    graph: Graph
    regions: list[Region]
    tiles: list[str]
    """one line a region: its tiling and why"""
    program: Program


def compile_graph(graph: Graph, spec: ChipSpec) -> Program:
    """A program for ``graph``, whose products must be INT8. Raises `CompileError` or `GraphError` with one sentence."""
    return compile_levels(graph, spec).program


def compile_levels(graph: Graph, spec: ChipSpec) -> Compilation:
    """`compile_graph` with every level's result. Deterministic: the same input gives the same bytes."""
    verify(graph)
    user = graph
    graph = legalise(DropNanGuards()(FuseMaps()(HoistMaps()(graph))), spec)
    verify(graph)
    copies, replaced = input_copies(graph, spec)
    sources = output_sources(graph, replaced)
    graph = _without(graph, replaced | (set(graph.outputs.values()) - {name for name, _ in sources.values()}), sources)
    placement, builder = Placement(graph, spec), Builder(spec)
    inputs = place_inputs(graph, placement, copies, user)
    regions = partition(graph)
    layers, tiles = emit_regions(regions, builder, placement, {c.tensor for c in copies if c.packed})
    outputs = place_outputs(graph, placement, sources, user)
    code = encode_program(builder.finish())
    address = placement.reserve(len(code))
    program = Program(graph.name, spec.name, spec.hash, ISA_VERSION, code, address, placement.end, inputs, outputs,
                      tuple(placement.segments), tuple(layers))
    return Compilation(graph, regions, tiles, program)


def _without(graph: Graph, names: set[str], sources: dict[str, tuple[str, tuple[int, ...]]]) -> Graph:
    """The graph less the nodes whose work the driver does."""
    nodes = tuple(n for n in graph.nodes if n.output not in names)
    return graph.replace(nodes=nodes, outputs={public: name for public, (name, _) in sources.items()})
