"""`ChipSpec`: the one description of a chip. Every size, width, depth, latency and clock stands here and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any


class SpecError(ValueError):
    """A chip description that breaks a rule; the sentence names the file, the key and the rule."""


def rule(doc: str, *, low: int = 1, high: int = 1 << 40, power_of_two: bool = False) -> Any:
    """A field with its meaning, unit and range: the message of its own check and its row in the manual."""
    return field(metadata={"doc": doc, "low": low, "high": high, "power_of_two": power_of_two})


@dataclass(frozen=True)
class Clock:
    """The one clock of a core."""

    hz: int = rule("cycles per second", low=1_000, high=10_000_000_000)


@dataclass(frozen=True)
class Matrix:
    """Weight-stationary INT8 systolic array with double-buffered weights."""

    rows: int = rule("array rows: the inner products' slice", low=4, high=256, power_of_two=True)
    columns: int = rule("array columns: output channels at a time", low=4, high=256, power_of_two=True)
    pipeline_cycles: int = rule("registers from the address phase to the accumulator write, without the array's own: "
                                "at least two for the address, two of the scratchpad, one for the sum", low=5, high=64)


@dataclass(frozen=True)
class Vector:
    """Binary32 lanes with a micro-program per instruction."""

    lanes: int = rule("elements a cycle", low=4, high=64, power_of_two=True)
    pipeline_cycles: int = rule("from the last slot of a micro-program to the write of its result: at least two of the "
                                "scratchpad, two to convert, one to read registers, two to multiply, three to add, one "
                                "to clamp, two to convert, two to write", low=15, high=128)


@dataclass(frozen=True)
class Scratchpad:
    """On-chip memory for operands and results: banks with one read and one write port each."""

    bytes: int = rule("size in bytes", low=1024, high=1 << 24)
    banks: int = rule("banks, each locked to one reader and one writer at a time", low=2, high=32, power_of_two=True)


@dataclass(frozen=True)
class Accumulator:
    """INT32 sums beside the array's columns: banks with one read and one write port each."""

    bytes: int = rule("size in bytes", low=512, high=1 << 24)
    banks: int = rule("banks, each locked to the matrix or the vector engine", low=2, high=8, power_of_two=True)


@dataclass(frozen=True)
class Parameter:
    """The vector engine's own memory for micro-programs and per-column parameters."""

    bytes: int = rule("size in bytes", low=1024, high=1 << 22)


@dataclass(frozen=True)
class Memory:
    """External memory behind one port that one transfer holds at a time."""

    bytes: int = rule("size in bytes", low=4096, high=1 << 40)
    channels: int = rule("channels, interleaved so that a transfer uses all of them", low=1, high=1024)
    channel_bytes_per_cycle: int = rule("bytes a cycle and channel", low=1, high=4096)
    granule_bytes: int = rule("smallest access; a run of bytes costs every granule that it touches", low=1, high=4096,
                              power_of_two=True)
    latency_cycles: int = rule("from a transfer's last beat to its completion, of which three are the core's own",
                               low=4, high=100_000)

    @property
    def bytes_per_cycle(self) -> int:
        return self.channels * self.channel_bytes_per_cycle


@dataclass(frozen=True)
class Sequencer:
    """Fetches the program from memory and dispatches one instruction word a cycle."""

    queue_depth: int = rule("instructions waiting in each engine's queue", low=2, high=256, power_of_two=True)
    fetch_bytes: int = rule("program bytes a fetch; two fetches are buffered", low=256, high=1 << 16, power_of_two=True)


@dataclass(frozen=True)
class ChipSpec:
    """A whole chip. Build one with `seedchip.spec.load`; construction checks every rule."""

    name: str
    clock: Clock
    matrix: Matrix
    vector: Vector
    scratchpad: Scratchpad
    accumulator: Accumulator
    parameter: Parameter
    memory: Memory
    sequencer: Sequencer
    doc: str = ""

    def __post_init__(self) -> None:
        for section in fields(self):
            part = getattr(self, section.name)
            for f in fields(part) if hasattr(part, "__dataclass_fields__") else ():
                _check(f"{section.name}.{f.name}", getattr(part, f.name), f.metadata)
        for holds, sentence in self._relations():
            if not holds:
                raise SpecError(sentence)

    def _relations(self) -> list[tuple[bool, str]]:
        line, columns = self.line_bytes, self.matrix.columns
        bank = self.scratchpad.bytes // self.scratchpad.banks
        acc_bank = self.accumulator.bytes // self.accumulator.banks
        return [
            (columns % self.vector.lanes == 0,
             f"matrix.columns must be a multiple of vector.lanes, not {columns} and {self.vector.lanes}"),
            (line >= max(self.matrix.rows, columns),
             f"matrix.rows and matrix.columns must fit in a scratchpad line of 4 x vector.lanes = {line} bytes"),
            (self.scratchpad.bytes % (self.scratchpad.banks * line) == 0,
             f"scratchpad.bytes must be a multiple of scratchpad.banks lines of {line} bytes, "
             f"not {self.scratchpad.bytes}"),
            (bank >= 2 * line, f"a scratchpad bank must hold two lines of {line} bytes or more, not {bank} bytes"),
            (self.accumulator.bytes % (self.accumulator.banks * columns * 4) == 0,
             f"accumulator.bytes must be a multiple of accumulator.banks rows of {columns * 4} bytes, "
             f"not {self.accumulator.bytes}"),
            (acc_bank // (columns * 4) >= max(self.matrix.rows, columns),
             f"an accumulator bank must hold {max(self.matrix.rows, columns)} rows or more"),
            (self.parameter.bytes % (2 * line) == 0,
             f"parameter.bytes must be a multiple of two lines of {line} bytes, not {self.parameter.bytes}"),
            (self.memory.bytes % self.memory.granule_bytes == 0,
             "memory.bytes must be a multiple of memory.granule_bytes"),
            (self.sequencer.fetch_bytes % self.memory.granule_bytes == 0,
             "sequencer.fetch_bytes must be a multiple of memory.granule_bytes"),
        ]

    @property
    def line_bytes(self) -> int:
        """A scratchpad or parameter line: one binary32 vector."""
        return 4 * self.vector.lanes

    @property
    def channel_granule(self) -> int:
        """Rows of tensors are padded to a multiple of so many elements."""
        return max(self.matrix.rows, self.matrix.columns, self.vector.lanes, self.memory.granule_bytes)

    @property
    def accumulator_rows(self) -> int:
        """Rows of ``matrix.columns`` INT32 sums."""
        return self.accumulator.bytes // (4 * self.matrix.columns)

    @property
    def macs_per_cycle(self) -> int:
        return self.matrix.rows * self.matrix.columns

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over everything but name and doc: programs are bound to it."""
        content = {k: v for k, v in self.to_dict().items() if k not in ("name", "doc")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check(key: str, value: object, rules: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{key} must be an integer, not {value!r}")
    if not rules["low"] <= value <= rules["high"]:
        raise SpecError(f"{key} must be in [{rules['low']}, {rules['high']}], not {value}")
    if rules["power_of_two"] and value & (value - 1):
        raise SpecError(f"{key} must be a power of two, not {value}")
