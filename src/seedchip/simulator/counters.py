"""Where every cycle of every engine went, and what was moved: counted from a program and its time line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from seedchip.isa import WORD_BYTES, Engine, Load, Matmul, Store
from seedchip.isa.causes import Cause
from seedchip.isa.dma import num_granules
from seedchip.isa.matmul import tile_cycles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedchip.isa import Instruction
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

CAUSES = tuple(cause.name.lower() for cause in Cause)


class Interval(NamedTuple):
    """An engine works on an instruction from cycle ``start`` until before cycle ``end``."""

    engine: str
    start: int
    end: int
    instruction: int


class _Engine:
    """One engine's cycles, given away from the first to the last."""

    def __init__(self) -> None:
        self.now = 0
        self.causes = dict.fromkeys(CAUSES, 0)

    def until(self, cycle: int, cause: str) -> None:
        """Everything up to ``cycle`` that has no cause yet has this one."""
        if cycle > self.now:
            self.causes[cause] += cycle - self.now
            self.now = cycle

    def wait(self, index: int, line: Timeline) -> None:
        """The cycles in which the engine could have taken the instruction, had nothing stood in its way."""
        self.until(line.dispatched[index] + 1, "dispatch")
        self.until(line.tokens[index], "semaphore")
        self.until(line.banks[index], "bank")
        self.until(line.started[index], "memory")


def count_cycles(instructions: Sequence[Instruction], spec: ChipSpec, line: Timeline) -> dict[str, dict[str, int]]:
    """Cycles by engine (``matrix``, ``vector``, ``load``, ``store``) and cause; each engine's add up to the run's."""
    engines = {engine: _Engine() for engine in reversed(Engine)}
    ends: dict[Engine, int] = {}
    for index, instruction in enumerate(instructions):
        if instruction.engine is None:
            continue
        count = engines[instruction.engine]
        count.wait(index, line)
        if isinstance(instruction, Matmul):
            _count_matmul(count, instruction, spec, (line.released[index], line.busy[index]))
        else:
            count.until(line.started[index] + line.busy[index], "active")
            count.until(line.released[index], "drain")
        ends[instruction.engine] = max(ends.get(instruction.engine, 0), line.completed[index])
    for engine, count in engines.items():
        count.until(ends.get(engine, 0), "memory" if engine in (Engine.LOAD, Engine.STORE) else "drain")
        count.until(line.cycles, "idle")
    return {engine.name.lower(): count.causes for engine, count in engines.items()}


def _count_matmul(count: _Engine, matmul: Matmul, spec: ChipSpec, times: tuple[int, int]) -> None:
    """The array streams ``busy`` rows; all other cycles from the start to the last row wait for weights."""
    released, busy = times
    end = released + matmul.num_rows
    count.causes["active"] += busy
    count.causes["weights"] += end - count.now - busy
    count.now = end


def busy_intervals(instructions: Sequence[Instruction], spec: ChipSpec, line: Timeline) -> list[Interval]:
    """What each engine worked on and when, in the order of the starts; intervals of an engine never overlap.

    For the matrix engine from the first streamed row to the last; for the others from the start until the engine could
    take its next instruction.
    """
    found = []
    for index in line.starts:
        instruction = instructions[index]
        start, end = line.started[index], line.released[index]
        if isinstance(instruction, Matmul):
            start, end = _stream(instruction, spec, end)
        found.append(Interval(Engine(instruction.engine or 0).name.lower(), start, end, index))
    return found


def _stream(matmul: Matmul, spec: ChipSpec, released: int) -> tuple[int, int]:
    """First and one beyond the last cycle in which rows stream."""
    return released - (matmul.num_tiles - 1) * tile_cycles(matmul, spec), released + matmul.num_rows


def count_traffic(instructions: Sequence[Instruction], spec: ChipSpec) -> list[tuple[int, int]]:
    """(bytes read, bytes written) of memory by each instruction, in whole granules; fetches are `fetched_bytes`."""
    size, known = spec.memory.granule_bytes, {}
    traffic = []
    for i in instructions:
        if not isinstance(i, (Load, Store)) or (isinstance(i, Load) and i.fill):
            traffic.append((0, 0))
            continue
        key = (i.memory_address % size, i.run_bytes, i.count0, i.count1, i.count2, i.memory_stride0,
               i.memory_stride1, i.memory_stride2, isinstance(i, Load) and i.gather)
        if key not in known:
            known[key] = size * num_granules(i, spec)
        traffic.append((known[key], 0) if isinstance(i, Load) else (0, known[key]))
    return traffic


def fetched_bytes(instructions: Sequence[Instruction], spec: ChipSpec) -> int:
    """Bytes of the program, in whole granules: each is fetched once."""
    size = spec.memory.granule_bytes
    return -(-sum(i.num_words for i in instructions) * WORD_BYTES // size) * size


def count_macs(instructions: Sequence[Instruction], spec: ChipSpec) -> int:
    """Multiplications that the array has the time for while rows stream, padding included."""
    return sum(i.num_tiles * i.num_rows for i in instructions if isinstance(i, Matmul)) * spec.macs_per_cycle
