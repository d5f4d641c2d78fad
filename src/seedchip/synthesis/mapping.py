"""Yosys, in a process of its own: Verilog to a netlist of gates or library cells as JSON.

Modules stay as they are, so that an element or a lane is mapped once however often it is used. SRAMs and arrays of
`REGISTER_FILE_BITS` and more stay whole: they become cells named after their shape (`macros.py`), without content.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seedchip.synthesis.macros import Macro

REGISTER_FILE_BITS = 1024
"""Arrays of so many bits are counted as register files, smaller ones as flip-flops."""
OUTPUT_LOAD_FF = 20
"""Femtofarads assumed at a module's outputs: about ten gates of 45 nm."""
SRAM = "sram"
_COARSE = ("proc", "opt_expr", "opt_clean", "check", "opt -nodffe -nosdff", "fsm", "opt", "wreduce", "peepopt",
           "opt_clean", "booth", "alumacc", "share", "opt", "memory -nomap", "opt_clean")
"""The passes of Yosys' own `synth -booth` up to its memories."""
_FINE = ("memory_map", "opt -undriven -fine", "techmap", "opt -fast")


def without_sram_model(verilog: str) -> str:
    """The text with the SRAM's model cut down to its ports, as a black box."""
    head, start, model = verilog.rpartition(f"module {SRAM} ")
    ports = model.partition(");")[0]
    return f"{head}(* blackbox *)\n{start}{ports});\nendmodule\n"


class SynthesisError(RuntimeError):
    """A tool of the synthesis failed or is not there; the sentence says which and what to do."""


@dataclass(frozen=True)
class MappingRequest:
    """What one run is given: files as paths; without ``liberty`` the result is made of generic gates."""

    verilog: str
    top: str
    netlist: str
    liberty: str | None
    driving_cell: str
    period_ps: int


def map_verilog(request: MappingRequest, log: Path, say: Callable[[str], None]) -> None:
    """Write ``request.netlist``. Raises `SynthesisError` with the end of the tool's output."""
    command = [sys.executable, "-m", "seedchip.synthesis.mapping", json.dumps(asdict(request))]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True)
        complaints = []
        try:
            for line in process.stderr or ():
                if line.startswith("@ "):
                    say(line[2:].strip())
                else:
                    complaints.append(line)
            process.wait()
        finally:
            process.kill()
            process.wait()
    if process.returncode or not Path(request.netlist).exists():
        text = "".join(complaints) or log.read_text("utf-8", "replace")
        raise SynthesisError(f"Yosys ended with code {process.returncode}: {text[-1500:]}")


def _run(request: MappingRequest) -> None:
    try:
        from pyosys import libyosys
    except ImportError as error:
        raise SystemExit(f"Yosys is not installed ({error}): pip install 'seedchip[synth]'") from None
    design = libyosys.Design()
    for text, commands in _steps(request, libyosys, design):
        print(f"@ {text}", file=sys.stderr, flush=True)
        for command in commands:
            libyosys.run_pass(command, design)


def _steps(request: MappingRequest, libyosys: Any, design: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The passes, in groups with a name; code between them runs when the group before has run."""
    yield "reading Verilog", (f"read_verilog {request.verilog}", f"hierarchy -check -top {request.top}")
    yield "finding operators and memories", _COARSE
    _keep_memories(libyosys, design)
    yield "breaking operators into gates", _FINE
    if request.liberty:
        constraint = Path(request.netlist).with_suffix(".constr")
        constraint.write_text(f"set_driving_cell {request.driving_cell}\nset_load {OUTPUT_LOAD_FF}\n", "utf-8")
        yield "mapping flip-flops", (f"dfflibmap -liberty {request.liberty}", "opt_clean")
        yield "mapping gates", (f"abc -liberty {request.liberty} -constr {constraint} -D {request.period_ps}",)
    else:
        yield "mapping gates", ("abc -g gates,MUX",)
    yield "writing the netlist", ("opt_clean -purge", "delete t:$scopeinfo", f"write_json {request.netlist}")


def _keep_memories(libyosys: Any, design: Any) -> None:
    """SRAMs and large arrays become cells of modules that are empty."""
    for module in list(design.modules_.values()):
        for cell in list(module.cells_.values()):
            macro = _macro_of(cell)
            if macro is None or (macro.bits < REGISTER_FILE_BITS and not macro.is_sram):
                continue
            signals = {name.str(): signal for name, signal in cell.connections_.items()}
            for name in [n.str() for n in cell.parameters]:
                cell.unsetParam(libyosys.IdString(name))
            for name, signal in signals.items():
                if not signal.size():
                    cell.unsetPort(libyosys.IdString(name))
            cell.type = libyosys.IdString("\\" + macro.name)
            if design.module(cell.type) is None:
                _add_empty_module(libyosys, design, macro.name, {n: s.size() for n, s in signals.items() if s.size()})


def _add_empty_module(libyosys: Any, design: Any, name: str, widths: dict[str, int]) -> None:
    module = design.addModule(libyosys.IdString("\\" + name))
    module.set_bool_attribute(libyosys.IdString("\\blackbox"), True)
    for port, width in widths.items():
        wire = module.addWire(libyosys.IdString(port), width)
        wire.port_output = port.lower().endswith(("rd_data", "read_data"))
        wire.port_input = not wire.port_output
    module.fixup_ports()


def _macro_of(cell: Any) -> Macro | None:
    parameters = {name.str()[1:]: value for name, value in cell.parameters.items()}
    if cell.type.str() == "$mem_v2":
        numbers = {k: parameters[k].as_int() for k in ("WIDTH", "SIZE", "RD_PORTS", "WR_PORTS")}
        clocked = "1" in parameters["RD_CLK_ENABLE"].as_string()
        return Macro("array", numbers["SIZE"], numbers["WIDTH"], numbers["RD_PORTS"], numbers["WR_PORTS"], 1, clocked)
    if cell.type.str() == "\\" + SRAM:
        width, depth, grain = (parameters[k].as_int() for k in ("WIDTH", "DEPTH", "GRAIN"))
        return Macro("sram", depth, width, 1, 1, width // grain, True)
    return None


if __name__ == "__main__":
    _run(MappingRequest(**json.loads(sys.argv[1])))
