"""Hardware layouts of instructions: derived from `seedchip.isa.layout`, never typed in again."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from seedchip.isa import Halt, Instruction, layout
from seedchip.isa.instruction import OPCODE_BITS, WORD_BITS

NUM_ENGINES = 4


def instruction_layout(cls: type[Instruction]) -> data.StructLayout:
    """All words of ``cls``: opcode, fields in the order of their declaration, spare bits."""
    members = {"opcode": unsigned(OPCODE_BITS)}
    used = OPCODE_BITS
    for place in layout(cls):
        members[place.name] = signed(place.width) if place.signed else unsigned(place.width)
        used += place.width
    spare = cls.num_words * WORD_BITS - used
    return data.StructLayout(members | ({"spare": unsigned(spare)} if spare else {}))


def used_bits(cls: type[Instruction]) -> int:
    """Bits of opcode and fields; those above are spare and must be 0."""
    last = layout(cls)[-1]
    return last.offset + last.width


HEADER = instruction_layout(Halt)
"""What all instructions share: the first word of `Halt` is nothing but the header."""
