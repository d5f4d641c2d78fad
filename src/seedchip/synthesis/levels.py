"""The deepest paths of a netlist in gates, which need no delays: what is known without a timing tool."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from seedchip.synthesis.blocks import block_of
from seedchip.synthesis.netlist import Cell, Module, Netlist

Node = int


@dataclass(frozen=True)
class Depth:
    """``gates`` between the registers ``start`` and ``end``, given as (instance path, cell)."""

    gates: int
    start: tuple[tuple[str, ...], str]
    end: tuple[tuple[str, ...], str]


class _Flat:
    """All wires of the chip as numbers, one for each wire however many modules it passes through."""

    def __init__(self) -> None:
        self.parents: list[int] = []

    def add(self) -> Node:
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def root(self, node: Node) -> Node:
        while self.parents[node] != node:
            self.parents[node] = self.parents[self.parents[node]]
            node = self.parents[node]
        return node

    def join(self, a: Node, b: Node) -> None:
        self.parents[self.root(a)] = self.root(b)


def deepest_paths(netlist: Netlist, outputs: dict[str, frozenset[str]]) -> dict[str, Depth]:
    """By block, the deepest path that ends in it. ``outputs``: the output pins of every leaf cell's kind.

    Raises `ValueError` when gates form a loop.
    """
    flat = _Flat()
    leaves: list[tuple[tuple[str, ...], str, Cell, dict[str, Node]]] = []
    _place(netlist, flat, netlist.modules[netlist.top], ((), {}, leaves))
    readers: dict[Node, list[int]] = defaultdict(list)
    driven: dict[int, list[Node]] = defaultdict(list)
    waits, depth = [0] * len(leaves), [0] * len(leaves)
    sources: dict[Node, int] = {}
    ready: list[int] = []
    for index, (_, _, cell, pins) in enumerate(leaves):
        ends = _ends(netlist, cell)
        for pin, node in pins.items():
            if pin.partition("[")[0] in outputs.get(cell.kind, frozenset()):
                driven[index].append(flat.root(node))
                sources[flat.root(node)] = index
            elif not ends:
                readers[flat.root(node)].append(index)
        if ends:
            ready.append(index)
    for node, listed in readers.items():
        if node in sources:
            for index in listed:
                waits[index] += 1
    ready += [i for i, n in enumerate(waits) if not n and not _ends(netlist, leaves[i][2])]
    begin = list(range(len(leaves)))
    done = 0
    while ready:
        index = ready.pop()
        done += 1
        for node in driven[index]:
            for reader in readers[node]:
                if depth[index] + 1 > depth[reader]:
                    depth[reader], begin[reader] = depth[index] + 1, begin[index]
                waits[reader] -= 1
                if not waits[reader]:
                    ready.append(reader)
    if done < len(leaves):
        raise ValueError(f"{len(leaves) - done} cells of {netlist.top} form loops without a register")
    return _collect(netlist, flat, leaves, (sources, depth, begin, outputs))


def _collect(netlist: Netlist, flat: _Flat, leaves: list, facts: tuple) -> dict[str, Depth]:
    sources, depth, begin, outputs = facts
    found: dict[str, Depth] = {}
    for path, name, cell, pins in leaves:
        if not _ends(netlist, cell):
            continue
        block = block_of(path)
        for pin, node in pins.items():
            driver = sources.get(flat.root(node))
            if driver is None or pin.partition("[")[0] in outputs.get(cell.kind, frozenset()):
                continue
            if block not in found or depth[driver] > found[block].gates:
                first = leaves[begin[driver]]
                found[block] = Depth(depth[driver], (first[0], first[1]), (path, name))
    return found


def _ends(netlist: Netlist, cell: Cell) -> bool:
    """Whether paths begin and end at this cell; a memory that is read without a clock lets them through."""
    macro = netlist.macros.get(cell.kind)
    return netlist.is_register(cell.kind) or (macro is not None and macro.clocked)


def _place(netlist: Netlist, flat: _Flat, module: Module, place: tuple) -> None:
    """Give the module's wires numbers, join its ports with the wires outside, and go into its children."""
    path, outside, leaves = place
    nodes: dict[object, Node] = {}

    def node_of(bit: object) -> Node:
        if bit not in nodes:
            nodes[bit] = flat.add()
        return nodes[bit]

    for port, bit in (*module.inputs.items(), *module.outputs.items()):
        if port in outside and isinstance(bit, int):
            flat.join(node_of(bit), outside[port])
    for name, cell in module.cells.items():
        pins = {pin: node_of(bit) for pin, bit in cell.pins.items() if isinstance(bit, int)}
        if cell.kind in netlist.modules:
            _place(netlist, flat, netlist.modules[cell.kind], ((*path, name), pins, leaves))
        else:
            leaves.append((path, name, cell, pins))
