"""Hardware layouts and limits follow from the instruction set and the chip description."""

import dataclasses

import numpy as np
import pytest
from amaranth.hdl import Const
from chips import NANO

from seedchip.isa import Instruction, encode, layout
from seedchip.rtl.layout import instruction_layout
from seedchip.rtl.limits import check_slice
from seedchip.spec import SpecError


@pytest.mark.parametrize("cls", Instruction.registry.values(), ids=lambda cls: cls.mnemonic())
def test_hardware_reads_every_field_that_the_encoder_writes(cls):
    rng = np.random.default_rng(cls.opcode)
    for _ in range(20):
        values = {p.name: int(rng.integers(p.low, p.high + 1)) for p in layout(cls)}
        word = int.from_bytes(encode(cls(**values)), "little")
        view = instruction_layout(cls).from_bits(word)
        assert {name: int(view[name]) for name in values} == values
        assert int(view["opcode"]) == cls.opcode


@pytest.mark.parametrize("cls", Instruction.registry.values(), ids=lambda cls: cls.mnemonic())
def test_a_layout_fills_its_words(cls):
    assert instruction_layout(cls).size == 512 * cls.num_words
    assert len(Const(0, instruction_layout(cls).size)) == 512 * cls.num_words


def with_section(section: str, **changes: int):
    return dataclasses.replace(NANO, **{section: dataclasses.replace(getattr(NANO, section), **changes)})


@pytest.mark.parametrize("section, changes, sentence", [
    ("memory", {"channels": 2}, "the hardware moves one granule a cycle: memory.channels x "
                                "memory.channel_bytes_per_cycle must be memory.granule_bytes = 8, not 16"),
    ("scratchpad", {"bytes": 1 << 24}, "scratchpad.bytes must be at most 8388608, not 16777216"),
    ("scratchpad", {"bytes": 3 * 4096, "banks": 2}, "a scratchpad bank must be a power of two long, not 6144 bytes"),
])
def test_a_chip_that_cannot_be_built_is_refused(section, changes, sentence):
    with pytest.raises(SpecError) as error:
        check_slice(with_section(section, **changes))
    assert str(error.value) == sentence
