"""The host registers, said once: hardware, manual and register-map files are derived from `REGISTERS`.

This module holds data only and imports nothing but the instruction set.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from seedchip.isa import Engine
from seedchip.isa.causes import COUNTER_BITS, ENGINE_CAUSES
from seedchip.isa.instruction import ISA_VERSION

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

WORD_BYTES = 4
"""The registers' bus is 32 bits wide; a register of 64 bits is two words, low word first."""
ADDRESS_BITS = 12
"""Bytes of the register space, log2: the least that AXI4 systems give to one part."""
MAGIC = int.from_bytes(b"SEED", "little")
HASH_WORDS = 8
MEMORY_ADDRESS_BITS = 40
PAGE_BITS = 12
"""The memory's place in the system is a multiple of 4 KiB, so that no AXI4 burst crosses such a boundary."""
CAUSE_OFFSET, ENGINE_STRIDE = 0x100, 0x40
"""First byte of the counters by cause, and the bytes of each engine's."""


class Access(Enum):
    """What reading and writing a field does."""

    CONSTANT = "constant"
    """always the value after reset; writing is refused"""
    READ_ONLY = "r"
    """the chip's state; writing is refused"""
    READ_WRITE = "rw"
    WRITE_ONE_TO_CLEAR = "w1c"
    """a 1 that is written clears the bit"""
    PULSE = "w1"
    """a 1 that is written acts once; reads as 0"""


@dataclass(frozen=True)
class Field:
    """``width`` bits from bit ``low`` of a register on; bits that no field has read as 0."""

    name: str
    low: int
    width: int
    access: Access
    doc: str
    reset: int | None = 0
    """value after reset; None: the chip's own, see `reset_value`"""


@dataclass(frozen=True)
class Register:
    """``count`` equal registers of ``width`` bits (32 or 64) from byte ``offset`` on, one behind the other.

    Writing one that is ``locked`` is refused while a run or a transfer is under way.
    """

    name: str
    offset: int
    doc: str
    fields: tuple[Field, ...]
    width: int = 32
    count: int = 1
    locked: bool = False

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.count * self.width // 8

    @property
    def writable(self) -> bool:
        return any(f.access not in (Access.CONSTANT, Access.READ_ONLY) for f in self.fields)


def _value(name: str, offset: int, bits: int, doc: str, *, access: Access = Access.READ_ONLY, low: int = 0,
           reset: int | None = 0) -> Register:
    """A register that is one number."""
    width, locked = 32 if bits <= 32 else 64, access is Access.READ_WRITE
    return Register(name, offset, doc, (Field("value", low, bits - low, access, doc, reset),), width, locked=locked)


def _flags(name: str, offset: int, doc: str, access: Access, bits: dict[str, str]) -> Register:
    """A register of single bits, from bit 0 on."""
    return Register(name, offset, doc, tuple(Field(n, i, 1, access, d) for i, (n, d) in enumerate(bits.items())))


def _cause_counters() -> tuple[Register, ...]:
    return tuple(
        _value(f"{engine.name}_{cause.name}", CAUSE_OFFSET + engine * ENGINE_STRIDE + 8 * cause, COUNTER_BITS,
               f"cycles of the {engine.name.lower()} engine: {cause.doc}")
        for engine in Engine for cause in ENGINE_CAUSES[engine])


_RW, _CONSTANT = Access.READ_WRITE, Access.CONSTANT
REGISTERS: tuple[Register, ...] = (
    _value("MAGIC", 0x000, 32, "the letters SEED, first letter in the lowest byte", access=_CONSTANT,
           reset=MAGIC),
    _value("ISA_VERSION", 0x004, 32, "version of the instruction set", access=_CONSTANT, reset=ISA_VERSION),
    Register("CHIP_HASH", 0x020, "SHA-256 of the chip's description, as in a program's file; first byte lowest",
             (Field("value", 0, 32, _CONSTANT, "four bytes of the hash", None),), count=HASH_WORDS),
    _flags("CONTROL", 0x040, "commands", Access.PULSE, {
        "start": "begin a run, with registers, counters and semaphores as after reset; ignored while one is under way",
        "clear": "end the run, if one is under way, and forget its result; on-chip memories keep what they hold",
    }),
    _flags("STATUS", 0x044, "state of the latest run", Access.READ_ONLY, {
        "running": "a run is under way, or waits for the transfers of a run that was ended to be answered",
        "done": "the run has ended, with a fault or without",
        "fault": "the run has ended with a fault",
        "quiet": "no transfer of memory is under way",
    }),
    _flags("INTERRUPT_ENABLE", 0x048, "which of INTERRUPT_STATUS raise the interrupt line", _RW, {
        "done": "the run has ended without a fault", "fault": "the run has ended with a fault"}),
    _flags("INTERRUPT_STATUS", 0x04C, "what has happened since it was cleared", Access.WRITE_ONE_TO_CLEAR, {
        "done": "a run has ended without a fault", "fault": "a run has ended with a fault"}),
    _value("FAULT", 0x050, 32, "why the run has ended: a bit for every cause"),
    _value("FAULT_ENGINE", 0x054, 3, "the engine whose instruction faulted: "
           + ", ".join(f"{e.value} {e.name.lower()}" for e in Engine) + f", {len(Engine)} none of them"),
    _value("FAULT_INSTRUCTION", 0x058, 32, "instructions that this engine had started by then"),
    _value("PROGRAM_ADDRESS", 0x060, MEMORY_ADDRESS_BITS,
           "first byte of the program in the core's memory, a multiple of the memory granule", access=_RW),
    _value("PROGRAM_WORDS", 0x068, 32, "words of the program, of 64 bytes each", access=_RW),
    _value("MEMORY_LIMIT", 0x070, MEMORY_ADDRESS_BITS + 1,
           "bytes of memory that a program may touch; beyond them a transfer faults", access=_RW, reset=None),
    _value("MEMORY_BASE", 0x078, MEMORY_ADDRESS_BITS,
           "AXI4 address of the core's memory address 0, a multiple of 4 KiB", access=_RW, low=PAGE_BITS),
    _value("CYCLES", 0x080, COUNTER_BITS, "cycles of the run, so far or whole"),
    _value("GRANULES_READ", 0x088, COUNTER_BITS, "memory granules read by loads"),
    _value("GRANULES_FETCHED", 0x090, COUNTER_BITS, "memory granules read by instruction fetches"),
    _value("GRANULES_WRITTEN", 0x098, COUNTER_BITS, "memory granules written by stores"),
    *_cause_counters(),
)


def reset_value(register: Register, field: Field, spec: ChipSpec, index: int = 0) -> int:
    """A field's value after reset on the chip ``spec``; ``index``: which of a register that there are several of."""
    if field.reset is not None:
        return field.reset
    if register.name == "CHIP_HASH":
        return int.from_bytes(bytes.fromhex(spec.hash)[4 * index:4 * index + 4], "little")
    return spec.memory.bytes  # MEMORY_LIMIT
