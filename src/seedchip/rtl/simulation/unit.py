"""Single units of the hardware, compiled like the core: millions of items a call, one item a cycle."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from amaranth.hdl import Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from seedchip.rtl import hierarchy
from seedchip.rtl.simulation.compilation import Design, build_library

HARNESS = Path(__file__).with_name("unit.cpp")


class CompiledUnit:
    """A unit with ports of up to 32 bits, one clock, and results a fixed number of cycles after their operands."""

    def __init__(self, unit: wiring.Component) -> None:
        """Build ``unit``, from the cache when its Verilog has been built before. Raises `BuildError`, and `ValueError`
        for wider ports."""
        ports = [(str(path[0]), member) for path, member, _ in unit.signature.flatten(unit)]
        wide = [name for name, member in ports if Shape.cast(member.shape).width > 32]
        if wide:
            raise ValueError(f"ports of a compiled unit must have 32 bits at most, not like {', '.join(wide)}")
        self._inputs = [name for name, member in ports if member.flow is In]
        self._outputs = [name for name, member in ports if member.flow is not In]
        defines = {key: "".join(f"P({name})" for name in names)
                   for key, names in (("INPUTS", self._inputs), ("OUTPUTS", self._outputs))}
        design = Design("unit", hierarchy.convert(unit, "unit"), HARNESS, defines)
        self._library = ctypes.CDLL(str(build_library(design, type(unit).__name__)))
        self._library.unit_run.argtypes = [ctypes.c_void_p] * 2 + [ctypes.c_uint64] * 2
        self._library.unit_run.restype = None

    def run(self, inputs: Mapping[str, np.ndarray], cycles: int) -> dict[str, np.ndarray]:
        """The outputs, uint32 [items] each, ``cycles`` (at least 1) after every item of ``inputs``, uint32 [items]
        each; an item goes in every cycle, and an input that is not given is 0."""
        items = len(next(iter(inputs.values())))
        zeros = np.zeros(items, np.uint32)
        given = [np.ascontiguousarray(inputs.get(name, zeros), np.uint32) for name in self._inputs]
        found = [np.empty(items, np.uint32) for _ in self._outputs]
        self._library.unit_run(_pointers(given), _pointers(found), items, cycles)
        return dict(zip(self._outputs, found, strict=True))


def _pointers(arrays: list[np.ndarray]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
