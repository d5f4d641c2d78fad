"""Programs as text: one instruction a line, fields by name, everything at its default left out.

    load memory_address=0x400 run_bytes=64 signal=store write_banks=0x1    ; a comment
    store memory_address=0x800 run_bytes=64 wait_load=1 read_banks=0x1
    halt

Numbers are decimal, hexadecimal (0x) or binary (0b); ``signal`` also takes engine names joined by ``+``.
"""

from __future__ import annotations

import difflib

from seedchip.isa.instruction import (
    Engine,
    FieldPlace,
    Instruction,
    InstructionError,
    decode_program,
    encode,
    encode_program,
    layout,
)

COMMENT = ";"
_HEXADECIMAL = ("_banks", "_address", "clamp_low", "clamp_high")


class AssemblyError(ValueError):
    """A line that is no instruction; the sentence begins with the line's number."""


def disassemble(code: bytes) -> str:
    """The text of a program's bytes, a line an instruction. Raises `InstructionError` for bytes that are no program."""
    return "".join(f"{format_instruction(i)}\n" for i in decode_program(code))


def assemble(text: str) -> bytes:
    """The bytes of a program's text: the inverse of `disassemble`. Raises `AssemblyError`."""
    return encode_program(parse_program(text))


def format_instruction(instruction: Instruction) -> str:
    """One line: the mnemonic and the fields that are not at their defaults, in the order of the encoding."""
    parts = [instruction.mnemonic()]
    for p in layout(type(instruction)):
        value = getattr(instruction, p.name)
        if value != p.default:
            parts.append(f"{p.name}={_format(p, int(value))}")
    return " ".join(parts)


def _format(place: FieldPlace, value: int) -> str:
    if place.name == "signal":
        return "+".join(e.name.lower() for e in Engine if value >> e & 1)
    return hex(value) if place.name.endswith(_HEXADECIMAL) else str(value)


def parse_program(text: str) -> list[Instruction]:
    """The instructions of a text. Raises `AssemblyError`."""
    program = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split(COMMENT, 1)[0].split()
        if words:
            try:
                program.append(_parse(words))
            except InstructionError as error:
                raise AssemblyError(f"line {number}: {error}") from None
    return program


def _parse(words: list[str]) -> Instruction:
    known = {c.mnemonic(): c for c in Instruction.registry.values()}
    cls = known.get(words[0])
    if cls is None:
        raise InstructionError(f"an instruction must be one of {', '.join(sorted(known))}, not {words[0]!r}"
                               f"{_suggest(words[0], list(known))}")
    places = {p.name: p for p in layout(cls)}
    values: dict[str, int] = {}
    for word in words[1:]:
        name, equals, text = word.partition("=")
        if not equals:
            raise InstructionError(f"a field must read name=number, not {word!r}")
        if name not in places:
            raise InstructionError(f"{words[0]} has no field {name!r}{_suggest(name, list(places))}")
        if name in values:
            raise InstructionError(f"{words[0]}.{name} must be given once")
        values[name] = _number(f"{words[0]}.{name}", text, is_signal=name == "signal")
    instruction = cls(**values)
    encode(instruction)
    return instruction


def _number(field: str, text: str, *, is_signal: bool) -> int:
    try:
        return int(text, 0)
    except ValueError:
        if not is_signal:
            raise InstructionError(f"{field} must be a number, not {text!r}") from None
    value, engines = 0, {e.name.lower(): 1 << e for e in Engine}
    for name in text.split("+"):
        if name not in engines:
            raise InstructionError(f"{field} must be engines ({', '.join(engines)}) joined by +, not {text!r}")
        value |= engines[name]
    return value


def _suggest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""
