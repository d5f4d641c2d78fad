"""The manual of the host registers, written from their declaration; ``python -m seedchip.rtl.host.manual`` renews it.
"""

from __future__ import annotations

from pathlib import Path

from seedchip.rtl.core import Fault
from seedchip.rtl.host.registers import REGISTERS, Access, Field, Register

PAGE = Path("docs/03_reference/registers.md")
_ACCESS = {Access.CONSTANT: "read", Access.READ_ONLY: "read", Access.READ_WRITE: "read, write",
           Access.WRITE_ONE_TO_CLEAR: "read, 1 clears", Access.PULSE: "1 acts, reads as 0"}


_INTRODUCTION = """\
# Host registers

<!-- Written by `python -m seedchip.rtl.host.manual` from src/seedchip/rtl/host/registers.py; do not edit. -->

The host talks to the chip over AXI4-Lite with 32 bits of data. A register of 64 bits is two words, the low one first:
reading the low word of a counter keeps its high one for the next read, so that the two belong together. An access to an
address without a register, a write to a register that can only be read, and a write to one that describes the program
while a run or a transfer is under way is answered with SLVERR and changes nothing. Byte strobes are honoured.

A run: write `PROGRAM_ADDRESS`, `PROGRAM_WORDS`, `MEMORY_LIMIT` and `MEMORY_BASE`, write `CONTROL.start`, wait for
`STATUS.done` or for the interrupt, read `STATUS.fault` and the counters. The next run needs no reset.
"""


def write_manual() -> str:
    """The page as Markdown."""
    return "\n".join([_INTRODUCTION, *_registers(), *_fields(), *_faults(), ""])


def _registers() -> list[str]:
    rows = ["| offset | register | bits | access | reset | meaning |", "|---|---|---|---|---|---|"]
    for r in REGISTERS:
        access = ", ".join(dict.fromkeys(_ACCESS[f.access] for f in r.fields))
        last = f" ... {r.end - r.width // 8:#05x}" if r.count > 1 else ""
        name = f"`{r.name}`" + (f" x {r.count}" if r.count > 1 else "")
        rows.append(f"| {r.offset:#05x}{last} | {name} | {r.width} | {access} | {_reset(r)} | {r.doc} |")
    return [*rows, ""]


def _reset(register: Register) -> str:
    if any(f.reset is None for f in register.fields):
        return "of the chip"
    value = sum((f.reset or 0) << f.low for f in register.fields)
    return f"{value:#x}" if value > 9 else str(value)


def _span(field: Field) -> str:
    return f"{field.low + field.width - 1}:{field.low}" if field.width > 1 else str(field.low)


def _fields() -> list[str]:
    lines = ["## Fields", ""]
    for r in REGISTERS:
        if len(r.fields) > 1:
            lines += [f"### {r.name}", "", "| bits | field | meaning |", "|---|---|---|",
                      *(f"| {_span(f)} | `{f.name}` | {f.doc} |" for f in r.fields), ""]
    return lines


def _faults() -> list[str]:
    return ["## Bits of FAULT", "", "| bit | cause | |", "|---|---|---|",
            *(f"| {f.value} | `{f.name.lower()}` | {f.doc} |" for f in Fault), ""]


if __name__ == "__main__":
    PAGE.write_text(write_manual(), "utf-8")
