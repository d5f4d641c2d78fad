"""The parameter memory as a cache that the compiler fills: micro-programs and per-column parameters, least recently
used out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.placement import CompileError
from seedchip.compiler.space import Buffer, OutOfSpace
from seedchip.compiler.transfer import load_parameters

if TYPE_CHECKING:
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.microcode import Microprogram
    from seedchip.compiler.placement import Placement


class ParameterCache:
    """Lines of the parameter memory by content."""

    def __init__(self, builder: Builder, placement: Placement) -> None:
        self.builder, self.placement = builder, placement

    def program(self, code: Microprogram) -> int:
        """Line of a micro-program."""
        if not code.words:
            return 0
        data = np.frombuffer(code.data, np.uint8)
        address = self.placement.constant_bytes(("microcode", code.data), data)
        return self._line(("microcode", code.data), address, data.size)

    def columns(self, names: tuple[str, ...], first: int, last: int) -> int:
        """Line of the parameter vectors of columns ``first`` to ``last`` (first a multiple of the lanes)."""
        lanes, line = self.builder.spec.vector.lanes, self.builder.spec.line_bytes
        address = self.placement.constant_bytes(("columns", names), self._interleave(names))
        step = len(names) * line
        groups = -(-last // lanes) - first // lanes
        return self._line(("columns", names, first, last), address + first // lanes * step, groups * step)

    def max_columns(self, num_parameters: int) -> int:
        """Columns of so many parameters that fill half of the memory: the other half keeps micro-programs."""
        spec = self.builder.spec
        return spec.parameter.bytes // 2 // (num_parameters * spec.line_bytes) * spec.vector.lanes

    def _interleave(self, names: tuple[str, ...]) -> np.ndarray:
        """[group, parameter, lane] binary32, zero beyond the last column."""
        lanes = self.builder.spec.vector.lanes
        graph = self.placement.graph
        vectors = [np.asarray(graph.constants[n], np.float32).reshape(-1) for n in names]
        groups = -(-len(vectors[0]) // lanes)
        table = np.zeros((len(names), groups * lanes), np.float32)
        for row, vector in zip(table, vectors, strict=True):
            row[: len(vector)] = vector
        return table.reshape(len(names), groups, lanes).transpose(1, 0, 2)

    def _line(self, key: tuple[object, ...], address: int, size: int) -> int:
        buffer = self.builder.parameter_lines.pop(key, None)
        if buffer is None:
            buffer = self._allocate(size)
            load_parameters(self.builder, address, buffer.address, size)
        self.builder.parameter_lines[key] = buffer
        return buffer.address // self.builder.spec.line_bytes

    def _allocate(self, size: int) -> Buffer:
        space = self.builder.parameter
        while True:
            try:
                return space.allocate(size, "parameter")
            except OutOfSpace:
                if len(self.builder.parameter_lines) < 2:  # the newest may belong to the same instruction
                    raise CompileError(f"parameter.bytes must hold {size} bytes of parameters of one tile, not "
                                       f"{self.builder.spec.parameter.bytes}") from None
                oldest = next(iter(self.builder.parameter_lines))
                space.free(self.builder.parameter_lines.pop(oldest), self.builder.now)
