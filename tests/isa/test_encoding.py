"""Bytes and text of instructions: both give back what was put in; damaged ones are refused with the place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seedchip.isa import (
    Halt,
    Instruction,
    InstructionError,
    Load,
    decode,
    decode_program,
    encode,
    encode_program,
    layout,
)
from seedchip.isa.assembler import AssemblyError, assemble, disassemble, format_instruction, parse_program


@st.composite
def instructions(draw) -> Instruction:
    """Any instruction with any value in each field."""
    cls = draw(st.sampled_from(list(Instruction.registry.values())))
    chosen = draw(st.sets(st.sampled_from([p.name for p in layout(cls)])))
    return cls(**{p.name: draw(st.integers(p.low, p.high)) for p in layout(cls) if p.name in chosen})


@settings(max_examples=200, deadline=None)
@given(st.lists(instructions(), max_size=6))
def test_decoding_and_parsing_undo_encoding_and_formatting(program):
    code = encode_program(program)
    assert decode_program(code) == program
    assert assemble(disassemble(code)) == code
    assert parse_program(disassemble(code)) == program


def test_a_load_reads_as_its_fields():
    load = Load(memory_address=0x400, run_bytes=64, memory_stride0=-8, signal=9, write_banks=3, wait_vector=1)
    assert format_instruction(load) == \
        "load wait_vector=1 signal=store+matrix write_banks=0x3 memory_address=0x400 run_bytes=64 memory_stride0=-8"


def test_fields_lie_where_the_manual_says():
    word = int.from_bytes(encode(Load(memory_address=0x123456789A, fill=1, memory_stride0=-1)), "little")
    assert word & 63 == 1
    places = {p.name: p for p in layout(Load)}
    assert word >> places["memory_address"].offset & (1 << 40) - 1 == 0x123456789A
    assert word >> places["memory_stride0"].offset & (1 << 32) - 1 == 0xFFFFFFFF
    assert word >> places["fill"].offset & 1 == 1
    assert encode(Halt()) == bytes([0x3F]) + bytes(63)


def test_fields_of_an_instruction_do_not_overlap_and_fit_its_words():
    for cls in Instruction.registry.values():
        places = layout(cls)
        assert [p.offset for p in places[1:]] == [p.offset + p.width for p in places[:-1]]
        assert places[-1].offset + places[-1].width <= cls.num_words * 512


BYTES = [
    (b"\x01", "program must hold whole 64-byte words, not end at byte 1"),
    (b"\x00" * 64, "opcode 0x00 at byte 0 is no instruction"),
    (b"\x03" + bytes(63), "matmul at byte 0 must have 2 words"),
    (b"\x3f" + bytes(62) + b"\x01", "halt at byte 0 has spare bits that are not 0"),
]


@pytest.mark.parametrize(("data", "sentence"), BYTES, ids=[s for _, s in BYTES])
def test_damaged_bytes_are_refused(data: bytes, sentence: str):
    with pytest.raises(InstructionError) as error:
        decode(data)
    assert str(error.value) == sentence


TEXTS = [
    ("halt\n\nlaod run_bytes=3",
     "line 3: an instruction must be one of halt, load, matmul, store, vector, not 'laod'; did you mean 'load'?"),
    ("load run_byte=3", "line 1: load has no field 'run_byte'; did you mean 'run_bytes'?"),
    ("load run_bytes", "line 1: a field must read name=number, not 'run_bytes'"),
    ("load run_bytes=many", "line 1: load.run_bytes must be a number, not 'many'"),
    ("; first\nload run_bytes=1 run_bytes=2", "line 2: load.run_bytes must be given once"),
    ("store signal=load+gather", "line 1: store.signal must be engines (store, load, vector, matrix) joined by +, not "
                                 "'load+gather'"),
    ("load run_bytes=0x100000", "line 1: load.run_bytes must be in [0, 1048575], not 1048576"),
]


@pytest.mark.parametrize(("text", "sentence"), TEXTS, ids=[s for _, s in TEXTS])
def test_a_wrong_line_is_named(text: str, sentence: str):
    with pytest.raises(AssemblyError) as error:
        assemble(text)
    assert str(error.value) == sentence


def test_comments_numbers_and_engine_names_are_read():
    text = "load run_bytes=0x40 signal=store+vector ; comment\n  store local_address=0b101\nhalt\n"
    load, store, halt = parse_program(text)
    assert load.signal == 5
    assert load == Load(run_bytes=64, signal=5)
    assert store.local_address == 5  # type: ignore[attr-defined]
    assert halt == Halt()
