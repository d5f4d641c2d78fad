"""Exact time of a program: an event simulation over engines, semaphores, banks and the memory port.

The rules are those of docs/03_reference/timing.md. The result depends on the program and the chip alone, never on data.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedchip.isa import WORD_BYTES, Engine, Halt
from seedchip.simulator.collection import collection_paused
from seedchip.simulator.demand import NONE, NUM_ENGINES, demand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec

_STORE, _LOAD, _VECTOR, _MATRIX = (int(e) for e in Engine)
_FETCH = NUM_ENGINES
_OTHERS = [[o for o in range(NUM_ENGINES) if o != e] for e in range(NUM_ENGINES)]
_NEVER = 1 << 62
"""Later than any cycle."""
_UNKNOWN = -1
"""Stands in a time line for a cycle that is not known yet."""


class DeadlockError(RuntimeError):
    """The program waits for a token that nothing will send."""


@dataclass(slots=True)
class Timeline:
    """When each instruction was dispatched, could be taken by its engine, started and completed, and why it waited.

    Lists are indexed by the instruction's place in the program; ``starts`` has them in the order in which they started.
    """

    cycles: int = 0
    dispatched: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    """first cycle at which the engine could have taken the instruction, had it been in the queue"""
    tokens: list[int] = field(default_factory=list)
    """first cycle, not before ready and dispatch, at which its semaphores held the tokens"""
    banks: list[int] = field(default_factory=list)
    """first cycle, not before tokens, at which no other engine held its banks"""
    started: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    """cycles of work (beats, streamed rows, vector slots)"""
    released: list[int] = field(default_factory=list)
    """first cycle at which the engine could take the next instruction"""
    completed: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    fetch_cycles: int = 0
    """port cycles of instruction fetches"""


def simulate(program: Sequence[Instruction], spec: ChipSpec) -> Timeline:
    """Run ``program`` (which must end in its only `Halt`) and return its time line. Raises `DeadlockError`."""
    with collection_paused():
        return _Run(program, spec).run()


class _Run:
    """State of one simulation. Times are cycles.

    Dispatch, tokens and releases follow from cycles that are known as soon as an instruction starts, so they are
    written into the time line ahead of time. Only the memory port and the banks are contended: ``wake`` holds, for the
    engines and for the fetch, the next cycle at which each can try to take them, and the loop goes from one such cycle
    to the next.
    """

    def __init__(self, program: Sequence[Instruction], spec: ChipSpec) -> None:
        self.program, self.spec = program, spec
        self.demand = demand(program, spec)
        self.line = Timeline()
        for name in ("dispatched", "ready", "tokens", "banks", "started", "busy", "released", "completed"):
            setattr(self.line, name, [_UNKNOWN] * len(program))
        self.wake = [_NEVER] * NUM_ENGINES + [0]
        self.heads = list(self.demand.firsts)
        """the next instruction of every engine that has not started, dispatched or not"""
        self.awaited = [NONE] * NUM_ENGINES
        """the instruction that must start before the head's tokens are known"""
        self.free_at = [0] * NUM_ENGINES
        self.last_start = [_UNKNOWN] * NUM_ENGINES
        self.last_end = [0] * NUM_ENGINES
        self.held = [0] * NUM_ENGINES
        """banks of the instructions in ``flying``"""
        self.flying: list[deque[tuple[int, int]]] = [deque() for _ in range(NUM_ENGINES)]
        """(completion, banks) of started instructions, in order; completed ones leave when someone asks"""
        self.port_free = 0
        self.was_fill = 0
        self.stream_end = 0
        self._place_words()

    def run(self) -> Timeline:
        wake = self.wake
        while (now := min(wake)) < _NEVER:
            if wake[_FETCH] == now:
                self._fetch(now)
            for engine in range(NUM_ENGINES):
                if wake[engine] == now:
                    self._try_start(engine, now)
        self._finish()
        return self.line

    # Sequencer -----------------------------------------------------------------------------------------------------

    def _place_words(self) -> None:
        self.last_word = []
        self.num_words = 0
        for instruction in self.program:
            self.num_words += instruction.num_words
            self.last_word.append(self.num_words - 1)
        self.block_words = self.spec.sequencer.fetch_bytes // WORD_BYTES
        self.num_blocks = -(-self.num_words // self.block_words)
        self.block_ready: list[int] = []
        self.block_dispatched: list[int] = []
        """cycle of the last word's dispatch"""
        self.next_instruction, self.word, self.word_cycle = 0, 0, _UNKNOWN
        self.full_until = NONE
        """the instruction that must start before there is room for the next one in its queue"""

    def _fetch(self, now: int) -> None:
        if self.port_free > now:
            self.wake[_FETCH] = self.port_free
            return
        memory, block = self.spec.memory, len(self.block_ready)
        size = min(self.block_words, self.num_words - block * self.block_words) * WORD_BYTES
        beats = -(-(-(-size // memory.granule_bytes) * memory.granule_bytes) // memory.bytes_per_cycle)
        self.port_free = now + beats
        self.line.fetch_cycles += beats
        self.block_ready.append(now + beats + memory.latency_cycles)
        self.wake[_FETCH] = _NEVER
        self._dispatch()

    def _request(self) -> None:
        """Ask for the next block once it is known when the one before it is here and the one before that dispatched."""
        block = len(self.block_ready)
        if self.wake[_FETCH] == _NEVER and block < self.num_blocks and len(self.block_dispatched) >= block - 1:
            dispatched = self.block_dispatched[block - 2] + 1 if block >= 2 else 0
            self.wake[_FETCH] = max(self.block_ready[-1], dispatched)

    def _dispatch(self) -> None:
        """Dispatch words, one a cycle, as far ahead as blocks have been fetched and starts have made room."""
        demand, dispatched, started = self.demand, self.line.dispatched, self.line.started
        i, word, cycle = self.next_instruction, self.word, self.word_cycle
        self.full_until = NONE
        while word < self.num_words:
            block, place = divmod(word, self.block_words)
            if block == len(self.block_ready):
                break
            after = max(cycle + 1, self.block_ready[block])
            if word == self.last_word[i]:
                gate = demand.gates[i]
                if gate != NONE:
                    if started[gate] == _UNKNOWN:
                        self.full_until = gate
                        break
                    after = max(after, started[gate] + 1)
                dispatched[i] = after
                if self.heads[demand.engines[i]] == i:
                    self._consider(demand.engines[i])
                i += 1
            cycle = after
            word += 1
            if place + 1 == self.block_words:
                self.block_dispatched.append(cycle)
        self.next_instruction, self.word, self.word_cycle = i, word, cycle
        self._request()

    # Engines -------------------------------------------------------------------------------------------------------

    def _consider(self, engine: int) -> None:
        """Wake the engine when its head's tokens are there, if the instructions that bring them have started."""
        line, i = self.line, self.heads[engine]
        self.wake[engine], self.awaited[engine] = _NEVER, NONE
        if i == NONE or line.dispatched[i] == _UNKNOWN:
            return
        completed = line.completed
        cycle = max(line.dispatched[i] + 1, self.free_at[engine], self.last_start[engine] + 1)
        for supplier in self.demand.suppliers[i]:
            end = completed[supplier]
            if end == _UNKNOWN:
                self.awaited[engine] = supplier
                return
            if end > cycle:
                cycle = end
        line.tokens[i] = self.wake[engine] = cycle

    def _try_start(self, engine: int, now: int) -> None:
        line, wake, i = self.line, self.wake, self.heads[engine]
        banks = self.demand.banks[i]
        for other in _OTHERS[engine]:
            if banks & self.held[other] and (until := self._held_until(other, banks, now)):
                wake[engine] = until
                return
        if line.banks[i] == _UNKNOWN:
            line.banks[i] = now
        if engine == _MATRIX:
            self._begin_matmul(i, now)
        elif engine == _VECTOR:
            cycles, drain = self.demand.works[i]
            line.busy[i] = cycles
            line.completed[i] = line.released[i] = now + cycles + drain
        elif until := self._begin_transfer(engine, i, now):
            wake[engine] = until
            return
        line.ready[i], line.started[i] = self.free_at[engine], now
        line.starts.append(i)
        self.flying[engine].append((line.completed[i], banks))
        self.held[engine] |= banks
        self.free_at[engine], self.last_start[engine], self.last_end[engine] = line.released[i], now, line.completed[i]
        self.heads[engine] = self.demand.followers[i]
        self._consider(engine)
        for other in range(NUM_ENGINES):
            if self.awaited[other] == i:
                self._consider(other)
        if self.full_until == i:
            self._dispatch()

    def _held_until(self, engine: int, banks: int, now: int) -> int:
        """Cycle at which what the engine has started gives back all of ``banks``; 0 when it holds none of them."""
        flying = self.flying[engine]
        while flying and flying[0][0] <= now:
            flying.popleft()
        held = until = 0
        for end, mask in flying:
            held |= mask
            if mask & banks:
                until = end
        self.held[engine] = held
        return until

    def _begin_transfer(self, engine: int, i: int, now: int) -> int:
        """Occupy engine and port, and return 0; or return the cycle at which what stands in the way may be gone."""
        line = self.line
        cycles, fill = self.demand.works[i]
        if engine == _LOAD and fill != self.was_fill and self.last_end[_LOAD] > now:
            return self.last_end[_LOAD]
        if fill:
            line.completed[i] = line.released[i] = now + cycles + 1
        elif self.port_free > now:
            return self.port_free
        else:
            self.port_free = line.released[i] = now + cycles
            line.completed[i] = now + cycles + self.spec.memory.latency_cycles
        if engine == _LOAD:
            self.was_fill = fill
        line.busy[i] = cycles
        return 0

    def _begin_matmul(self, i: int, now: int) -> None:
        line, matrix = self.line, self.spec.matrix
        load, rows, tiles, period, first_alone = self.demand.works[i]
        first = max(now, self.stream_end) + load if first_alone else max(now + load, self.stream_end)
        last = first + (tiles - 1) * period
        self.stream_end = last + rows
        line.busy[i] = tiles * rows
        line.released[i] = last
        line.completed[i] = self.stream_end + matrix.rows + matrix.columns + matrix.pipeline_cycles

    def _finish(self) -> None:
        for i, instruction in enumerate(self.program):
            if self.line.started[i] == _UNKNOWN and not isinstance(instruction, Halt):
                raise DeadlockError(f"instruction {i} ({instruction.mnemonic()}) waits for a token or a bank that "
                                    "nothing will give")
        self.line.cycles = max(self.line.dispatched[-1] + 1, *self.line.completed)
