"""The manual is what the declarations say, now."""

from pathlib import Path

from seedchip.isa import Instruction, layout
from seedchip.isa.manual import PAGE, write_manual
from seedchip.numerics.microop import MICRO_OPS

ROOT = Path(__file__).parents[2]


def test_the_page_is_fresh():
    assert (ROOT / PAGE).read_text("utf-8") == write_manual(), "renew it with: python -m seedchip.isa.manual"


def test_every_instruction_field_and_micro_operation_has_a_row():
    page = write_manual()
    for cls in Instruction.registry.values():
        assert f"## {cls.mnemonic()}\n" in page
        assert all(f"| `{p.name}` |" in page for p in layout(cls))
    assert all(f"| {op.opcode} | `{op.name} " in page for op in MICRO_OPS.values())
