"""`HardwareDevice`: a program on the hardware, run with a user's tensors, in lockstep with the simulator."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seedchip.program import verify_program
from seedchip.rtl.simulation.lockstep import Lockstep, run_lockstep
from seedchip.rtl.simulation.verilator import build
from seedchip.simulator.driver import check_feeds, read_output, write_input
from seedchip.simulator.timing import Timeline, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seedchip.program import Program
    from seedchip.spec import ChipSpec


class HardwareDevice:
    """The hardware's counterpart of `seedchip.simulator.device.SimulatedDevice`; ``say`` is told what a run does."""

    def __init__(self, program: Program, spec: ChipSpec, say: Callable[[str], None] | None = None) -> None:
        """Raises `seedchip.program.ProgramError` when the program was compiled for another chip or is damaged."""
        verify_program(program, spec)
        self.program, self.spec = program, spec
        self._say = say or (lambda text: None)
        self.last: Lockstep | None = None
        """the latest run"""

    @cached_property
    def timeline(self) -> Timeline:
        """When everything happens, as the simulator says; a run allows no difference. Raises `DeadlockError`."""
        return simulate(self.program.instructions, self.spec)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name, from the hardware.

        Raises `FeedError` for wrong feeds, `HardwareFault` when the core stops, `LockstepError` where hardware and
        simulator differ, and `BuildError` when the hardware cannot be compiled.
        """
        program, memory = self.program, self.memory(feeds)
        self._say(f"building the hardware of {self.spec.name} (once, less than a minute)")
        build(self.spec)
        self._say("computing on the simulator")
        self.last = run_lockstep(self.spec, memory, program.code, program.code_address, self._watch)
        return {place.name: read_output(self.last.memory, place) for place in program.outputs}

    def memory(self, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
        """uint8, whole granules: code, constants and inputs where the program wants them. Raises `FeedError`."""
        program = self.program
        arrays = check_feeds(program.inputs, feeds)
        granule = self.spec.memory.granule_bytes
        memory = np.zeros(-(-program.memory_bytes // granule) * granule, np.uint8)
        for segment in program.segments:
            memory[segment.address:segment.address + len(segment.data)] = segment.data
        for place in program.inputs:
            write_input(memory, place, arrays[place.name])
        code = np.frombuffer(program.code, np.uint8)
        memory[program.code_address:program.code_address + len(code)] = code
        return memory

    def _watch(self, done: int, expected: int) -> None:
        self._say(f"hardware: {done:,} of {expected:,} cycles")
