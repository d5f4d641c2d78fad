"""A case of the suite: a small program with the memory that it begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa import encode_program
from seedchip.rtl.simulation.lockstep import Lockstep, run_lockstep

if TYPE_CHECKING:
    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec


@dataclass(frozen=True, eq=False)
class Case:
    """A program that is right when simulator and hardware do the same with it."""

    name: str
    program: list[Instruction]
    data: np.ndarray
    """uint8: memory at the beginning; the code takes its place in it"""
    code_address: int = 0

    @property
    def code(self) -> bytes:
        return encode_program(self.program)

    @property
    def num_words(self) -> int:
        return sum(i.num_words for i in self.program)

    @property
    def memory(self) -> np.ndarray:
        """uint8: memory at the beginning, code included."""
        memory, code = self.data.copy(), self.code
        memory[self.code_address:self.code_address + len(code)] = np.frombuffer(code, np.uint8)
        return memory

    def run(self, spec: ChipSpec) -> Lockstep:
        """On simulator and hardware. Raises `seedchip.rtl.simulation.lockstep.LockstepError` and `HardwareFault`."""
        return run_lockstep(spec, self.data, self.code, self.code_address)
