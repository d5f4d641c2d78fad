"""The longest paths of a mapped netlist by OpenSTA: for the chip, and to the registers of each block.

Ideal clock, no wires, macros without delay: an estimate that compares designs, not a sign-off.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedchip.synthesis.blocks import block_of
from seedchip.synthesis.mapping import SynthesisError
from seedchip.synthesis.netlist import Instance, Netlist, register_signal
from seedchip.synthesis.structural import Names, macro_liberty, port_name, write_verilog

PERIOD_NS = 1000.0
"""Of the timer's clock: long, so that the slack tells every path's length."""
_STAGE = re.compile(r"^\s*(-?\d+\.\d+)\s+-?\d+\.\d+ [\^v] (\S+)/\S+ \((\S+)\)")
_END = re.compile(r"^\s*(-?\d+\.\d+)\s+slack")
_POINT = re.compile(r"^(Startpoint|Endpoint): (\S+)")


@dataclass(frozen=True)
class LongestPath:
    """A longest path: registers at both ends, gates between them, the least period that it allows (None where only
    gates were counted), and the nanoseconds spent in each instance that it goes through."""

    block: str
    start: str
    end: str
    gates: int
    period_ns: float | None = None
    parts: tuple[tuple[str, float], ...] = ()


def find_timer() -> str | None:
    """OpenSTA's command, or None where it is not installed."""
    return shutil.which("sta")


def longest_paths(netlist: Netlist, libraries: Sequence[Path], unit_ns: float, folder: Path) -> dict[str, LongestPath]:
    """By block, the longest path that ends in it. Raises `SynthesisError`. Writes its files into ``folder``."""
    names = Names(netlist)
    with (folder / "netlist.v").open("w", encoding="utf-8") as verilog:
        write_verilog(netlist, names, verilog)
    macros = folder / "macros.lib"
    macros.write_text(macro_liberty(netlist.macros, _macro_pins(netlist), unit_ns), "utf-8")
    endpoints = _endpoints(netlist, names)
    script = folder / "timing.tcl"
    period = PERIOD_NS / unit_ns
    script.write_text("\n".join(_script(netlist, [*libraries, macros], endpoints, (folder, period))), "utf-8")
    text = _run(script)
    sections = re.split(r"^=== (.*) ===$", text, flags=re.MULTILINE)
    source = SourceNames(netlist, names)
    found = {}
    for block, report in zip(sections[1::2], sections[2::2], strict=True):
        path = _parse(block, report, (period, unit_ns), source)
        if path is not None:
            found[block] = path
    return found


def _script(netlist: Netlist, libraries: Sequence[Path], endpoints: Mapping[str, list[str]],
            place: tuple[Path, float]) -> Iterator[str]:
    folder, period = place
    yield from (f"read_liberty {{{path}}}" for path in libraries)
    yield f"read_verilog {{{folder / 'netlist.v'}}}"
    yield f"link_design {netlist.top}"
    clock = next(p for p in netlist.modules[netlist.top].inputs if p == "clk")
    yield f"create_clock -name clock -period {period} [get_ports {port_name(clock)}]"
    for block, pins in endpoints.items():
        yield f'puts "=== {block} ==="'
        yield f"report_checks -path_delay max -format full -digits 4 -to [get_pins {{{' '.join(pins)}}}]"


def _run(script: Path) -> str:
    timer = find_timer()
    if timer is None:
        raise SynthesisError("OpenSTA is not installed: apt-get install opensta")
    done = subprocess.run([timer, "-no_splash", "-no_init", "-exit", str(script)], capture_output=True, text=True,
                          check=False)
    text = done.stdout + done.stderr
    errors = [line for line in text.splitlines() if line.startswith("Error")]
    if done.returncode or errors:
        raise SynthesisError(f"OpenSTA ended with code {done.returncode}: {'; '.join(errors[:5]) or text[-500:]}")
    return done.stdout


