"""Buffer trees: no gate drives more than `FANOUT` others, across the borders of modules too.

Mapping looks at one module at a time and does not see what its ports drive. Without buffers the longest path would be
one gate that drives a thousand; with them it is what a placed chip comes near to, before wires.
"""

from __future__ import annotations

from collections import defaultdict
from graphlib import TopologicalSorter

from seedchip.synthesis.library import LibraryCell
from seedchip.synthesis.netlist import Bit, Cell, Module, Netlist

FANOUT = 12
"""Inputs that one output may drive."""
Pin = tuple[str, str]
"""A cell's name and one of its inputs; the name "" is the module itself, the pin one of its outputs."""


def insert_buffers(netlist: Netlist, buffer: LibraryCell, outputs: dict[str, frozenset[str]]) -> int:
    """Put trees of ``buffer`` behind every net that drives too much; how many buffers that took (a module counts once).

    ``outputs``: the output pins of every leaf cell's kind, without an index. Clock pins are left alone: a clock tree
    is the layout's work.
    """
    order = TopologicalSorter({name: {c.kind for c in module.cells.values() if c.kind in netlist.modules}
                               for name, module in netlist.modules.items()})
    loads: dict[str, dict[str, int]] = {}
    total = 0
    for name in order.static_order():
        module = netlist.modules[name]
        total += _buffer_module(netlist, module, buffer, (outputs, loads))
        sinks = _sinks(netlist, module, (outputs, loads))
        loads[name] = {port: sum(weight for _, weight in sinks.get(bit, [])) for port, bit in module.inputs.items()}
    return total


def _sinks(netlist: Netlist, module: Module,
           known: tuple[dict[str, frozenset[str]], dict[str, dict[str, int]]]) -> dict[Bit, list[tuple[Pin, int]]]:
    """For every bit the pins that it drives, each with its weight in gates."""
    outputs, loads = known
    found: dict[Bit, list[tuple[Pin, int]]] = defaultdict(list)
    for name, cell in module.cells.items():
        child = netlist.modules.get(cell.kind)
        for pin, bit in cell.pins.items():
            if not isinstance(bit, int):
                continue
            if child is not None:
                if weight := loads[cell.kind].get(pin, 0):
                    found[bit].append(((name, pin), weight))
            elif pin.partition("[")[0] not in outputs.get(cell.kind, frozenset()):
                found[bit].append(((name, pin), 1))
    for port, bit in module.outputs.items():
        found[bit].append((("", port), 1))
    return found


def clock_bits(module: Module) -> set[Bit]:
    """Bits that clock a flip-flop or a macro of this module, or enter a child of it under a clock's name."""
    return {bit for cell in module.cells.values() for pin, bit in cell.pins.items()
            if pin in ("CK", "CLK", "clk", "C", "WR_CLK") or pin.startswith("RD_CLK")}


def _buffer_module(netlist: Netlist, module: Module, buffer: LibraryCell,
                   known: tuple[dict[str, frozenset[str]], dict[str, dict[str, int]]]) -> int:
    clocks = clock_bits(module)
    count = 0
    for bit, sinks in _sinks(netlist, module, known).items():
        if bit in clocks:
            continue
        level = sorted(sinks, key=lambda s: s[1])
        while sum(weight for _, weight in level) > FANOUT and len(level) > 1:
            level, added = _one_level(module, buffer, (bit, count), level)
            count += added
    return count


def _one_level(module: Module, buffer: LibraryCell, place: tuple[Bit, int],
               sinks: list[tuple[Pin, int]]) -> tuple[list[tuple[Pin, int]], int]:
    """Groups of at most `FANOUT` gates, each behind a buffer on the bit of ``place``."""
    bit, first = place
    groups: list[list[Pin]] = []
    room = 0
    for pin, weight in sinks:
        if not groups or weight > room:
            groups.append([])
            room = FANOUT
        groups[-1].append(pin)
        room -= weight
    level: list[tuple[Pin, int]] = []
    for i, group in enumerate(groups):
        name, driven = f"fanout_{bit}_{first + i}", module.new_bit()
        module.cells[name] = Cell(buffer.name, {buffer.inputs[0]: bit, buffer.outputs[0]: driven})
        for owner, port in group:
            (module.outputs if not owner else module.cells[owner].pins)[port] = driven
        level.append(((name, buffer.inputs[0]), 1))
    return level, len(groups)
