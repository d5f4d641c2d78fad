"""Yosys, in a process of its own: Verilog to a netlist of ECP5 cells.

Modules are elaborated and their memories mapped one by one, which is quick; then everything is one module, so that what
nothing reads (counters, debug ports) falls away and mapping to lookup tables sees paths from register to register.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PASSES = ("read_verilog {verilog}", "synth_ecp5 -noflatten -top {top} -run begin:map_gates", "flatten",
          "opt_clean -purge", "synth_ecp5 -top {top} -run map_gates:map_luts",
          "synth_ecp5 -top {top} -run map_luts:map_cells",
          "synth_ecp5 -top {top} -run map_cells:check", "opt_clean -purge",
          "synth_ecp5 -top {top} -run check: -json {netlist}")
STEPS = ("reading Verilog", "elaborating, finding memories and multipliers", "flattening", "cleaning",
         "mapping registers and gates", "mapping to lookup tables", "mapping cells", "cleaning", "writing the netlist")
"""What each pass does, for a progress line."""


class FlowError(RuntimeError):
    """A tool of the flow is not there or failed; the sentence says which and what to do."""


def synthesise(folder: Path, top: str, say: Any) -> None:
    """From ``board.v`` and ``image.hex`` in ``folder`` write ``netlist.json`` (Yosys' own form) for module ``top``.
    Raises `FlowError`."""
    log = folder / "synthesis.log"
    paths = {"verilog": "board.v", "top": top, "netlist": "netlist.json"}
    command = [sys.executable, "-m", "seedchip.fpga.synthesis", json.dumps(paths)]
    with log.open("wb") as output, subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.PIPE,
                                                    text=True) as process:
        complaints = []
        try:
            for line in process.stderr or ():
                if line.startswith("step "):
                    say(f"synthesis: {STEPS[int(line.split()[1])]}")
                else:
                    complaints.append(line)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        said = "".join(complaints)[-1000:]
        raise FlowError(f"synthesis ended with code {process.returncode}: {said} (see {log.name})")


def _run_passes(paths: dict[str, str]) -> None:
    from pyosys import libyosys

    design = libyosys.Design()
    for i, text in enumerate(PASSES):
        print("step", i, file=sys.stderr, flush=True)
        libyosys.run_pass(text.format(**paths), design)


if __name__ == "__main__":
    _run_passes(json.loads(sys.argv[1]))
