"""The program under construction: instructions in order, with their dependencies turned into semaphores and bank locks.

Emitters name the bytes that an instruction reads and writes; the builder finds the latest instructions of the other
engines that conflict, lets those signal and this one wait. Engines complete their instructions in order, so waiting for
one means having waited for all before it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.compiler.space import Buffer, Space
from seedchip.isa import Engine, Halt, Load, Matmul
from seedchip.isa.matmul import needs_alone

if TYPE_CHECKING:
    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec

SCRATCHPAD, ACCUMULATOR, PARAMETER, MEMORY = "scratchpad", "accumulator", "parameter", "memory"
MEMORY_GRANULE = 1024
_NEVER = -1


@dataclass(frozen=True)
class Access:
    """A stretch that an instruction reads or writes: bytes, or rows of the accumulators."""

    space: str
    start: int
    size: int


@dataclass
class Draft:
    """An instruction before its semaphores are known."""

    cls: type[Instruction]
    fields: dict[str, Any]
    waits: dict[Engine, int] = field(default_factory=dict)
    signal: int = 0


class _Tracker:
    """Last reader and writer of every granule of one memory, by engine."""

    def __init__(self, granule: int, size: int) -> None:
        self.granule = granule
        self.read = np.full((len(Engine), size), _NEVER, np.int64)
        self.written = np.full((len(Engine), size), _NEVER, np.int64)

    def grow(self, size: int) -> None:
        if size > self.read.shape[1]:
            extra = np.full((len(Engine), size * 2 - self.read.shape[1]), _NEVER, np.int64)
            self.read = np.concatenate((self.read, extra), 1)
            self.written = np.concatenate((self.written, extra), 1)

    def touch(self, engine: Engine, access: Access, index: int, write: bool) -> np.ndarray:
        """Latest conflicting instruction of each engine; then remember this one."""
        first = access.start // self.granule
        end = (access.start + max(access.size, 1) - 1) // self.granule + 1
        self.grow(end)
        latest = self.written[:, first:end].max(1)
        if write:
            latest = np.maximum(latest, self.read[:, first:end].max(1))
        (self.written if write else self.read)[engine, first:end] = index
        return latest


@dataclass
class Mark:
    """A state of the builder to come back to."""

    length: int
    signals: list[int]
    trackers: dict[str, _Tracker]
    synced: np.ndarray
    scratchpad: Space
    parameter: Space
    parameter_lines: dict[tuple[object, ...], Buffer]
    accumulator_bank: int


class Builder:
    """Collects instructions for one chip; see the module's text."""

    def __init__(self, spec: ChipSpec) -> None:
        self.spec = spec
        self.drafts: list[Draft] = []
        line = spec.line_bytes
        bank = spec.scratchpad.bytes // spec.scratchpad.banks
        self.scratchpad = Space(spec.scratchpad.bytes, line, bank)
        self.parameter = Space(spec.parameter.bytes, 2 * line, spec.parameter.bytes)
        self.accumulator_bank_rows = spec.accumulator_rows // spec.accumulator.banks
        self.bank_bytes = bank
        self._trackers = {
            SCRATCHPAD: _Tracker(line, spec.scratchpad.bytes // line),
            ACCUMULATOR: _Tracker(1, spec.accumulator_rows),
            PARAMETER: _Tracker(2 * line, spec.parameter.bytes // (2 * line)),
            MEMORY: _Tracker(MEMORY_GRANULE, 1024),
        }
        self._synced = np.full((len(Engine), len(Engine)), _NEVER, np.int64)  # [waiting engine][source engine]
        self._next_accumulator_bank = 0
        self.parameter_lines: dict[tuple[object, ...], Buffer] = {}
        """what the parameter memory holds, least recently used first"""

    def mark(self) -> Mark:
        """The present state, for `rewind`."""
        return Mark(length=len(self.drafts), signals=[d.signal for d in self.drafts],
                    trackers=copy.deepcopy(self._trackers), synced=self._synced.copy(),
                    scratchpad=self.scratchpad.copy(), parameter=self.parameter.copy(),
                    parameter_lines=dict(self.parameter_lines), accumulator_bank=self._next_accumulator_bank)

    def rewind(self, mark: Mark) -> None:
        """Forget everything since ``mark``."""
        del self.drafts[mark.length:]
        for draft, signal in zip(self.drafts, mark.signals, strict=True):
            draft.signal = signal
        self._trackers, self._synced = mark.trackers, mark.synced
        self.scratchpad, self.parameter = mark.scratchpad, mark.parameter
        self.parameter_lines, self._next_accumulator_bank = mark.parameter_lines, mark.accumulator_bank

    @property
    def now(self) -> int:
        return len(self.drafts)

    def allocate(self, size: int, group: str) -> Buffer:
        """A stretch of the scratchpad for the next instructions. Raises `OutOfSpace`."""
        return self.scratchpad.allocate(size, group, self.now)

    def reserve(self, size: int, count: int, group: str) -> list[Buffer]:
        """``count`` stretches next to each other, longest unused first. Raises `OutOfSpace`."""
        return self.scratchpad.allocate_row(size, count, group, self.now)

    def next_accumulator_bank(self) -> int:
        """Banks in turn: while one is read out, the next is filled."""
        bank = self._next_accumulator_bank
        self._next_accumulator_bank = (bank + 1) % self.spec.accumulator.banks
        return bank

    def emit(self, cls: type[Instruction], reads: list[Access], writes: list[Access], **fields: Any) -> None:
        """Append an instruction that reads and writes the given stretches."""
        engine = cls.engine
        assert engine is not None
        draft = Draft(cls, fields | self._banks(reads, writes))
        index = self.now
        latest = np.full(len(Engine), _NEVER, np.int64)
        for access, write in [*((a, False) for a in reads), *((a, True) for a in writes)]:
            latest = np.maximum(latest, self._trackers[access.space].touch(engine, access, index, write))
        gather = cls is Load and fields.get("gather")
        for source in Engine:
            producer = int(latest[source])
            if (source != engine or gather) and producer > self._synced[engine][source] and producer != index:
                self._synced[engine][source] = producer
                self.drafts[producer].signal |= 1 << engine
                draft.waits[source] = 1
        self.drafts.append(draft)

    def _banks(self, reads: list[Access], writes: list[Access]) -> dict[str, int]:
        masks = {"read_banks": 0, "write_banks": 0, "accumulator_banks": 0}
        for accesses, key in ((reads, "read_banks"), (writes, "write_banks")):
            for a in accesses:
                if a.space == SCRATCHPAD:
                    masks[key] |= _mask(a, self.bank_bytes)
                elif a.space == ACCUMULATOR:
                    masks["accumulator_banks"] |= _mask(a, self.accumulator_bank_rows)
        return {k: v for k, v in masks.items() if v}

    def finish(self) -> list[Instruction]:
        """The program: every draft with its tokens, and a halt."""
        program: list[Instruction] = []
        before: Matmul | None = None
        for draft in self.drafts:
            waits = {f"wait_{e.name.lower()}": n for e, n in draft.waits.items()}
            instruction = draft.cls(**draft.fields, **waits, signal=draft.signal)
            if isinstance(instruction, Matmul):
                first, tiles = needs_alone(before, instruction, self.spec)
                if first or tiles:
                    instruction = replace(instruction, first_alone=int(first), tiles_alone=int(tiles))
                before = instruction
            program.append(instruction)
        program.append(Halt())
        return program


def _mask(access: Access, bank: int) -> int:
    first, last = access.start // bank, (access.start + access.size - 1) // bank
    return (1 << last + 1) - (1 << first)
