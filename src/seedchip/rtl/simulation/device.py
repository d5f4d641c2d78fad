"""`HardwareDevice`: a program on the hardware, run with a user's tensors, in lockstep with the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seedchip.program import verify_program
from seedchip.rtl.simulation.lockstep import Lockstep, run_lockstep
from seedchip.simulator.driver import check_feeds, read_output, write_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedchip.program import Program
    from seedchip.spec import ChipSpec


class HardwareDevice:
    """The hardware's counterpart of `seedchip.simulator.device.SimulatedDevice`."""

    def __init__(self, program: Program, spec: ChipSpec) -> None:
        """Raises `seedchip.program.ProgramError` when the program was compiled for another chip or is damaged."""
        verify_program(program, spec)
        self.program, self.spec = program, spec
        self.last: Lockstep | None = None
        """the latest run"""

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name, from the hardware.

        Raises `FeedError` for wrong feeds, `HardwareFault` when the core stops (above all at an instruction that this
        slice of the hardware does not have), and `LockstepError` where hardware and simulator differ.
        """
        program = self.program
        arrays = check_feeds(program.inputs, feeds)
        granule = self.spec.memory.granule_bytes
        memory = np.zeros(-(-program.memory_bytes // granule) * granule, np.uint8)
        for segment in program.segments:
            memory[segment.address:segment.address + len(segment.data)] = segment.data
        for place in program.inputs:
            write_input(memory, place, arrays[place.name])
        self.last = run_lockstep(self.spec, memory, program.code, program.code_address)
        return {place.name: read_output(self.last.memory, place) for place in program.outputs}
