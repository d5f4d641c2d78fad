"""Lockstep: the same program bytes on the simulator and on the hardware; the allowed difference is 0.

Events are compared while the hardware runs, values when it is done. Where a value differs,
ever shorter beginnings of the program find the instruction that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from seedchip.isa import Halt, Instruction, decode_program, encode_program
from seedchip.isa.assembler import format_instruction
from seedchip.rtl.simulation.counts import differing_count, expected_counts
from seedchip.rtl.simulation.events import Expectation
from seedchip.rtl.simulation.run import CoreRun, HardwareFault, HardwareRun, run_hardware
from seedchip.simulator.machine import Machine
from seedchip.simulator.state import State
from seedchip.simulator.timing import Timeline, simulate
from seedchip.spec import ChipSpec

SLICE_CYCLES = 50_000
"""Cycles of the hardware between two comparisons of events: a fraction of a second, so that it can be interrupted."""

Watch = Callable[[int, int], None]
"""Is told how many cycles are done, and how many there will be."""


class LockstepError(AssertionError):
    """Simulator and hardware differ; the sentence names the first difference."""


@dataclass(frozen=True, eq=False)
class Lockstep:
    """Two equal runs."""

    timeline: Timeline
    hardware: HardwareRun
    memory: np.ndarray
    """uint8: memory at the end"""

    @property
    def cycles(self) -> int:
        return self.hardware.cycles


@dataclass(frozen=True, eq=False)
class Trial:
    """What both machines are given: the program bytes, and memory (uint8) with them in it."""

    spec: ChipSpec
    memory: np.ndarray
    code_address: int
    program: list[Instruction]

    @property
    def num_words(self) -> int:
        return sum(i.num_words for i in self.program)


def run_lockstep(spec: ChipSpec, memory: np.ndarray, code: bytes, code_address: int,
                 watch: Watch | None = None) -> Lockstep:
    """Run ``code``, which lies at ``code_address``, on both machines, beginning with ``memory`` (uint8, left as it is).

    On-chip memories begin as 0. Compares every dispatch, start and completion, the cycle count, every counter and every
    byte of memory, scratchpad and accumulators at the end. Raises `LockstepError` at the first difference.
    """
    memory = memory.copy()
    memory[code_address:code_address + len(code)] = np.frombuffer(code, np.uint8)
    trial = Trial(spec, memory, code_address, decode_program(code))
    timeline = simulate(trial.program, spec)
    state = simulate_values(trial, timeline.starts)
    hardware, memory = _run_beside(trial, timeline, watch)
    if difference := find_difference(state, hardware, memory):
        raise LockstepError(_name_culprit(trial, timeline, difference))
    return Lockstep(timeline, hardware, memory)


def simulate_values(trial: Trial, order: list[int]) -> State:
    """The simulator's state after the program's instructions in this order."""
    machine = Machine(trial.program, trial.spec, len(trial.memory))
    machine.state.memory[:] = trial.memory
    machine.run(order)
    return machine.state


def _run_beside(trial: Trial, timeline: Timeline, watch: Watch | None) -> tuple[HardwareRun, np.ndarray]:
    """Run the hardware as long as its events are those of the time line; what it did, and memory at the end."""
    expected = Expectation(trial.program, timeline)
    memory, limit, done = trial.memory.copy(), 0, False
    with CoreRun(trial.spec, memory, trial.code_address, trial.num_words) as run:
        while not done and limit <= timeline.cycles:
            limit += SLICE_CYCLES
            try:
                done = run.advance(limit)
            finally:  # a difference says more than the fault that it led to
                if sentence := expected.difference(run.trace, run.cycles):
                    raise LockstepError(sentence)
            if watch:
                watch(min(run.cycles, timeline.cycles), timeline.cycles)
        if not done or timeline.cycles != run.cycles:
            raise LockstepError(f"the program takes {timeline.cycles} cycles on the simulator, "
                                f"{run.cycles if done else f'more than {run.cycles}'} on the hardware")
        finished = run.finish()
    if difference := differing_count(expected_counts(trial.program, trial.spec, timeline), finished.counts):
        raise LockstepError(difference)
    return finished, memory


@dataclass(frozen=True)
class Difference:
    """The first place where two machines hold different values."""

    space: str
    address: str
    simulator: int
    hardware: int
    count: int
    """places that differ, in this space"""


def find_difference(state: State, hardware: HardwareRun, memory: np.ndarray) -> Difference | None:
    """Where memory, scratchpad or accumulators differ; None where they do not."""
    for space, expected, found in (("scratchpad", state.scratchpad, hardware.scratchpad),
                                   ("accumulator", state.accumulator, hardware.accumulator),
                                   ("memory", state.memory, memory)):
        wrong = np.argwhere(expected != found)
        if len(wrong):
            place = tuple(int(i) for i in wrong[0])
            address = f"byte {place[0]:#x}" if len(place) == 1 else f"row {place[0]}, column {place[1]}"
            return Difference(space, address, int(expected[place]), int(found[place]), len(wrong))
    return None


def _name_culprit(trial: Trial, timeline: Timeline, found: Difference) -> str:
    """The sentence for a difference at the end: what the first instruction wrote after which there is one.

    The first n instructions are a program of their own. Between the last n known to agree and the first known to
    differ the middle is tried, until one instruction is left.
    """
    agrees, differs = 0, len(trial.program) - 1
    while differs - agrees > 1:
        middle = (agrees + differs) // 2
        difference = _try_beginning(trial, timeline, middle)
        if difference:
            differs, found = middle, difference
        else:
            agrees = middle
    index = differs - 1
    instruction = trial.program[index]
    name = "sequencer" if instruction.engine is None else f"{instruction.engine.name.lower()} engine"
    return (f"instruction {index} ({format_instruction(instruction)}), which the {name} completes at cycle "
            f"{timeline.completed[index]}, leaves {found.simulator} at {found.space} {found.address} on the simulator, "
            f"{found.hardware} on the hardware ({found.count} differ)")


def _try_beginning(trial: Trial, timeline: Timeline, length: int) -> Difference | None:
    """What differs after the first ``length`` instructions; their values are compared, not their times."""
    program = [*trial.program[:length], Halt()]
    memory, code = trial.memory.copy(), encode_program(program)
    memory[trial.code_address:trial.code_address + len(code)] = np.frombuffer(code, np.uint8)
    beginning = Trial(trial.spec, memory, trial.code_address, program)
    state = simulate_values(beginning, [i for i in timeline.starts if i < length])
    memory = memory.copy()
    try:
        hardware = run_hardware(trial.spec, memory, trial.code_address, beginning.num_words, 2 * timeline.cycles + 1000)
    except HardwareFault:
        return None  # it waits for something that comes later: a longer beginning will tell
    return find_difference(state, hardware, memory)
