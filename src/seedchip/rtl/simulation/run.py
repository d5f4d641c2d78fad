"""Runs of programs on the compiled core."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from seedchip.isa import Engine
from seedchip.rtl.sequencer.faults import Fault
from seedchip.rtl.simulation.counts import NUM_BYTES, Counts, unpack_counts
from seedchip.rtl.simulation.verilator import build, load_library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedchip.spec import ChipSpec

HARNESS_FAULTS = {32: "address", 33: "unstable request", 34: "broken announcement"}
"""Bits of the harness beside the core's `Fault`: a transfer left the memory, a request changed before it was taken, a
granule was not the one that the bus had announced (`seedchip.rtl.signatures.MemoryBus`)."""
EVENT_BITS = 16
"""Low bits of an entry of the trace: what happened. The cycle stands above them."""
STARTED_BIT, COMPLETED_BIT, DISPATCHED_BIT = 0, 4, 8
"""Places in an entry of the trace: a bit for each engine's start and completion, one for a dispatch."""


class HardwareFault(RuntimeError):
    """The core stopped, or did not come to an end; the sentence says why.

    ``causes`` are those of the fault register, ``engine`` whose instruction it was (None: the sequencer's), and
    ``instruction`` how many of its instructions had started, see `seedchip.rtl.sequencer.faults.FaultRegister`.
    """

    def __init__(self, sentence: str, causes: Sequence[Fault] = (), engine: Engine | None = None,
                 instruction: int = 0) -> None:
        super().__init__(sentence)
        self.causes, self.engine, self.instruction = tuple(causes), engine, instruction


@dataclass(frozen=True)
class Stalls:
    """Memory that is not on time: results must stay the same, cycles do not."""

    seed: int
    read_wait: float = 0.5
    """probability of a cycle in which memory takes no request"""
    write_wait: float = 0.5
    """probability of a cycle in which memory takes no granule to be written"""
    longest: int = 100
    """cycles; replies and acknowledgements come after a random delay of 1 to so many, in order"""

    def packed(self) -> np.ndarray:
        """uint32 [4], as harness.cpp takes them."""
        waits = (min(255, round(256 * wait)) for wait in (self.read_wait, self.write_wait))
        return np.array([self.seed, *waits, self.longest], np.uint32)


@dataclass(frozen=True, eq=False)
class HardwareRun:
    """What the hardware did. Events are in the order of cycles."""

    cycles: int
    dispatched: list[int]
    """cycle of every instruction's dispatch, in program order"""
    started: dict[Engine, list[int]]
    """cycles of the engine's starts; engines are in order, so entry i belongs to the engine's i-th instruction"""
    completed: dict[Engine, list[int]]
    granules_read: int
    granules_fetched: int
    granules_written: int
    scratchpad: np.ndarray
    """uint8 [scratchpad.bytes]"""
    accumulator: np.ndarray
    """int32 [accumulator rows, matrix.columns]"""
    counts: Counts
    """the hardware's own counters"""


class CoreRun:
    """One run of a program, cycle 0 next. A context: the core lives inside it.

    ``memory`` (uint8, whole granules) is changed in place and must live as long; it is late with ``stalls``. Raises
    `HardwareFault` when it or the code is not made of whole granules, and the errors of
    `seedchip.rtl.simulation.verilator.build`.
    """

    def __init__(self, spec: ChipSpec, memory: np.ndarray, code_address: int, num_words: int,
                 stalls: Stalls | None = None) -> None:
        granule = spec.memory.granule_bytes
        if memory.dtype != np.uint8 or len(memory) % granule or code_address % granule:
            raise HardwareFault(f"memory must be uint8 and whole granules of {granule} bytes, and the code must begin "
                                f"at one, not {memory.dtype}, {len(memory)} bytes and byte {code_address}")
        self.spec, self._memory = spec, memory
        self._library = load_library(build(spec))
        self._trace, self._result = np.zeros(4 * num_words + 16, np.uint64), np.zeros(8, np.uint64)
        late = None if stalls is None else stalls.packed()
        self._core = self._library.bench_new(code_address, num_words, len(memory),
                                             None if late is None else late.ctypes.data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._library.bench_free(self._core)
        self._core = None

    def advance(self, limit: int) -> bool:
        """Go on to cycle ``limit``; True when the core is done before it. Raises `HardwareFault`."""
        fault = self._library.bench_run(self._core, self._memory.ctypes.data, len(self._memory), limit,
                                        self._trace.ctypes.data, len(self._trace), self._result.ctypes.data)
        if fault:
            raise self._stopped(fault)
        return bool(self._result[5])

    def _stopped(self, fault: int) -> HardwareFault:
        causes = [f for f in Fault if fault >> f & 1]
        names = [f.name.lower() for f in causes] + [name for bit, name in HARNESS_FAULTS.items() if fault >> bit & 1]
        engine, instruction = int(self._result[6]), int(self._result[7])
        where = f" in instruction {instruction} of {Engine(engine).name.lower()}" if engine in set(Engine) else ""
        sentence = f"the core stopped at cycle {self.cycles} with fault {', '.join(names)}{where}"
        return HardwareFault(sentence, causes, Engine(engine) if where else None, instruction)

    @property
    def cycles(self) -> int:
        """Cycles so far; of the whole run when the core is done."""
        return int(self._result[0])

    @property
    def trace(self) -> np.ndarray:
        """int64: the cycle << `EVENT_BITS` and the events of every cycle that had one, so far."""
        return self._trace[:int(self._result[1])].astype(np.int64)

    def finish(self) -> HardwareRun:
        """Everything that can be seen after the core is done."""
        spec = self.spec
        scratchpad = np.zeros(spec.scratchpad.bytes, np.uint8)
        counts = np.zeros(NUM_BYTES, np.uint8)
        sums = np.zeros((spec.accumulator_rows, spec.matrix.columns), np.int32)
        self._library.bench_read(self._core, scratchpad.ctypes.data, spec.scratchpad.bytes // spec.line_bytes,
                                 sums.ctypes.data, len(sums), counts.ctypes.data)
        events = self.trace

        def cycles_of(bit: int) -> list[int]:
            return (events[events >> bit & 1 == 1] >> EVENT_BITS).tolist()

        started, completed = ({e: cycles_of(first + e) for e in Engine} for first in (STARTED_BIT, COMPLETED_BIT))
        read, fetched, written = (int(n) for n in self._result[2:5])
        return HardwareRun(self.cycles, cycles_of(DISPATCHED_BIT), started, completed, read, fetched, written,
                           scratchpad, sums, unpack_counts(counts))


def run_hardware(spec: ChipSpec, memory: np.ndarray, code_address: int, num_words: int, limit: int,
                 stalls: Stalls | None = None) -> HardwareRun:
    """Run the ``num_words`` program words at ``code_address`` of ``memory`` (uint8, whole granules, changed in place).

    Memory keeps the times of docs/03_reference/timing.md, or comes late with ``stalls``. Raises `HardwareFault` when
    the core stops with a fault or has not ended after ``limit`` cycles.
    """
    with CoreRun(spec, memory, code_address, num_words, stalls) as run:
        if not run.advance(limit):
            raise HardwareFault(f"the core has not ended after {limit} cycles")
        return run.finish()
