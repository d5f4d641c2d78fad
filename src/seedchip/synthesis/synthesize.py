"""`synthesize`: from a chip description to cells, area, memories and longest paths, block by block."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seedchip.rtl import hierarchy
from seedchip.rtl.chip import Chip
from seedchip.synthesis.blocks import block_names, block_of
from seedchip.synthesis.fanout import FANOUT, insert_buffers
from seedchip.synthesis.levels import deepest_paths
from seedchip.synthesis.library import Library, read_library
from seedchip.synthesis.mapping import MappingRequest, SynthesisError, map_verilog, without_sram_model
from seedchip.synthesis.netlist import Netlist, read_netlist
from seedchip.synthesis.result import Block, MemoryKind, Synthesis, from_json
from seedchip.synthesis.timing import LongestPath, find_timer, longest_paths, point_name

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

TOP = "chip"
TARGET_PS = 1000
"""The mapper aims at 1 GHz for every chip, so that presets can be compared."""
NUM_STEPS = 10
_PRINTING = ("manual", "result")
"""Modules that a result does not depend on."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class SynthesisOptions:
    """``liberty``: a library file; None maps to generic gates. ``cached``: use an earlier result of the same inputs."""

    liberty: Path | None = None
    cached: bool = True


def synthesize(spec: ChipSpec, options: SynthesisOptions, say: Say = lambda text: None) -> Synthesis:
    """The whole chip. Raises `SpecError`, `LibraryError` and `SynthesisError`; ``say`` is told of each step."""
    library = read_library(options.liberty) if options.liberty else None
    timer = find_timer() if library else None
    say("writing Verilog")
    verilog = chip_verilog(spec)
    conditions = _conditions(library, timer)
    cache_file = _cache_folder() / f"{_key(spec.hash, verilog, conditions, library.sha256 if library else '')}.json"
    if options.cached and cache_file.exists():
        return replace(from_json(json.loads(cache_file.read_text("utf-8"))), chip=spec.name)
    with tempfile.TemporaryDirectory(prefix="seedchip-synth-") as work:
        blocks, memories = synthesize_verilog(verilog, TOP, library, (Path(work), timer is not None), say)
    result = Synthesis(spec.name, spec.hash, conditions, blocks, memories)
    _keep(cache_file, json.dumps(result.to_json(), indent=1))
    return result


def chip_verilog(spec: ChipSpec) -> str:
    """The chip without its SRAMs' model. Raises `SpecError`."""
    return without_sram_model(hierarchy.convert(Chip(spec), TOP))


def synthesize_verilog(verilog: str, top: str, library: Library | None, place: tuple[Path, bool],
                       say: Say) -> tuple[tuple[Block, ...], tuple[MemoryKind, ...]]:
    """Blocks and memories of any text; ``place``: a folder for files, and whether OpenSTA times the result."""
    folder, timed = place
    source, netlist_file = folder / "source.v", folder / "netlist.json"
    source.write_text(verilog, "utf-8")
    request = MappingRequest(str(source), top, str(netlist_file), str(library.path) if library else None,
                             library.smallest_buffer.name if library else "", TARGET_PS)
    map_verilog(request, folder / "yosys.log", say)
    registers = frozenset(c.name for c in library.cells.values() if c.sequential) if library else frozenset()
    netlist = read_netlist(netlist_file, top, registers)
    outputs = _output_pins(netlist, library)
    if library:
        say("putting buffers behind wide nets")
        insert_buffers(netlist, library.buffer, outputs)
    say("measuring paths")
    if library and timed:
        paths = longest_paths(netlist, [library.path], library.time_unit_ns, folder)
    else:
        paths = _paths_in_gates(netlist, outputs)
    return _blocks(netlist, library, paths), _memories(netlist)


