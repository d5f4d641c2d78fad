"""The netlist as plain structural Verilog of scalar wires, and the macros as Liberty: what a timing tool reads.

The timing tools of Linux distributions stumble over attributes, signed wires and concatenations; here are none. Names
are short and regular; `Names` maps them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from seedchip.synthesis.macros import Macro
from seedchip.synthesis.netlist import Bit, Module, Netlist

_INDEX = re.compile(r"(.*?)(?:\[(\d+)\])?")
_PLAIN = re.compile(r"[A-Za-z_]\w*")
MACRO_TIMING = "0.0"
"""Access and set-up time of the macros: unknown before a process is chosen, so a path begins and ends at them at 0."""


_THRESHOLDS = {"input": 50, "output": 50, "slew_lower": 30, "slew_upper": 70}


class Names:
    """Regular names for the modules and the cells of one netlist."""

    def __init__(self, netlist: Netlist) -> None:
        self.modules = {name: name if name == netlist.top else f"m{i}" for i, name in enumerate(netlist.modules)}
        self.cells = {name: _cell_names(module) for name, module in netlist.modules.items()}


def _cell_names(module: Module) -> dict[str, str]:
    """Instance names of a module: its own where they are plain words, numbers otherwise; none is a reserved word."""
    return {cell: f"c_{cell}" if _PLAIN.fullmatch(cell) else f"u_{i}" for i, cell in enumerate(module.cells)}


def port_name(scalar: str) -> str:
    """A scalar's name without brackets and signs: ``a[3]`` becomes ``a_3_``."""
    return "p_" + re.sub(r"\W", "_", scalar)


def write_verilog(netlist: Netlist, names: Names, to: TextIO) -> None:
    """Every module."""
    for name, module in netlist.modules.items():
        to.writelines(_module_lines(netlist, names, name, module))


def _module_lines(netlist: Netlist, names: Names, name: str, module: Module) -> Iterator[str]:
    ports = {**dict.fromkeys(module.inputs, "input"), **dict.fromkeys(module.outputs, "output")}
    yield f"module {names.modules[name]} ({', '.join(map(port_name, ports))});\n"
    yield from (f"  {direction} {port_name(p)};\n" for p, direction in ports.items())
    cell_names = names.cells[name]
    driven = {bit: port_name(port) for port, bit in module.inputs.items() if isinstance(bit, int)}
    wires: set[str] = set()

    def wire(bit: Bit) -> str:
        if isinstance(bit, str):
            return f"1'b{int(bit == '1')}"
        if bit not in driven:
            wires.add(f"n_{bit}")
        return driven.get(bit) or f"n_{bit}"

    body = []
    for cell, facts in module.cells.items():
        kind = names.modules.get(facts.kind, facts.kind)
        is_leaf = facts.kind not in netlist.modules
        pins = ", ".join(f".{pin if is_leaf and _PLAIN.fullmatch(pin) else port_name(pin)}({wire(bit)})"
                         for pin, bit in facts.pins.items())
        body.append(f"  {kind} {cell_names[cell]} ({pins});\n")
    assigns = [f"  assign {port_name(port)} = {wire(bit)};\n" for port, bit in module.outputs.items()]
    yield from (f"  wire {w};\n" for w in sorted(wires))
    yield from body
    yield from assigns
    yield "endmodule\n"


def macro_liberty(macros: dict[str, Macro], pins: dict[str, dict[str, str]], unit_ns: float) -> str:
    """A Liberty library of the macros with no delay; ``pins`` gives for each macro the direction of each scalar pin,
    ``unit_ns`` the unit of time of the library beside it."""
    unit = "1ns" if unit_ns == 1.0 else "1ps"
    lines = ["library (macros) {", "  delay_model : table_lookup;", f'  time_unit : "{unit}";',
             '  voltage_unit : "1V";', '  current_unit : "1mA";', "  capacitive_load_unit (1, ff);",
             "  nom_voltage : 1.1;", *(f"  {key}_threshold_pct_{edge} : {percent};" for edge in ("rise", "fall")
                                       for key, percent in _THRESHOLDS.items())]
    for name, macro in macros.items():
        lines += _macro_cell(name, macro, pins[name])
    return "\n".join([*lines, "}", ""])


def _macro_cell(name: str, macro: Macro, pins: dict[str, str]) -> Iterator[str]:
    clock = next(p for p in pins if p == "clk" or p.startswith("WR_CLK"))
    zero = f'(scalar) {{ values ("{MACRO_TIMING}"); }}'
    yield f"  cell ({name}) {{ area : 0;"
    for pin, direction in pins.items():
        safe = pin if _PLAIN.fullmatch(pin) else port_name(pin)
        if direction == "output":
            related = clock if macro.clocked else " ".join(_addresses_of(pin, macro, pins))
            kind = "rising_edge" if macro.clocked else "combinational"
            yield (f'    pin ({safe}) {{ direction : output; timing () {{ related_pin : "{related}";'
                   f" timing_type : {kind}; timing_sense : non_unate; cell_rise {zero} cell_fall {zero}"
                   f" rise_transition {zero} fall_transition {zero} }} }}")
        elif pin == clock or "CLK" in pin:
            yield f"    pin ({safe}) {{ direction : input; capacitance : 1; clock : {str(pin == clock).lower()}; }}"
        elif not macro.clocked and pin.startswith("RD_"):
            yield f"    pin ({safe}) {{ direction : input; capacitance : 2; }}"
        else:
            yield (f'    pin ({safe}) {{ direction : input; capacitance : 2; timing () {{ related_pin : "{clock}";'
                   f" timing_type : setup_rising; rise_constraint {zero} fall_constraint {zero} }} }}")
    yield "  }"


def _addresses_of(pin: str, macro: Macro, pins: dict[str, str]) -> list[str]:
    """The address pins of the read port that ``pin`` belongs to."""
    found = _INDEX.fullmatch(pin)
    port = int(found.group(2) or 0) // macro.width if found else 0
    addresses = [p for p in pins if p.partition("[")[0] == "RD_ADDR"]
    each = len(addresses) // macro.read_ports
    return [port_name(p) if "[" in p else p for p in addresses[port * each:(port + 1) * each]]
