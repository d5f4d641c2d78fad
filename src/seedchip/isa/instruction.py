"""What every instruction has: a declared layout, a header, an encoding. Instructions are said once, in this package.

An instruction is a frozen dataclass; each field is declared with its width and meaning, and encoder, decoder,
assembler, hardware layout and manual are derived. Fields are packed from bit 0 in the order of declaration, opcode
first; an instruction is one or two words of 512 bits.
"""

from __future__ import annotations

import dataclasses as dc
from enum import IntEnum
from typing import Any, ClassVar, dataclass_transform

WORD_BYTES = 64
WORD_BITS = 8 * WORD_BYTES
OPCODE_BITS = 6
ISA_VERSION = 1


class InstructionError(ValueError):
    """A field out of range, or bytes that are no instruction."""


class Engine(IntEnum):
    """In-order engines, each with its own queue. The order is the priority when several could start in one cycle."""

    STORE = 0
    LOAD = 1
    VECTOR = 2
    MATRIX = 3


def bits(width: int, doc: str, default: int = 0, *, signed: bool = False) -> Any:
    """A field of ``width`` bits, two's complement when ``signed``."""
    return dc.field(default=default, metadata={"width": width, "doc": doc, "signed": signed})


@dataclass_transform(frozen_default=True, kw_only_default=True)
@dc.dataclass(frozen=True, kw_only=True)
class Instruction:
    """The header that all instructions share.

    An instruction starts when it is at the head of its engine's queue, every semaphore it waits for holds the tokens it
    takes, and no other engine holds a bank that it names. It then takes the tokens and the banks. When it is complete
    it gives the banks back and puts one token into each semaphore it signals. There is one counting semaphore for every
    ordered pair of engines.
    """

    opcode: ClassVar[int]
    num_words: ClassVar[int]
    engine: ClassVar[Engine | None]
    registry: ClassVar[dict[int, type[Instruction]]] = {}

    wait_store: int = bits(4, "tokens taken from the semaphore store -> this engine")
    wait_load: int = bits(4, "tokens taken from the semaphore load -> this engine")
    wait_vector: int = bits(4, "tokens taken from the semaphore vector -> this engine")
    wait_matrix: int = bits(4, "tokens taken from the semaphore matrix -> this engine")
    signal: int = bits(4, "engines (bit 0 store, 1 load, 2 vector, 3 matrix) whose semaphore from this engine gets a "
                       "token")
    read_banks: int = bits(32, "scratchpad banks whose read port is taken")
    write_banks: int = bits(32, "scratchpad banks whose write port is taken")
    accumulator_banks: int = bits(8, "accumulator banks that are taken")

    def __init_subclass__(cls, *, opcode: int, num_words: int, engine: Engine | None) -> None:
        if (clash := Instruction.registry.get(opcode)) is not None:
            raise InstructionError(f"opcode {opcode:#04x} of {cls.__name__} is already taken by {clash.__name__}")
        cls.opcode, cls.num_words, cls.engine = opcode, num_words, engine
        frozen = dc.dataclass(frozen=True, kw_only=True)(cls)
        Instruction.registry[opcode] = frozen
        used = OPCODE_BITS + sum(f.metadata["width"] for f in dc.fields(frozen))
        if used > num_words * WORD_BITS:
            raise InstructionError(f"{cls.__name__} needs {used} bits, more than its {num_words} words")

    @classmethod
    def mnemonic(cls) -> str:
        return cls.__name__.lower()

    @property
    def waits(self) -> tuple[int, int, int, int]:
        """Tokens taken, by source engine."""
        return self.wait_store, self.wait_load, self.wait_vector, self.wait_matrix


@dc.dataclass(frozen=True)
class FieldPlace:
    """Where a field lies in the encoding."""

    name: str
    offset: int
    width: int
    signed: bool
    doc: str
    default: int

    @property
    def low(self) -> int:
        return -(1 << self.width - 1) if self.signed else 0

    @property
    def high(self) -> int:
        return (1 << self.width - 1) - 1 if self.signed else (1 << self.width) - 1


_LAYOUTS: dict[type[Instruction], tuple[FieldPlace, ...]] = {}


def layout(cls: type[Instruction]) -> tuple[FieldPlace, ...]:
    """The fields of an instruction class and their places, header first."""
    if cls not in _LAYOUTS:
        offset, places = OPCODE_BITS, []
        for f in dc.fields(cls):
            m = f.metadata
            places.append(FieldPlace(f.name, offset, m["width"], m["signed"], m["doc"], int(f.default)))  # type: ignore[arg-type]
            offset += m["width"]
        _LAYOUTS[cls] = tuple(places)
    return _LAYOUTS[cls]


def encode(instruction: Instruction) -> bytes:
    """The instruction's words, little-endian. Raises `InstructionError` when a value does not fit its field."""
    word = instruction.opcode
    for p in layout(type(instruction)):
        value = getattr(instruction, p.name)
        if not p.low <= value <= p.high:
            raise InstructionError(f"{instruction.mnemonic()}.{p.name} must be in [{p.low}, {p.high}], not {value!r}")
        word |= (value & (1 << p.width) - 1) << p.offset
    return word.to_bytes(instruction.num_words * WORD_BYTES, "little")


def decode(data: bytes, offset: int = 0) -> Instruction:
    """The instruction at ``offset``.

    Raises `InstructionError` for an unknown opcode, a short buffer or set spare bits.
    """
    if len(data) < offset + WORD_BYTES:
        raise InstructionError(f"program must hold whole {WORD_BYTES}-byte words, not end at byte {len(data)}")
    opcode = data[offset] & (1 << OPCODE_BITS) - 1
    cls = Instruction.registry.get(opcode)
    if cls is None:
        raise InstructionError(f"opcode {opcode:#04x} at byte {offset} is no instruction")
    end = offset + cls.num_words * WORD_BYTES
    if len(data) < end:
        raise InstructionError(f"{cls.mnemonic()} at byte {offset} must have {cls.num_words} words")
    word = int.from_bytes(data[offset:end], "little")
    values: dict[str, int] = {}
    top = OPCODE_BITS
    for p in layout(cls):
        value = word >> p.offset & (1 << p.width) - 1
        values[p.name] = value - (1 << p.width) if p.signed and value >> p.width - 1 else value
        top = p.offset + p.width
    if word >> top:
        raise InstructionError(f"{cls.mnemonic()} at byte {offset} has spare bits that are not 0")
    return cls(**values)


def decode_program(data: bytes) -> list[Instruction]:
    """All instructions of a program."""
    program, offset = [], 0
    while offset < len(data):
        instruction = decode(data, offset)
        program.append(instruction)
        offset += instruction.num_words * WORD_BYTES
    return program


def encode_program(program: list[Instruction]) -> bytes:
    return b"".join(map(encode, program))