def _macro_pins(netlist: Netlist) -> dict[str, dict[str, str]]:
    """The scalar pins of each macro's cell with their directions."""
    pins: dict[str, dict[str, str]] = {}
    for module in netlist.modules.values():
        for cell in module.cells.values():
            if cell.kind in netlist.macros:
                pins.setdefault(cell.kind, {}).update(
                    (p, "output" if p.partition("[")[0] in ("RD_DATA", "read_data") else "input") for p in cell.pins)
    return pins


def _is_endpoint_pin(netlist: Netlist, kind: str, pin: str) -> bool:
    if netlist.is_register(kind):
        return pin == "D"
    return kind in netlist.macros and not pin.startswith(("RD_DATA", "read_data")) and "CLK" not in pin.upper()


def _endpoints(netlist: Netlist, names: Names) -> dict[str, list[str]]:
    """By block the input pins of flip-flops and macros, as the timer names them."""
    found: dict[str, list[str]] = {}
    for instance, path in _placed(netlist, names):
        pins = [f"{path}{names.cells[instance.module.name][name]}/{pin if '[' not in pin else port_name(pin)}"
                for name, cell in instance.module.cells.items() for pin in cell.pins
                if _is_endpoint_pin(netlist, cell.kind, pin)]
        if pins:
            found.setdefault(block_of(instance.path), []).extend(pins)
    return found


def _placed(netlist: Netlist, names: Names) -> Iterator[tuple[Instance, str]]:
    """Every instance with the timer's name of it, which ends in a slash but for the top."""
    for instance in netlist.instances():
        module, path = netlist.modules[netlist.top], ""
        for name in instance.path:
            path += names.cells[module.name][name] + "/"
            module = netlist.modules[module.cells[name].kind]
        yield instance, path


class SourceNames:
    """From the timer's names of registers, macros and modules to the source's."""

    def __init__(self, netlist: Netlist, names: Names) -> None:
        self._netlist, self._names = netlist, names
        self._instances = {path.rstrip("/"): instance for instance, path in _placed(netlist, names)}

    def instance(self, timer_name: str) -> str:
        """The path of the module instance."""
        found = self._instances.get(timer_name)
        return timer_name if found is None else ".".join(found.path) or self._netlist.top

    def register(self, timer_name: str) -> str:
        """The path of the signal that a flip-flop holds, or of a macro."""
        owner, _, cell_name = timer_name.rpartition("/")
        instance = self._instances.get(owner)
        if instance is None:
            return timer_name
        cells = {short: cell for cell, short in self._names.cells[instance.module.name].items()}
        cell = cells.get(cell_name)
        return timer_name if cell is None else point_name(self._netlist, instance, cell)


def point_name(netlist: Netlist, instance: Instance, cell: str) -> str:
    """The path of a register's signal or of a macro, for readers."""
    kind = instance.module.cells[cell].kind
    signal = register_signal(instance.module, cell) if netlist.is_register(kind) else cell
    return ".".join((*instance.path, signal)).replace("\\", "")


def _parse(block: str, report: str, clock: tuple[float, float], source: SourceNames) -> LongestPath | None:
    period, unit_ns = clock
    points = {kind: source.register(name) for line in report.splitlines() for kind, name in _POINT.findall(line)}
    slack = next((float(m.group(1)) for line in report.splitlines() if (m := _END.match(line))), None)
    if slack is None or len(points) < 2:
        return None
    stages = [(float(m.group(1)), m.group(2)) for line in report.splitlines() if (m := _STAGE.match(line))]
    parts: dict[str, float] = {}
    for delay, instance in stages:
        owner = source.instance(instance.rpartition("/")[0])
        parts[owner] = parts.get(owner, 0.0) + delay * unit_ns
    gates = len({instance for _, instance in stages}) - 2
    return LongestPath(block, points["Startpoint"], points["Endpoint"], gates, round((period - slack) * unit_ns, 4),
                       tuple((part, round(ns, 3)) for part, ns in parts.items() if ns > 0))
