"""The stage of a random program: chip, dice, builder, and where things may lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.builder import MEMORY, PARAMETER, Access, Builder
from seedchip.conformance.data import CODE_BYTES, random_memory
from seedchip.isa import Load

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec


class Stage:
    """What the emitters of random instructions share.

    The last quarter of the scratchpad often belongs to weights alone; the lower half of the parameter memory holds
    micro-programs, the upper half parameters.
    """

    def __init__(self, spec: ChipSpec, seed: int) -> None:
        self.spec, self.rng = spec, np.random.default_rng(seed)
        self.builder = Builder(spec)
        banks = spec.scratchpad.banks
        self.bank_bytes = spec.scratchpad.bytes // banks
        self.weights = (banks - max(banks // 4, 1)) * self.bank_bytes
        """first byte of the weights' quarter"""
        self._code, self._code_used = np.zeros(CODE_BYTES // 2, np.uint8), 0

    def below(self, high: int) -> int:
        return int(self.rng.integers(0, high))

    def between(self, low: int, high: int) -> int:
        """In [low, high]."""
        return int(self.rng.integers(low, high + 1))

    def often(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def region(self) -> tuple[int, int]:
        """A random bank or two, as first byte and one beyond the last: of the weights, or of the rest."""
        low, high = (0, self.weights) if self.below(3) else (self.weights, self.spec.scratchpad.bytes)
        first = self.between(low // self.bank_bytes, high // self.bank_bytes - 1) * self.bank_bytes
        return first, min(first + self.between(1, 2) * self.bank_bytes, high)

    def memory(self) -> np.ndarray:
        """uint8: memory at the beginning, with the micro-programs of the instructions emitted so far."""
        memory = random_memory(self.rng)
        memory[CODE_BYTES // 2:CODE_BYTES] = self._code
        return memory

    def place_code(self, code: np.ndarray) -> int:
        """Load a micro-program (uint8) to a random place of the parameter memory; its line."""
        line = self.spec.line_bytes
        lines = -(-len(code) // line)
        address = self.between(0, self.spec.parameter.bytes // (2 * line) - lines) * line
        source = CODE_BYTES // 2 + self._code_used
        self._code[self._code_used:self._code_used + len(code)] = code
        self._code_used += len(code)
        self.builder.emit(Load, [Access(MEMORY, source, len(code))], [Access(PARAMETER, address, lines * line)],
                          space=1, run_bytes=len(code), memory_address=source, local_address=address)
        return address // line
