"""The declaration of the host registers is sound, and its page is what it says, now."""

import itertools
from pathlib import Path

from seedchip.isa import Engine
from seedchip.isa.causes import ENGINE_CAUSES
from seedchip.rtl.host.manual import PAGE, write_manual
from seedchip.rtl.host.registers import ADDRESS_BITS, REGISTERS, Access

ROOT = Path(__file__).parents[2]


def test_the_page_is_fresh():
    assert (ROOT / PAGE).read_text("utf-8") == write_manual(), "renew it with: python -m seedchip.rtl.host.manual"


def test_registers_lie_behind_one_another_at_their_own_size():
    for before, after in itertools.pairwise(REGISTERS):
        assert before.end <= after.offset, (before.name, after.name)
    assert REGISTERS[-1].end <= 1 << ADDRESS_BITS
    assert all(r.width in (32, 64) and r.offset % (r.width // 8) == 0 for r in REGISTERS)
    assert len({r.name for r in REGISTERS}) == len(REGISTERS)


def test_fields_lie_inside_their_register_and_apart():
    for r in REGISTERS:
        places = [bit for f in r.fields for bit in range(f.low, f.low + f.width)]
        assert len(set(places)) == len(places)
        assert max(places) < r.width
        assert all(f.reset is None or f.reset >> f.width == 0 for f in r.fields)
        assert all(f.width == 1 for f in r.fields if f.access in (Access.PULSE, Access.WRITE_ONE_TO_CLEAR))


def test_every_cause_that_an_engine_can_have_has_a_counter():
    names = {r.name for r in REGISTERS}
    assert {f"{e.name}_{c.name}" for e in Engine for c in ENGINE_CAUSES[e]} <= names
