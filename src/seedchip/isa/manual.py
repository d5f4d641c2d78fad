"""The manual of the instruction set, written from its declarations; ``python -m seedchip.isa.manual`` renews it."""

from __future__ import annotations

import dataclasses as dc
import inspect
from pathlib import Path

import seedchip.isa.vector as vector
from seedchip.isa import ElementType, Engine, Instruction, OperandKind, ReduceKind, layout
from seedchip.isa.instruction import ISA_VERSION, OPCODE_BITS, WORD_BYTES, FieldPlace
from seedchip.numerics.microop import MICRO_OPS

PAGE = Path("docs/03_reference/isa.md")
_HEADER = {f.name for f in dc.fields(Instruction)}
_SOURCES = (
    (f"0-{vector.NUM_REGISTERS - 1}", "register"),
    (str(vector.SOURCE_A), "operand A"), (str(vector.SOURCE_B), "operand B"), (str(vector.SOURCE_C), "operand C"),
    (f"{vector.SOURCE_PARAMETER}-{vector.SOURCE_PARAMETER + 7}", "the group's parameter vectors"),
    (f"{vector.SOURCE_CONSTANT}-{vector.SOURCE_CONSTANT + vector.MAX_CONSTANTS - 1}", "constants"))


def write_manual() -> str:
    """The page as Markdown."""
    return "\n".join([*_introduction(), *_instructions(), *_microprograms(), ""])


def _introduction() -> list[str]:
    engines = ", ".join(f"{e.value} {e.name.lower()}" for e in Engine)
    return [
        "# Instruction set", "",
        "<!-- Written by `python -m seedchip.isa.manual` from the declarations in src/seedchip/isa; do not edit. -->",
        "",
        f"Version {ISA_VERSION}. A program is a sequence of instructions of one or two words of {WORD_BYTES} bytes, "
        f"little-endian. Fields are packed from bit 0 upwards in the order below, the opcode ({OPCODE_BITS} bits) "
        "first; spare bits are 0. A signed field is two's complement. When things happen is said in "
        "[timing](timing.md).",
        "",
        f"Engines: {engines}.", "",
        "The text form has one instruction a line, `mnemonic field=number ...`; fields at their defaults are left out, "
        "`;` begins a comment, and `signal` takes engine names joined by `+`.", "",
        "## Header", "", *_paragraphs(Instruction), *_fields([p for p in layout(_classes()[0]) if p.name in _HEADER])]


def _classes() -> list[type[Instruction]]:
    return [cls for _, cls in sorted(Instruction.registry.items())]


def _instructions() -> list[str]:
    lines = []
    for cls in _classes():
        engine = "the sequencer" if cls.engine is None else f"the {cls.engine.name.lower()} engine"
        lines += [f"## {cls.mnemonic()}", "",
                  f"Opcode {cls.opcode:#04x}, {cls.num_words} word{'s' if cls.num_words > 1 else ''}, for {engine}.",
                  "", *_paragraphs(cls)]
        own = [p for p in layout(cls) if p.name not in _HEADER]
        lines += _fields(own) if own else []
    return lines


def _paragraphs(cls: type) -> list[str]:
    return [*inspect.cleandoc(cls.__doc__ or "").splitlines(), ""]


def _fields(places: list[FieldPlace]) -> list[str]:
    rows = ["| field | bits | default | meaning |", "|---|---|---|---|"]
    for p in places:
        span = f"{p.offset + p.width - 1}:{p.offset}" if p.width > 1 else str(p.offset)
        default = f"{p.default:#x}" if p.default > 0xFFFF else str(p.default)
        rows.append(f"| `{p.name}` | {span}{' signed' if p.signed else ''} | {default} | {p.doc} |")
    return [*rows, ""]


def _microprograms() -> list[str]:
    lines = ["## Micro-programs of the vector engine", "",
             f"At most {vector.MAX_OPERATIONS} words of 32 bits, little-endian, then at most {vector.MAX_CONSTANTS} "
             "constants of 32 bits right behind them, from the beginning of a parameter-memory line on. A word holds "
             "the operation in bits 5:0, the destination register in 10:6, the sources a in 17:11, b in 24:18 and c in "
             "31:25.", "",
             "| source | what |", "|---|---|", *(f"| {code} | {what} |" for code, what in _SOURCES), "",
             "Numbers are IEEE-754 binary32, rounded to nearest even, subnormals kept; a NaN that is written is "
             "0x7FC00000.", "", "| code | operation | result |", "|---|---|---|"]
    for op in sorted(MICRO_OPS.values(), key=lambda o: o.opcode):
        lines.append(f"| {op.opcode} | `{op.name} {', '.join('abc'[:op.arity])}` | {op.doc} |")
    lines += ["", "| field | values |", "|---|---|"]
    for name, enumeration in (("types", ElementType), ("kinds", OperandKind), ("reduce", ReduceKind)):
        values = ", ".join(f"{e.value} {e.name.replace('_', ' ').lower()}" for e in enumeration)
        lines.append(f"| {name} | {values} |")
    return [*lines, "", *_paragraphs(ElementType)[:-1]]


if __name__ == "__main__":
    PAGE.write_text(write_manual(), "utf-8")