def _output_pins(netlist: Netlist, library: Library | None) -> dict[str, frozenset[str]]:
    kinds = {cell.kind for module in netlist.modules.values() for cell in module.cells.values()}
    pins = {kind: frozenset({"Y", "Q"}) for kind in kinds if kind.startswith("$")}
    pins |= {name: frozenset({"RD_DATA", "read_data"}) for name in netlist.macros}
    if library:
        unknown = sorted(k for k in kinds if k.startswith("$"))
        if unknown:
            raise SynthesisError(f"{library.path} has no cells for {', '.join(unknown)}: the library must hold "
                                 "flip-flops with the clock's rising edge and gates for every function")
        pins |= {cell.name: frozenset(cell.outputs) for cell in library.cells.values()}
    return pins


def _paths_in_gates(netlist: Netlist, outputs: dict[str, frozenset[str]]) -> dict[str, LongestPath]:
    modules = {instance.path: instance for instance in netlist.instances()}

    def name(point: tuple[tuple[str, ...], str]) -> str:
        return point_name(netlist, modules[point[0]], point[1])

    return {block: LongestPath(block, name(depth.start), name(depth.end), depth.gates)
            for block, depth in deepest_paths(netlist, outputs).items()}


def _blocks(netlist: Netlist, library: Library | None, paths: dict[str, LongestPath]) -> tuple[Block, ...]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in block_names()}
    of_module = netlist.leaf_counts()
    for instance in netlist.instances():
        counts[block_of(instance.path)].update(of_module[instance.module.name])
    return tuple(_block(netlist, library, name, (count, paths.get(name))) for name, count in counts.items() if count)


def _block(netlist: Netlist, library: Library | None, name: str,
           facts: tuple[Counter[str], LongestPath | None]) -> Block:
    count, path = facts
    cells = {kind: number for kind, number in count.items() if kind not in netlist.macros}
    area = None if library is None else round(sum(library.cells[k].area * n for k, n in cells.items()), 1)
    return Block(name, sum(cells.values()), sum(n for k, n in cells.items() if netlist.is_register(k)), area, path)


def _memories(netlist: Netlist) -> tuple[MemoryKind, ...]:
    found: Counter[tuple[str, str]] = Counter()
    for instance in netlist.instances():
        found.update((block_of(instance.path), cell.kind) for cell in instance.module.cells.values()
                     if cell.kind in netlist.macros)
    order = block_names()
    kinds = []
    for (block, kind), count in sorted(found.items(), key=lambda f: (order.index(f[0][0]), f[0][1])):
        m = netlist.macros[kind]
        kinds.append(MemoryKind(block, m.kind, m.words, m.width, m.read_ports, m.write_ports, m.enables, m.clocked,
                                count))
    return tuple(kinds)


def _conditions(library: Library | None, timer: str | None) -> dict[str, str]:
    shown = {"top": TOP, "mapper": f"Yosys {_version('pyosys')} with abc, target {TARGET_PS} ps",
             "memories": "left whole, without area and delay"}
    if library is None:
        return {**shown, "library": "none: generic gates", "paths": "gates from register to register"}
    return {**shown, "library": f"{library.name}, SHA-256 {library.sha256[:16]}",
            "buffers": f"an output drives at most {FANOUT} inputs",
            "paths": f"OpenSTA {_timer_version(timer)}, ideal clock, no wires" if timer
            else "gates from register to register (OpenSTA is not installed)"}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise SynthesisError(f"{package} is not installed: pip install 'seedchip[synth]'") from None


@cache
def _timer_version(timer: str) -> str:
    return subprocess.run([timer, "-version"], capture_output=True, text=True, check=False).stdout.strip()


def _cache_folder() -> Path:
    """Where results are kept: ``seedchip/synthesis`` in the user's cache folder (XDG_CACHE_HOME)."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedchip" / "synthesis"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(*parts: object) -> str:
    own = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        own.update(path.read_bytes() if path.stem not in _PRINTING else b"")
    return hashlib.sha256(repr((own.hexdigest(), *parts)).encode()).hexdigest()[:24]


def _keep(path: Path, text: str) -> None:
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(text, "utf-8")
    partial.replace(path)
