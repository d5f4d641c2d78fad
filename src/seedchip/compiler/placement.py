"""Where tensors lie in memory: addresses, views, and constants in the form in which engines read them."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.view import View, standard, standard_bytes
from seedchip.program import Segment
from seedchip.program.program import MEMORY_DTYPES

if TYPE_CHECKING:
    from seedchip.graph.ir import Graph
    from seedchip.spec import ChipSpec

ALIGNMENT = 256


class CompileError(ValueError):
    """The network cannot be compiled for this chip; the sentence says why and what helps."""


class Placement:
    """Memory addresses, handed out upwards; constants collect in segments."""

    def __init__(self, graph: Graph, spec: ChipSpec) -> None:
        self.graph, self.spec = graph, spec
        self.granule = spec.channel_granule
        self.views: dict[str, View] = {}
        self.segments: list[Segment] = []
        self.end = 0
        self._packed: dict[tuple[object, ...], int] = {}

    def reserve(self, size: int) -> int:
        """Address of ``size`` fresh bytes. Raises `CompileError` when memory is full."""
        address = self.end
        self.end = -(-(address + max(size, 1)) // ALIGNMENT) * ALIGNMENT
        if self.end > self.spec.memory.bytes:
            raise CompileError(f"the network needs more than the {self.spec.memory.bytes} bytes of memory of chip "
                               f"{self.spec.name}; choose a chip with more memory or a smaller batch")
        return address

    def packed_address(self, key: tuple[object, ...]) -> int | None:
        """Address of constant bytes that were stored under ``key``, or None."""
        return self._packed.get(key)

    def constant_bytes(self, key: tuple[object, ...], data: np.ndarray) -> int:
        """Address of constant bytes, stored once for each key."""
        if key not in self._packed:
            flat = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            address = self.reserve(flat.size)
            self.segments.append(Segment(address, flat))
            self._packed[key] = address
        return self._packed[key]

    def new(self, name: str) -> View:
        """A fresh standard view for a tensor of the graph."""
        t = self.graph.types[name]
        address = self.reserve(standard_bytes(t.shape, t.dtype, self.granule))
        self.views[name] = standard(address, t.shape, t.dtype, self.granule)
        return self.views[name]

    def scratch(self, shape: tuple[int, ...], dtype: str) -> View:
        """A fresh dense view (no padding)."""
        item = 1 if dtype == "int8" else 4
        address = self.reserve(prod(shape) * item)
        strides = tuple(prod(shape[i + 1:]) * item for i in range(len(shape)))
        return View(address, shape, strides, dtype)

    def view(self, name: str) -> View:
        """The tensor's view; a constant is laid out when it is first asked for."""
        if name not in self.views:
            self.views[name] = self._constant(name)
        return self.views[name]

    def _constant(self, name: str) -> View:
        t = self.graph.types[name]
        value = np.asarray(self.graph.constants[name], MEMORY_DTYPES[t.dtype]).reshape(t.shape or (1,))
        view = standard(0, t.shape, t.dtype, self.granule)
        size = standard_bytes(t.shape, t.dtype, self.granule)
        data = np.zeros(size, np.uint8)
        target = np.lib.stride_tricks.as_strided(data.view(value.dtype), value.shape, view.strides)
        target[...] = value
        return replace(view, address=self.constant_bytes(("standard", name), data))
