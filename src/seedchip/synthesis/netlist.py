"""A mapped netlist in Python: modules, cells, bits; and what its hierarchy sums up to.

Bits are the numbers that Yosys' JSON gives them within a module; "0", "1" and "x" are constants. A bus of n wires has
the scalar names ``bus[0]`` ... ``bus[n-1]``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seedchip.synthesis.macros import Macro, macro_named

Bit = int | str
_GENERIC_REGISTERS = ("$_DFF", "$_SDFF", "$_ALDFF", "$_DLATCH")


@dataclass
class Cell:
    """An instance of a gate, a flip-flop, a macro or a module; ``pins`` by scalar name."""

    kind: str
    pins: dict[str, Bit]


@dataclass
class Module:
    """One module; ``ports`` maps scalar names to their bits, ``names`` a bit to the signal of the source."""

    name: str
    inputs: dict[str, Bit]
    outputs: dict[str, Bit]
    cells: dict[str, Cell]
    names: dict[Bit, str]
    next_bit: int

    def new_bit(self) -> int:
        self.next_bit += 1
        return self.next_bit - 1


@dataclass(frozen=True)
class Instance:
    """A module at its place: ``path`` is () for the top."""

    path: tuple[str, ...]
    module: Module


def register_signal(module: Module, cell: str) -> str:
    """The source's signal that the flip-flop ``cell`` of ``module`` holds; the cell's own name when it has lost it."""
    bits = [module.cells[cell].pins.get(pin) for pin in ("Q", "QN")]
    for bit in bits:
        if bit in module.names:
            return module.names[bit]
    behind = (pin for other in module.cells.values() if len(other.pins) == 2 for pin in other.pins.values()
              if any(b is not None and b in other.pins.values() for b in bits))
    return next((module.names[bit] for bit in behind if bit in module.names), cell)


@dataclass
class Netlist:
    """All modules, by name. ``registers`` are the kinds of cells that are flip-flops."""

    top: str
    modules: dict[str, Module]
    registers: frozenset[str] = field(default=frozenset())

    def is_register(self, kind: str) -> bool:
        return kind in self.registers or kind.startswith(_GENERIC_REGISTERS)

    def instances(self) -> Iterator[Instance]:
        """Every instance of every module, parents first."""
        waiting = [Instance((), self.modules[self.top])]
        while waiting:
            found = waiting.pop()
            yield found
            waiting += [Instance((*found.path, name), self.modules[cell.kind])
                        for name, cell in found.module.cells.items() if cell.kind in self.modules]

    def leaf_counts(self) -> dict[str, Counter[str]]:
        """For every module, how many cells of each kind that is no module stand in it, children left out."""
        return {name: Counter(c.kind for c in module.cells.values() if c.kind not in self.modules)
                for name, module in self.modules.items()}

    @cached_property
    def macros(self) -> dict[str, Macro]:
        """The macros used, by the name of their cells."""
        kinds = {cell.kind for module in self.modules.values() for cell in module.cells.values()}
        return {kind: macro for kind in sorted(kinds) if (macro := macro_named(kind)) is not None}


def read_netlist(path: Path, top: str, registers: frozenset[str] = frozenset()) -> Netlist:
    """The netlist that `mapping` wrote; modules without content are left out."""
    content = json.loads(path.read_bytes())["modules"]
    modules = {name: _read_module(name, module) for name, module in content.items()
               if "blackbox" not in module["attributes"]}
    return Netlist(top, modules, registers)


def _scalars(name: str, bits: list[Bit]) -> Iterator[tuple[str, Bit]]:
    if len(bits) == 1:
        yield name, bits[0]
    else:
        yield from ((f"{name}[{i}]", bit) for i, bit in enumerate(bits))


def _read_module(name: str, content: dict[str, Any]) -> Module:
    ports: dict[str, dict[str, Bit]] = {"input": {}, "output": {}}
    for port, facts in content["ports"].items():
        ports[facts["direction"]].update(_scalars(port, facts["bits"]))
    names: dict[Bit, str] = {}
    highest = 1
    for net, facts in content["netnames"].items():
        highest = max([highest, *(b for b in facts["bits"] if isinstance(b, int))])
        if not facts.get("hide_name"):
            for scalar, bit in _scalars(net, facts["bits"]):
                if len(scalar) < len(names.get(bit, scalar + " ")):
                    names[bit] = scalar
    cells = {cell: Cell(facts["type"], {scalar: bit for pin, bits in facts["connections"].items()
                                        for scalar, bit in _scalars(pin, bits)})
             for cell, facts in content["cells"].items()}
    return Module(name, ports["input"], ports["output"], cells, names, highest + 1)
