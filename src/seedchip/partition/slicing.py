"""Cuts a graph at its host nodes into parts that each run on the chip as one program.

Everything runs as early as what it reads allows: part 0 holds what depends on the model's inputs alone, part L + 1 what
also depends on a host node that reads part L. Nodes that depend on constants alone are repeated where they are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seedchip.graph.ir import Graph, Node
from seedchip.partition.host import HostNode


@dataclass(frozen=True)
class ChipPart:
    """A stretch of the network for the chip; inputs and outputs are tensors of the whole graph, by their names."""

    graph: Graph


def slice_graph(graph: Graph, host_nodes: Sequence[HostNode],
                host_results: Sequence[str]) -> tuple[ChipPart | HostNode, ...]:
    """Parts and host nodes in the order in which they run, without those that no output needs.

    ``host_results`` names outputs of the model that are host values, not tensors of the graph.
    """
    walk = _needed(graph, host_nodes, {*graph.outputs.values(), *host_results})
    levels = _Levels(graph)
    for step in walk:
        levels.add(step)
    crossing = {*graph.outputs.values(), *(t.name for s in walk if isinstance(s, HostNode) for t in s.tensors.values())}
    crossing |= {name for s in walk if isinstance(s, Node) for name in s.inputs
                 if levels.chip.get(s.output) != levels.made.get(name) and name in levels.made}
    steps: list[ChipPart | HostNode] = []
    for level in range(-1, levels.last + 1):
        part = _part(graph, walk, levels, (level, crossing))
        steps += [ChipPart(part)] if part.nodes else []
        steps += [step for step in walk if isinstance(step, HostNode) and levels.hosts[id(step)] == level]
    return tuple(steps)


def _needed(graph: Graph, host_nodes: Sequence[HostNode], wanted: set[str]) -> list[Node | HostNode]:
    """Chip and host nodes in topological order, without those that nothing wanted depends on."""
    kept: list[Node | HostNode] = []
    for step in reversed(list(_interleave(graph, host_nodes))):
        if isinstance(step, Node):
            if step.output in wanted:
                kept.append(step)
                wanted.update(step.inputs)
        elif wanted & {*step.outputs, *(t.name for t in step.arrivals.values())}:
            kept.append(step)
            wanted.update(step.values, (t.name for t in step.tensors.values()))
    return kept[::-1]


def _interleave(graph: Graph, host_nodes: Sequence[HostNode]) -> Iterator[Node | HostNode]:
    waiting = list(host_nodes)
    for index, node in enumerate(graph.nodes):
        while waiting and waiting[0].position <= index:
            yield waiting.pop(0)
        yield node
    yield from waiting


class _Levels:
    """The part in which each tensor can first be read: by a host node (``host``) and by the chip (``chip``)."""

    def __init__(self, graph: Graph) -> None:
        self.constant = set(graph.constants)
        self.host = dict.fromkeys(graph.inputs, -1)
        self.chip = dict.fromkeys(graph.inputs, 0)
        self.made: dict[str, int] = {}
        """part that makes a tensor"""
        self.hosts: dict[int, int] = {}
        self.last = 0

    def add(self, step: Node | HostNode) -> None:
        if isinstance(step, HostNode):
            before = [*(t.name for t in step.tensors.values()), *step.values]
            level = max((self.host.get(name, 0) for name in before), default=-1)
            self.hosts[id(step)] = level
            self.host.update(dict.fromkeys((*step.outputs, *(t.name for t in step.arrivals.values())), level))
            self.chip.update((t.name, level + 1) for t in step.arrivals.values())
        elif all(name in self.constant for name in step.inputs):
            self.constant.add(step.output)
            level = 0
        else:
            level = max(self.chip[name] for name in step.inputs if name not in self.constant)
            self.host[step.output] = self.chip[step.output] = self.made[step.output] = level
        self.last = max(self.last, level)


def _part(graph: Graph, walk: Sequence[Node | HostNode], levels: _Levels, cut: tuple[int, set[str]]) -> Graph:
    """The nodes of one level with the constant nodes they read; ``cut`` is the level and all tensors that cross."""
    level, crossing = cut
    kept: list[Node] = []
    reads = {name for name in crossing if name in levels.constant} if level == 0 else set()
    outputs = {name: name for name in crossing if levels.made.get(name) == level}
    outputs |= {name: name for name in reads if name not in graph.constants}
    for step in reversed(walk):
        if isinstance(step, Node) and (levels.made.get(step.output) == level or
                                       (step.output in reads and step.output in levels.constant)):
            kept.append(step)
            reads.update(step.inputs)
    made = {node.output for node in kept}
    inputs = tuple(name for name in graph.inputs if name in reads) + tuple(
        sorted(name for name in reads if name in levels.made and name not in made))
    constants = {name: graph.constants[name] for name in graph.constants if name in reads}
    types = {name: graph.types[name] for name in (*inputs, *constants, *(n.output for n in reversed(kept)))}
    ordered = {name: name for name in types if name in outputs}
    return Graph(f"{graph.name} part {level}", inputs, ordered, constants, tuple(reversed(kept)), types,
                 {name: types[name].dtype for name in ordered})
