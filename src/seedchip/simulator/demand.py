"""What each instruction asks of the machine, worked out once before a program is timed.

Engines take their instructions in order, so a program's text alone says which completion each wait is for, and which
start makes room in a full queue. The event loop of `seedchip.simulator.timing` then compares known cycles only.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from seedchip.isa import Engine, Instruction, Load, Matmul, Store, Vector
from seedchip.isa.dma import transfer_cycles
from seedchip.isa.matmul import load_cycles, tile_cycles
from seedchip.isa.vector import drain_cycles, vector_cycles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seedchip.spec import ChipSpec

NUM_ENGINES = len(Engine)
NO_ENGINE = NUM_ENGINES
"""Stands for an engine at `seedchip.isa.Halt`, which enters no queue."""
NONE = -1
"""Stands for an instruction's place in the program where there is none."""
_WRITE_SHIFT, _ACCUMULATOR_SHIFT = 32, 64

_banks = attrgetter("read_banks", "write_banks", "accumulator_banks")
_transfer_fields = attrgetter("run_bytes", "count0", "count1", "count2", "memory_stride0", "memory_stride1",
                              "memory_stride2")
_vector_fields = attrgetter("a_kind", "b_kind", "c_kind", "reduce", "size_y", "size_x", "columns", "window", "tap_y",
                            "tap_x", "num_operations", "num_constants", "num_parameters")
"""Every field that `transfer_cycles`, `vector_cycles` and `drain_cycles` look at: instructions that agree in them cost
the same, and most instructions of a program agree with an earlier one."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Lists indexed by the instruction's place in the program."""

    engines: list[int]
    """the engine, or `NO_ENGINE`"""
    banks: list[int]
    """read, write and accumulator banks in one mask, so that one AND finds every conflict"""
    works: list[tuple[int, ...]]
    """transfers: (cycles, fill); vectors: (cycles, drain cycles); matmuls: (cycles to load a tile, rows, tiles,
    cycles from tile to tile, first_alone)"""
    suppliers: list[tuple[int, ...]]
    """the instructions whose completions bring the last tokens that it waits for"""
    followers: list[int]
    """the next instruction of the same engine, or `NONE`"""
    gates: list[int]
    """the instruction of the same engine that must have left the queue before this one fits in, or `NONE`"""
    firsts: list[int]
    """the first instruction of every engine, or `NONE`, which it is for `NO_ENGINE`"""


def demand(program: Sequence[Instruction], spec: ChipSpec) -> Demand:
    """The demands of all instructions; the last one is the program's `Halt`."""
    engines = [NO_ENGINE if i.engine is None else int(i.engine) for i in program]
    queues: list[list[int]] = [[] for _ in range(NUM_ENGINES + 1)]
    followers, gates = [NONE] * len(program), [NONE] * len(program)
    depth = spec.sequencer.queue_depth
    for index, engine in enumerate(engines):
        queue = queues[engine]
        if queue:
            followers[queue[-1]] = index
        if len(queue) >= depth and engine != NO_ENGINE:
            gates[index] = queue[-depth]
        queue.append(index)
    banks = [read | write << _WRITE_SHIFT | accumulator << _ACCUMULATOR_SHIFT
             for read, write, accumulator in map(_banks, program)]
    firsts = [queue[0] if queue else NONE for queue in queues[:NUM_ENGINES]] + [NONE]
    return Demand(engines, banks, _works(program, spec), _suppliers(program, engines), followers, gates, firsts)


def _works(program: Sequence[Instruction], spec: ChipSpec) -> list[tuple[int, ...]]:
    known: dict[tuple[object, ...], tuple[int, ...]] = {}
    granule = spec.memory.granule_bytes
    works: list[tuple[int, ...]] = []
    for i in program:
        if isinstance(i, Matmul):
            works.append((load_cycles(i, spec), i.num_rows, i.num_tiles, tile_cycles(i, spec), i.first_alone))
            continue
        key: tuple[object, ...]
        if isinstance(i, Vector):
            key = _vector_fields(i)
        elif isinstance(i, Load):
            key = (i.memory_address % granule, i.fill, i.gather, _transfer_fields(i))
        elif isinstance(i, Store):
            key = (i.memory_address % granule, _transfer_fields(i))
        else:
            works.append(())
            continue
        if (work := known.get(key)) is None:
            if isinstance(i, Vector):
                work = vector_cycles(i, spec), drain_cycles(i, spec)
            else:
                work = transfer_cycles(i, spec), int(isinstance(i, Load) and i.fill)
            known[key] = work
        works.append(work)
    return works


def _suppliers(program: Sequence[Instruction], engines: list[int]) -> list[tuple[int, ...]]:
    """An engine's n-th token for another comes from the n-th of its instructions that signal that other engine.

    A token that no instruction brings is supplied by the `Halt` at the end, which never completes in any engine.
    """
    senders: list[list[list[int]]] = [[[] for _ in range(NUM_ENGINES)] for _ in range(NUM_ENGINES + 1)]
    targets = [[e for e in range(NUM_ENGINES) if signal >> e & 1] for signal in range(1 << NUM_ENGINES)]
    for index, i in enumerate(program):
        for destination in targets[i.signal]:
            senders[engines[index]][destination].append(index)
    taken = [[0] * NUM_ENGINES for _ in range(NUM_ENGINES + 1)]
    never = len(program) - 1
    suppliers: list[tuple[int, ...]] = []
    for engine, i in zip(engines, program, strict=True):
        waits = i.waits
        if not any(waits):
            suppliers.append(())
            continue
        found = []
        for source, count in enumerate(waits):
            if count:
                total = taken[engine][source] = taken[engine][source] + count
                sent = senders[source][engine] if engine != NO_ENGINE else ()
                found.append(sent[total - 1] if total <= len(sent) else never)
        suppliers.append(tuple(found))
    return suppliers
