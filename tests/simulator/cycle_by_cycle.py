"""The rules of docs/03_reference/timing.md, read literally: every cycle is stepped through, nothing is foreseen."""

from __future__ import annotations

from collections.abc import Sequence

from seedchip.isa import Engine, Halt, Instruction, Load, Matmul, Store, Vector
from seedchip.isa.dma import transfer_cycles
from seedchip.isa.vector import drain_cycles, vector_cycles
from seedchip.simulator import Timeline
from seedchip.spec import ChipSpec


class CycleByCycle:
    """A core that knows its present cycle only."""

    def __init__(self, program: Sequence[Instruction], spec: ChipSpec) -> None:
        self.program, self.spec, self.t = program, spec, 0
        n = len(program)
        self.line = Timeline(0, *([-1] * n for _ in range(8)), starts=[], fetch_cycles=0)
        self.owner = [i for i, instruction in enumerate(program) for _ in range(instruction.num_words)]
        self.block = spec.sequencer.fetch_bytes // 64
        self.block_complete: list[int] = []
        self.next_word = 0
        self.queues: dict[Engine, list[int]] = {e: [] for e in Engine}
        self.in_flight: dict[Engine, list[int]] = {e: [] for e in Engine}
        self.tokens = {(source, to): 0 for source in Engine for to in Engine}
        self.can_take = dict.fromkeys(Engine, 0)
        self.port_free = self.stream_end = 0
        self.last_load_filled = False

    def run(self) -> Timeline | None:
        """The time line, or None when nothing can happen any more and instructions are left."""
        while True:
            ended = self.complete()
            room = {e: len(q) < self.spec.sequencer.queue_depth for e, q in self.queues.items()}
            happened = [self.fetch(), *[self.start(e) for e in Engine], self.dispatch(room)]
            waiting = any(self.in_flight.values()) or self.t < max([self.port_free, *self.block_complete,
                                                                    *self.can_take.values()])
            if self.next_word == len(self.owner) and not any(self.queues.values()) and not any(self.in_flight.values()):
                if not any(happened):
                    self.line.cycles = max(self.line.dispatched[-1] + 1, *self.line.completed)
                    return self.line
            elif not (ended or waiting or any(happened)):
                return None
            self.t += 1

    def complete(self) -> bool:
        ended = [(e, i) for e, flying in self.in_flight.items() for i in flying if self.line.completed[i] == self.t]
        for engine, i in ended:
            self.in_flight[engine].remove(i)
            for to in Engine:
                self.tokens[engine, to] += self.program[i].signal >> to & 1
        return bool(ended)

    def fetch(self) -> bool:
        b, memory = len(self.block_complete), self.spec.memory
        first_word = b * self.block
        if first_word >= len(self.owner) or self.port_free > self.t:
            return False
        if (b and self.block_complete[-1] > self.t) or self.next_word < first_word - self.block:
            return False
        size = 64 * min(self.block, len(self.owner) - first_word)
        while size % memory.granule_bytes:
            size += 1
        beats = (size + memory.bytes_per_cycle - 1) // memory.bytes_per_cycle
        self.port_free = self.t + beats
        self.block_complete.append(self.port_free + memory.latency_cycles)
        self.line.fetch_cycles += beats
        return True

    def dispatch(self, room: dict[Engine, bool]) -> bool:
        b = self.next_word // self.block
        if self.next_word == len(self.owner) or b >= len(self.block_complete) or self.block_complete[b] > self.t:
            return False
        i = self.owner[self.next_word]
        if self.next_word + 1 == len(self.owner) or self.owner[self.next_word + 1] != i:
            engine = self.program[i].engine
            if engine is not None:
                if not room[engine]:
                    return False
                self.queues[engine].append(i)
            self.line.dispatched[i] = self.t
        self.next_word += 1
        return True

    def start(self, engine: Engine) -> bool:
        queue, line = self.queues[engine], self.line
        if not queue or line.dispatched[queue[0]] == self.t or self.can_take[engine] > self.t:
            return False
        i = queue[0]
        instruction = self.program[i]
        waits = dict(zip(Engine, instruction.waits, strict=True))
        if any(self.tokens[source, engine] < count for source, count in waits.items()):
            return False
        line.tokens[i] = line.tokens[i] if line.tokens[i] >= 0 else self.t
        if any(self.clash(instruction, self.program[j]) for e in Engine if e != engine for j in self.in_flight[e]):
            return False
        line.banks[i] = line.banks[i] if line.banks[i] >= 0 else self.t
        if not self.begin(instruction, i):
            return False
        for source, count in waits.items():
            self.tokens[source, engine] -= count
        line.ready[i], line.started[i] = self.can_take[engine], self.t
        self.can_take[engine] = line.released[i]
        line.starts.append(queue.pop(0))
        self.in_flight[engine].append(i)
        return True

    @staticmethod
    def clash(a: Instruction, b: Instruction) -> bool:
        return bool(a.read_banks & b.read_banks or a.write_banks & b.write_banks
                    or a.accumulator_banks & b.accumulator_banks)

    def begin(self, instruction: Instruction, i: int) -> bool:
        line, t = self.line, self.t
        if isinstance(instruction, Matmul):
            self.begin_matmul(instruction, i)
        elif isinstance(instruction, Vector):
            line.busy[i] = vector_cycles(instruction, self.spec)
            line.completed[i] = line.released[i] = t + line.busy[i] + drain_cycles(instruction, self.spec)
        elif isinstance(instruction, Load | Store):
            fill = isinstance(instruction, Load) and bool(instruction.fill)
            cycles = transfer_cycles(instruction, self.spec)
            if isinstance(instruction, Load):
                if fill != self.last_load_filled and self.in_flight[Engine.LOAD]:
                    return False
                if not fill and self.port_free > t:
                    return False
                self.last_load_filled = fill
            elif self.port_free > t:
                return False
            line.busy[i] = cycles
            line.completed[i] = t + cycles + (1 if fill else self.spec.memory.latency_cycles)
            line.released[i] = line.completed[i] if fill else t + cycles
            if not fill:
                self.port_free = t + cycles
        return True

    def begin_matmul(self, matmul: Matmul, i: int) -> None:
        matrix, line = self.spec.matrix, self.line
        load = matrix.columns if matmul.transpose else matrix.rows
        rows = matmul.size_y * matmul.size_x
        tiles = matmul.tiles_n * matmul.kernel_y * matmul.kernel_x * matmul.tiles_k
        if matmul.first_alone:
            streams = max(self.t, self.stream_end) + load
        else:
            streams = max(self.t + load, self.stream_end)
        for _ in range(tiles - 1):
            streams += rows + load if matmul.tiles_alone else max(rows, load)
        self.stream_end = streams + rows
        line.busy[i], line.released[i] = rows * tiles, streams
        line.completed[i] = self.stream_end + matrix.rows + matrix.columns + matrix.pipeline_cycles


def first_stuck(core: CycleByCycle) -> int:
    """The first instruction that has not started."""
    return next(i for i, instruction in enumerate(core.program)
                if core.line.started[i] < 0 and not isinstance(instruction, Halt))
