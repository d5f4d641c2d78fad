"""Lockstep: the same program bytes on the simulator and on the hardware; the allowed difference is 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedchip.isa import WORD_BYTES, Engine, decode_program
from seedchip.rtl.simulation.run import HardwareRun, run_hardware
from seedchip.simulator.machine import Machine
from seedchip.simulator.timing import Timeline, simulate
from seedchip.spec import ChipSpec


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


def run_lockstep(spec: ChipSpec, memory: np.ndarray, code: bytes, code_address: int) -> Lockstep:
    """Run ``code``, which lies at ``code_address``, on both machines, beginning with ``memory`` (uint8, left as it is).

    On-chip memories begin as 0. Compares every dispatch, start and completion, the cycle count, and every byte of
    memory, scratchpad and accumulators at the end. Raises `LockstepError` at the first difference.
    """
    program = decode_program(code)
    timeline = simulate(program, spec)
    machine = Machine(program, spec, len(memory))
    machine.state.memory[:] = memory
    machine.state.memory[code_address:code_address + len(code)] = np.frombuffer(code, np.uint8)
    memory = machine.state.memory.copy()
    machine.run(timeline.starts)
    hardware = run_hardware(spec, memory, code_address, len(code) // WORD_BYTES, 2 * timeline.cycles + 1000)
    compare_times(timeline, hardware, program)
    state = machine.state
    for name, expected, found in (("scratchpad byte", state.scratchpad, hardware.scratchpad),
                                  ("accumulator", state.accumulator, hardware.accumulator),
                                  ("memory byte", state.memory, memory)):
        _compare_values(name, expected, found)
    return Lockstep(timeline, hardware, memory)


def compare_times(timeline: Timeline, hardware: HardwareRun, program: list) -> None:
    """Raise `LockstepError` for the earliest event that happens at another cycle."""
    differences = []
    by_engine: dict[Engine, list[int]] = {e: [i for i, p in enumerate(program) if p.engine == e] for e in Engine}
    events = [("is dispatched", "sequencer", list(range(len(program))), timeline.dispatched, hardware.dispatched)]
    for engine, indices in by_engine.items():
        name = engine.name.lower()
        events.append(("starts", name, indices, timeline.started, hardware.started[engine]))
        events.append(("is complete", name, indices, timeline.completed, hardware.completed[engine]))
    for verb, engine_name, indices, expected, found in events:
        for place, index in enumerate(indices):
            cycle = found[place] if place < len(found) else None
            if cycle != expected[index]:
                first = min(c for c in (cycle, expected[index]) if c is not None)
                differences.append((first, f"instruction {index} ({program[index].mnemonic()}) {verb} ({engine_name}) "
                                           f"at cycle {expected[index]} on the simulator, {cycle} on the hardware"))
    if differences:
        raise LockstepError(min(differences)[1])
    if timeline.cycles != hardware.cycles:
        raise LockstepError(f"the program takes {timeline.cycles} cycles on the simulator, {hardware.cycles} on the "
                            "hardware")


def _compare_values(name: str, expected: np.ndarray, found: np.ndarray) -> None:
    wrong = np.argwhere(expected != found)
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        raise LockstepError(f"{name} {place if len(place) > 1 else place[0]} is {expected[place]} on the simulator, "
                            f"{found[place]} on the hardware ({len(wrong)} differ)")
