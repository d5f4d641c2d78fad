"""What happens when: the simulator's time line in the form of the hardware's trace, and the first difference."""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa import Engine, Instruction
from seedchip.isa.assembler import format_instruction
from seedchip.rtl.simulation.run import COMPLETED_BIT, DISPATCHED_BIT, EVENT_BITS, STARTED_BIT

if TYPE_CHECKING:
    from seedchip.simulator.timing import Timeline

_BY_CAUSE = [*(COMPLETED_BIT + e for e in Engine), *(STARTED_BIT + e for e in Engine), DISPATCHED_BIT]
"""Events of one cycle, causes before effects."""


class Expectation:
    """The events that a time line promises for a program."""

    def __init__(self, program: list[Instruction], timeline: Timeline) -> None:
        self.program, self.timeline = program, timeline
        engines = np.array([-1 if i.engine is None else int(i.engine) for i in program])
        works = engines >= 0
        cycles, bits = [np.array(timeline.dispatched)], [np.full(len(program), 1 << DISPATCHED_BIT)]
        for first, when in ((STARTED_BIT, timeline.started), (COMPLETED_BIT, timeline.completed)):
            cycles.append(np.array(when)[works])
            bits.append(1 << (first + engines[works]))
        distinct, place = np.unique(np.concatenate(cycles), return_inverse=True)
        events = np.zeros(len(distinct), np.int64)
        np.bitwise_or.at(events, place, np.concatenate(bits))
        self.trace = distinct << EVENT_BITS | events
        """int64, as `seedchip.rtl.simulation.run.CoreRun.trace`"""

    def difference(self, trace: np.ndarray, now: int) -> str | None:
        """A sentence for the first event before cycle ``now`` that is not both here and in the hardware's ``trace``."""
        end = now << EVENT_BITS
        expected, found = (t[:np.searchsorted(t, end)] for t in (self.trace, trace))
        length = min(len(expected), len(found))
        wrong = np.flatnonzero(expected[:length] != found[:length])
        if not len(wrong) and len(expected) == len(found):
            return None
        place = int(wrong[0]) if len(wrong) else length
        first = [int(e[place]) for e in (expected, found) if place < len(e)]
        cycle = min(e >> EVENT_BITS for e in first)
        differing = reduce(xor, (e & (1 << EVENT_BITS) - 1 for e in first if e >> EVENT_BITS == cycle))
        bit = next(b for b in _BY_CAUSE if differing >> b & 1)
        number = int((expected[:place] >> bit & 1).sum())  # so many of its kind were the same on both
        cycles = (found[found >> bit & 1 == 1] >> EVENT_BITS)[number:]
        return self._sentence(bit, number, f"at cycle {cycles[0]}" if len(cycles) else f"not by cycle {now}")

    def _sentence(self, bit: int, number: int, on_hardware: str) -> str:
        engine = None if bit >= DISPATCHED_BIT else Engine((bit - STARTED_BIT) % COMPLETED_BIT)
        line = self.timeline
        verb, when = (("starts", line.started), ("completes", line.completed),
                      ("dispatches", line.dispatched))[bit // COMPLETED_BIT]
        name = "sequencer" if engine is None else f"{engine.name.lower()} engine"
        own = [i for i, p in enumerate(self.program) if engine is None or p.engine == engine]
        if number == len(own):
            return f"the {name} {verb} one instruction more than the program has, {on_hardware} on the hardware"
        index = own[number]
        return (f"instruction {index} ({format_instruction(self.program[index])}): the {name} {verb} it at cycle "
                f"{when[index]} on the simulator, {on_hardware} on the hardware")
