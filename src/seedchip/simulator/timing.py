"""Exact time of a program: an event simulation over engines, semaphores, banks and the memory port.

The rules are those of docs/03_reference/timing.md. The result depends on the program and the chip alone, never on data.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seedchip.isa import WORD_BYTES, Engine, Halt, Load, Matmul, Store, Vector
from seedchip.isa.dma import transfer_cycles
from seedchip.isa.vector import drain_cycles, vector_cycles
from seedchip.simulator.collection import collection_paused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec

NUM_ENGINES = len(Engine)
_STORE, _LOAD, _VECTOR, _MATRIX = range(NUM_ENGINES)


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
    """State of one simulation. Times are cycles; ``heap`` holds every cycle at which something can change."""

    def __init__(self, program: Sequence[Instruction], spec: ChipSpec) -> None:
        self.program, self.spec = program, spec
        n = len(program)
        self.line = Timeline()
        for name in ("dispatched", "ready", "tokens", "banks", "started", "busy", "released", "completed"):
            setattr(self.line, name, [-1] * n)
        self.heap: list[int] = [0]
        self.completions: list[tuple[int, int]] = []
        self.queues: list[list[int]] = [[] for _ in Engine]
        self.heads = [0] * NUM_ENGINES
        self.semaphores = [[0] * NUM_ENGINES for _ in Engine]  # [destination][source]
        self.free_at = [0] * NUM_ENGINES
        self.flying: list[list[int]] = [[] for _ in Engine]
        self.held = [(0, 0, 0)] * NUM_ENGINES
        self.port_free = 0
        self.was_fill = False
        self.stream_end = 0
        self._costs()
        self._place_words()

    def _costs(self) -> None:
        spec, cost = self.spec, []
        cached: dict[tuple[object, ...], int] = {}
        for i in self.program:
            if isinstance(i, (Load, Store)):
                key = (type(i), i.memory_address % spec.memory.granule_bytes, i.run_bytes, i.count0, i.count1, i.count2,
                       i.memory_stride0, i.memory_stride1, i.memory_stride2, isinstance(i, Load) and (i.fill, i.gather))
                if key not in cached:
                    cached[key] = transfer_cycles(i, spec)
                cost.append(cached[key])
            elif isinstance(i, Vector):
                cost.append(vector_cycles(i, spec))
            else:
                cost.append(0)
        self.cost = cost
        self.waits = [tuple((e, n) for e, n in enumerate(i.waits) if n) for i in self.program]
        self.masks = [(i.read_banks, i.write_banks, i.accumulator_banks) for i in self.program]

    # Sequencer -----------------------------------------------------------------------------------------------------

    def _place_words(self) -> None:
        words = [0]
        for instruction in self.program:
            words.append(words[-1] + instruction.num_words)
        self.last_word = [w - 1 for w in words[1:]]
        self.block_words = self.spec.sequencer.fetch_bytes // WORD_BYTES
        self.num_words = words[-1]
        self.num_blocks = -(-self.num_words // self.block_words)
        self.next_block = 0
        self.block_ready: list[int] = []
        self.next_instruction, self.word, self.word_cycle = 0, 0, -1

    def _fetch(self, now: int) -> None:
        b = self.next_block
        if b >= self.num_blocks or self.port_free > now:
            return
        if self.block_ready and self.block_ready[-1] > now:
            return
        if b >= 2 and self.word < (b - 1) * self.block_words:
            return
        granule = self.spec.memory.granule_bytes
        size = min(self.block_words, self.num_words - b * self.block_words) * WORD_BYTES
        beats = -(-(-(-size // granule) * granule) // self.spec.memory.bytes_per_cycle)
        self.port_free = now + beats
        self.line.fetch_cycles += beats
        done = now + beats + self.spec.memory.latency_cycles
        self.block_ready.append(done)
        self.next_block += 1
        heapq.heappush(self.heap, self.port_free)
        heapq.heappush(self.heap, done)

    def _dispatch(self, now: int) -> None:
        """Dispatch as many words as cycles allow up to ``now``; at most one a cycle."""
        if self.word >= self.num_words or self.word_cycle >= now:
            return
        block = self.word // self.block_words
        if block >= len(self.block_ready) or self.block_ready[block] > now:
            return
        i = self.next_instruction
        if self.word == self.last_word[i]:
            instruction = self.program[i]
            engine = instruction.engine
            if engine is not None:
                queue = self.queues[engine]
                if len(queue) - self.heads[engine] >= self.spec.sequencer.queue_depth:
                    return
                queue.append(i)
            self.line.dispatched[i] = now
            self.next_instruction += 1
        self.word += 1
        self.word_cycle = now
        heapq.heappush(self.heap, now + 1)

    # Engines -------------------------------------------------------------------------------------------------------

    def run(self) -> Timeline:
        heap = self.heap
        now = -1
        while heap:
            t = heapq.heappop(heap)
            if t == now:
                continue
            now = t
            self._complete(now)
            popped = [self._try_start(e, now) for e in self._order(now)]
            self._dispatch_after(now, popped)
        self._finish()
        return self.line

    def _order(self, now: int) -> tuple[int, ...]:
        self._fetch(now)
        return (_STORE, _LOAD, _VECTOR, _MATRIX)

    def _dispatch_after(self, now: int, popped: list[bool]) -> None:
        """Dispatch looks at queue occupancy as it was at the beginning of the cycle."""
        for engine, left in enumerate(popped):
            self.heads[engine] -= left
        self._dispatch(now)
        for engine, left in enumerate(popped):
            self.heads[engine] += left

    def _complete(self, now: int) -> None:
        completions = self.completions
        while completions and completions[0][0] <= now:
            _, i = heapq.heappop(completions)
            instruction = self.program[i]
            engine = int(instruction.engine)  # type: ignore[arg-type]
            flying = self.flying[engine]
            flying.remove(i)
            r = w = a = 0
            for j in flying:
                mask = self.masks[j]
                r, w, a = r | mask[0], w | mask[1], a | mask[2]
            self.held[engine] = (r, w, a)
            signal = instruction.signal
            for destination in range(NUM_ENGINES):
                if signal >> destination & 1:
                    self.semaphores[destination][engine] += 1

    def _try_start(self, engine: int, now: int) -> bool:
        queue, head = self.queues[engine], self.heads[engine]
        if head == len(queue):
            return False
        i = queue[head]
        line = self.line
        if line.dispatched[i] >= now:
            return False
        if self.free_at[engine] > now:
            return False
        if line.ready[i] < 0:
            line.ready[i] = self.free_at[engine]
        tokens = self.semaphores[engine]
        if line.tokens[i] < 0:
            for source, count in self.waits[i]:
                if tokens[source] < count:
                    return False
            line.tokens[i] = now
        r, w, a = self.masks[i]
        for other in range(NUM_ENGINES):
            if other != engine:
                held = self.held[other]
                if held[0] & r or held[1] & w or held[2] & a:
                    return False
        if line.banks[i] < 0:
            line.banks[i] = now
        if not self._begin(engine, i, now):
            return False
        for source, count in self.waits[i]:
            tokens[source] -= count
        self.held[engine] = tuple(x | y for x, y in zip(self.held[engine], self.masks[i], strict=True))  # type: ignore[assignment]
        self.flying[engine].append(i)
        line.started[i] = now
        line.starts.append(i)
        heapq.heappush(self.completions, (line.completed[i], i))
        heapq.heappush(self.heap, line.completed[i])
        heapq.heappush(self.heap, line.released[i])
        heapq.heappush(self.heap, now + 1)
        self.free_at[engine] = line.released[i]
        self.heads[engine] = head + 1
        return True

    def _begin(self, engine: int, i: int, now: int) -> bool:
        """Occupy the engine; False when the memory port is taken."""
        line, cost = self.line, self.cost[i]
        if engine == _MATRIX:
            self._begin_matrix(i, now)
        elif engine == _VECTOR:
            line.busy[i] = cost
            instruction = self.program[i]
            assert isinstance(instruction, Vector)
            line.completed[i] = line.released[i] = now + cost + drain_cycles(instruction, self.spec)
        elif not self._begin_transfer(engine, i, now):
            return False
        return True

    def _begin_transfer(self, engine: int, i: int, now: int) -> bool:
        line, cost = self.line, self.cost[i]
        instruction = self.program[i]
        fill = isinstance(instruction, Load) and bool(instruction.fill)
        if engine == _LOAD and fill != self.was_fill and self.flying[_LOAD]:
            return False
        line.busy[i] = cost
        if fill:
            line.completed[i] = line.released[i] = now + cost + 1
        else:
            if self.port_free > now:
                return False
            self.port_free = line.released[i] = now + cost
            line.completed[i] = now + cost + self.spec.memory.latency_cycles
        if engine == _LOAD:
            self.was_fill = fill
        return True

    def _begin_matrix(self, i: int, now: int) -> None:
        matmul, matrix, line = self.program[i], self.spec.matrix, self.line
        assert isinstance(matmul, Matmul)
        load = matrix.columns if matmul.transpose else matrix.rows
        rows, tiles = matmul.num_rows, matmul.num_tiles
        first = max(now + load, self.stream_end)
        last = first + (tiles - 1) * max(rows, load)
        self.stream_end = last + rows
        line.busy[i] = tiles * rows
        line.released[i] = last
        line.completed[i] = self.stream_end + matrix.rows + matrix.columns + matrix.pipeline_cycles

    def _finish(self) -> None:
        if self.next_instruction < len(self.program) or any(s < 0 for i, s in enumerate(self.line.started)
                                                            if not isinstance(self.program[i], Halt)):
            stuck = next(i for i, s in enumerate(self.line.started) if s < 0 and not isinstance(self.program[i], Halt))
            raise DeadlockError(f"instruction {stuck} ({self.program[stuck].mnemonic()}) waits for a token or a bank "
                                "that nothing will give")
        halt = self.line.dispatched[-1]
        self.line.cycles = max([halt + 1, *self.line.completed])
