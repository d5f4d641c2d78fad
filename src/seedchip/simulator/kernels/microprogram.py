"""Micro-programs as lists of NumPy calls on blocks of rows.

A micro-program is decoded once for each set of sources. Every value is of one of four forms: the same everywhere, one
element a column, one a row, or one an element; full values live in a few reused work arrays. What is computed is
exactly `seedchip.numerics.microop`, which also is what runs for the operations that are not spelled out here.

Arithmetic in work arrays may leave a NaN other than the canonical one; it is made canonical only where somebody looks
at the pattern: before operations on bits and, by the write path, in the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from seedchip.isa.vector import NUM_REGISTERS, SOURCE_A, SOURCE_C, SOURCE_CONSTANT, SOURCE_PARAMETER
from seedchip.numerics.microop import MICRO_OPS, MicroOp, canonical

BLOCK_ELEMENTS = 1 << 15
"""Elements of a block of rows: its work arrays stay in the second-level cache."""
UNIFORM, COLUMN, ROW, FULL = 0, 1, 2, 3
"""Forms of a value: bit 0 varies along a row, bit 1 from row to row."""

_BY_CODE = {op.opcode: op for op in MICRO_OPS.values()}
_ZERO = np.float32(0)
_IN_PLACE: dict[str, np.ufunc] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum, "rne": np.rint,
    "floor": np.floor}
_NO_SOURCES = (*range(SOURCE_C + 1, SOURCE_PARAMETER), *range(SOURCE_PARAMETER + 8, SOURCE_CONSTANT))
"""Codes of sources that no instruction has."""
_ON_BITS = ("i2f", "and", "or", "xor", "iadd", "isub", "shl", "shr")


class MicrocodeFault(ValueError):
    """A word that is no micro-operation, or a source that the instruction does not have."""


@dataclass(frozen=True, slots=True)
class Step:
    """``target = op(sources)``; all are value numbers.

    ``buffer`` is the work array of a full target, or -1; NaNs of ``dirty`` sources are made canonical first.
    """

    op: MicroOp
    sources: tuple[int, ...]
    target: int
    dirty: tuple[int, ...]
    buffer: int = -1


@dataclass(slots=True)
class Plan:
    """What `evaluate` runs: leaves by value number, then steps, then the number of the result."""

    leaves: list[tuple[int, int]] = field(default_factory=list)
    """(source code, value number) of operands and parameters that the program reads"""
    constants: list[tuple[int, np.ndarray]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    num_values: int = 0
    num_buffers: int = 0
    result: int = 0


@lru_cache(maxsize=4096)
def plan(code: bytes, num_operations: int, forms: tuple[tuple[int, int], ...]) -> Plan:
    """Decode ``code`` (operation words, then constants). ``forms``: (source code, form) of every source there is."""
    words = np.frombuffer(code, "<u4")
    return _Planner(words[num_operations:], dict(forms)).run([int(w) for w in words[:num_operations]])


class _Planner:
    """Values are numbered as they come up; a register is a name for a value."""

    def __init__(self, constants: np.ndarray, forms: dict[int, int]) -> None:
        self.plan = Plan()
        self.constants, self.form_of_source = constants, forms
        self.known: dict[int, int] = {}
        self.forms: list[int] = []
        self.registers: dict[int, int] = {}
        self.dirty: set[int] = set()

    def run(self, words: list[int]) -> Plan:
        for word in words:
            op = _BY_CODE.get(word & 63)
            if op is None:
                raise MicrocodeFault(f"micro-operation {word & 63} must be one of {sorted(_BY_CODE)}")
            codes = (word >> 11 & 127, word >> 18 & 127, word >> 25 & 127)
            sources = tuple(self._source(c) for c in codes[: op.arity])
            if any(c in _NO_SOURCES for c in codes):
                raise MicrocodeFault(f"sources that {op.name} does not have must be 0, not {codes[op.arity:]}")
            destination = word >> 6 & 31
            if destination >= NUM_REGISTERS:
                raise MicrocodeFault(f"destination register must be below {NUM_REGISTERS}, not {destination}")
            if op.name == "mov":
                self.registers[destination] = sources[0]
                continue
            self.registers[destination] = self._step(op, sources)
        if words and words[-1] >> 6 & 31:
            raise MicrocodeFault(f"the last micro-operation must write register 0, not {words[-1] >> 6 & 31}")
        self.plan.result = self._source(0 if words else SOURCE_A)
        self.plan.num_values = len(self.forms)
        self._assign_buffers()
        return self.plan

    def _step(self, op: MicroOp, sources: tuple[int, ...]) -> int:
        form = UNIFORM
        for s in sources:
            form |= self.forms[s]
        target = self._value(form)
        dirty = self.dirty.intersection(sources) if op.name in _ON_BITS else frozenset()
        self.dirty -= dirty
        if _runs_in_place(op, form) or (op.name == "sel" and self.dirty.intersection(sources[1:])):
            self.dirty.add(target)
        self.plan.steps.append(Step(op, sources, target, tuple(sorted(dirty))))
        return target

    def _value(self, form: int) -> int:
        self.forms.append(form)
        return len(self.forms) - 1

    def _source(self, code: int) -> int:
        if code < NUM_REGISTERS:
            if code not in self.registers:
                raise MicrocodeFault(f"register {code} must be written before it is read")
            return self.registers[code]
        if code not in self.known:
            if code >= SOURCE_CONSTANT:
                if code - SOURCE_CONSTANT >= len(self.constants):
                    raise MicrocodeFault(f"constant {code - SOURCE_CONSTANT} must be one of {len(self.constants)}")
                self.known[code] = self._value(UNIFORM)
                pattern = np.array(self.constants[code - SOURCE_CONSTANT], np.uint32).view(np.float32)
                self.plan.constants.append((self.known[code], pattern))
            elif code in self.form_of_source:
                self.known[code] = self._value(self.form_of_source[code])
                self.plan.leaves.append((code, self.known[code]))
            else:
                raise MicrocodeFault(f"source {code} must be an operand or parameter of the instruction")
        return self.known[code]

    def _assign_buffers(self) -> None:
        """Work arrays for full results, given back after the last use. A sum's third operand keeps its own."""
        steps, last = self.plan.steps, {self.plan.result: len(self.plan.steps)}
        for number, step in enumerate(steps):
            for s in step.sources:
                last[s] = max(last.get(s, 0), number)
        free: list[int] = []
        held: dict[int, int] = {}
        for number, step in enumerate(steps):
            ending = [s for s in dict.fromkeys(step.sources) if s in held and last[s] == number]
            early = [s for s in ending if step.op.name != "mad" or s != step.sources[2]]
            free.extend(held.pop(s) for s in early)
            if _runs_in_place(step.op, self.forms[step.target]):
                if not free:
                    free.append(self.plan.num_buffers)
                    self.plan.num_buffers += 1
                held[step.target] = free.pop()
                steps[number] = replace(step, buffer=held[step.target])
            free.extend(held.pop(s) for s in ending if s not in early)
            if step.target in held and step.target not in last:
                free.append(held.pop(step.target))


