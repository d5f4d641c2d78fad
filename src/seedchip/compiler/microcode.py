"""Expressions to micro-programs: operations in order, registers allocated, outer clamps given to the write path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedchip.isa.vector import MAX_CONSTANTS, MAX_OPERATIONS, NUM_REGISTERS, SOURCE_CONSTANT
from seedchip.numerics.expression import Expression, merge, postorder
from seedchip.numerics.microop import MICRO_OPS

LOW, HIGH = 0xFF800000, 0x7F800000


class MicrocodeError(ValueError):
    """An expression that does not fit one instruction."""


@dataclass(frozen=True)
class Microprogram:
    """32-bit words as the vector engine reads them, constants behind them, and the clamp of the write path."""

    words: tuple[int, ...]
    constants: tuple[int, ...]
    clamp_low: int = LOW
    clamp_high: int = HIGH

    @property
    def data(self) -> bytes:
        return np.array([*self.words, *self.constants], np.uint32).tobytes()


def assemble(expression: Expression, sources: list[int], *, integer: bool) -> Microprogram:
    """``sources[i]`` is the micro-operation source of argument i; ``integer``: the result is written as an integer.

    Raises `MicrocodeError` when the expression does not fit.
    """
    root = merge(expression)
    root, low, high = _peel_clamp(root) if integer else (root, LOW, HIGH)
    order = postorder(root)
    constants = list(dict.fromkeys(e.value & 0xFFFFFFFF for e in order if e.operator == "constant"))
    operations = [e for e in order if e.operands]
    first_is_a = root.operator == "argument" and sources[root.value] == 16
    if not operations and not first_is_a:
        operations = [Expression("mov", (root,))]
        order = [*order, operations[0]]
    if len(operations) > MAX_OPERATIONS or len(constants) > MAX_CONSTANTS:
        raise MicrocodeError(f"a micro-program holds {MAX_OPERATIONS} operations and {MAX_CONSTANTS} constants, not "
                             f"{len(operations)} and {len(constants)}")
    words = _allocate(operations, sources, constants)
    return Microprogram(tuple(words), tuple(constants), low, high)


def _allocate(operations: list[Expression], sources: list[int], constants: list[int]) -> list[int]:
    """Words with registers: a register is free again after the last use of its value; the result ends in register 0."""
    last_use: dict[int, int] = {}
    for i, e in enumerate(operations):
        for o in e.operands:
            last_use[id(o)] = i
    place: dict[int, int] = {}
    free = list(range(NUM_REGISTERS - 1, -1, -1))
    words = []
    for i, e in enumerate(operations):
        codes = [_source(o, sources, constants, place) for o in e.operands]
        for o in dict.fromkeys(e.operands):
            if id(o) in place and last_use[id(o)] == i:
                free.append(place[id(o)])
        if i == len(operations) - 1:
            register = 0
        elif free:
            register = min(free)
            free.remove(register)
        else:
            raise MicrocodeError(f"a micro-program must keep at most {NUM_REGISTERS} values at a time")
        place[id(e)] = register
        a, b, c = [*codes, 0, 0, 0][:3]
        words.append(MICRO_OPS[e.operator].opcode | register << 6 | a << 11 | b << 18 | c << 25)
    return words


def _source(e: Expression, sources: list[int], constants: list[int], place: dict[int, int]) -> int:
    if e.operator == "argument":
        return sources[e.value]
    if e.operator == "constant":
        return SOURCE_CONSTANT + constants.index(e.value & 0xFFFFFFFF)
    return place[id(e)]


def _peel_clamp(root: Expression) -> tuple[Expression, int, int]:
    """Outermost ``max`` and ``min`` with constants become the write path's clamp.

    Exact for integer results; a binary32 zero could get another sign, so callers peel integer results only.
    """
    bounds = {"max": LOW, "min": HIGH}
    for _ in range(2):
        if root.operator not in bounds or not _finite(root.operands[1]) or bounds[root.operator] not in (LOW, HIGH):
            break
        bounds[root.operator] = root.operands[1].value & 0xFFFFFFFF
        if _number(bounds["max"]) > _number(bounds["min"]):
            bounds[root.operator] = LOW if root.operator == "max" else HIGH
            break
        root = root.operands[0]
    return root, bounds["max"], bounds["min"]


def _number(bits: int) -> float:
    return float(np.uint32(bits).view(np.float32))


def _finite(e: Expression) -> bool:
    return e.operator == "constant" and bool(np.isfinite(np.int32(e.value).view(np.float32)))
