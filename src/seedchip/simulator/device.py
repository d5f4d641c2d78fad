"""`SimulatedDevice`: a program on a simulated chip, run with a user's tensors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seedchip.program import verify_program
from seedchip.simulator.driver import check_feeds, read_output, write_input
from seedchip.simulator.machine import Machine
from seedchip.simulator.timing import Timeline, simulate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedchip.program import Program
    from seedchip.spec import ChipSpec


class SimulatedDevice:
    """A chip with one program in its memory. Constants are written once; every run writes inputs and reads outputs."""

    def __init__(self, program: Program, spec: ChipSpec) -> None:
        """Raises `seedchip.program.ProgramError` when the program was compiled for another chip or is damaged."""
        verify_program(program, spec)
        self.program, self.spec = program, spec

    @cached_property
    def timeline(self) -> Timeline:
        """When everything happens: a function of program and chip, computed once. Raises `DeadlockError`."""
        return simulate(self.program.instructions, self.spec)

    @cached_property
    def machine(self) -> Machine:
        """State and kernels, made at the first run."""
        program = self.program
        machine = Machine(program.instructions, self.spec, program.memory_bytes)
        memory = machine.state.memory
        memory[program.code_address:program.code_address + len(program.code)] = np.frombuffer(program.code, np.uint8)
        for segment in program.segments:
            memory[segment.address:segment.address + len(segment.data)] = segment.data
        return machine

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name.

        Raises `FeedError` for wrong feeds, `Fault` when an instruction breaks a rule of the machine, and
        `DeadlockError` when the program never ends.
        """
        arrays = check_feeds(self.program.inputs, feeds)
        memory = self.machine.state.memory
        for place in self.program.inputs:
            write_input(memory, place, arrays[place.name])
        self.machine.run(self.timeline.starts)
        return {place.name: read_output(memory, place) for place in self.program.outputs}