def _runs_in_place(op: MicroOp, form: int) -> bool:
    return form == FULL and (op.name in _IN_PLACE or op.name == "mad")


def evaluate(p: Plan, leaf: Callable[[int], np.ndarray], work: list[np.ndarray]) -> np.ndarray:
    """The result over one block; ``leaf`` gives the array of a source code, ``work`` full float32 arrays.

    NaN results may be other than the canonical one; who writes them canonicalises them.
    """
    values: list[np.ndarray | None] = [None] * p.num_values
    for code, number in p.leaves:
        values[number] = leaf(code)
    for number, constant in p.constants:
        values[number] = constant
    for step in p.steps:
        for s in step.dirty:
            values[s] = canonical(values[s])  # type: ignore[arg-type]
        arguments = [values[s] for s in step.sources]
        if step.buffer < 0:
            values[step.target] = step.op.compute(*arguments)
            continue
        out, name = work[step.buffer], step.op.name
        if name == "mad":
            np.multiply(arguments[0], arguments[1], out=out)  # type: ignore[arg-type]
            np.add(out, arguments[2], out=out)  # type: ignore[arg-type]
        else:
            _IN_PLACE[name](*arguments, out=out)
            if name in ("min", "max"):
                np.add(out, _ZERO, out=out)
        values[step.target] = out
    result = values[p.result]
    assert result is not None
    return result
