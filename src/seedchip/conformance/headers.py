"""Edges of the header that all instructions share: tokens, signals and locks, by their effect on another engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.conformance.case import Case
from seedchip.conformance.data import CODE_BYTES, random_memory
from seedchip.conformance.span import Span, fixed
from seedchip.isa import Engine, Halt, Instruction, Load, Matmul, Store, Vector

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

CLASSES: dict[Engine, type[Instruction]] = {
    Engine.STORE: Store, Engine.LOAD: Load, Engine.VECTOR: Vector, Engine.MATRIX: Matmul}
HAS_BANKS = "the chip has so many banks"
TOUCHED = "the instruction touches bank 0; the chip has so many banks"
_LOCKS = {"read_banks": (Store, Matmul, Vector), "write_banks": (Vector,), "accumulator_banks": (Matmul,)}
"""Which of the instructions of `minimal` touch bank 0 of what."""


def minimal(cls: type[Instruction], spec: ChipSpec, **header: int) -> Instruction:
    """The smallest instruction of a class, with what it touches in bank 0: a load of parameters, a store, a product
    with one row, a copy of one group."""
    locks = {name: header.pop(name, 0) | int(cls in classes) for name, classes in _LOCKS.items()}
    own: dict[str, Any] = {
        Load: {"space": 1, "run_bytes": 8, "memory_address": CODE_BYTES},
        Store: {"run_bytes": 8, "memory_address": CODE_BYTES},
        Matmul: {"valid_k": spec.matrix.rows, "valid_n": spec.matrix.columns, "first_alone": 1},
        Vector: {"out_address": spec.line_bytes * 2},
    }[cls]
    return cls(**own, **locks, **header)


def header_cases(spec: ChipSpec) -> Iterator[Case]:
    """Every field of the header of every instruction at its edges."""
    for engine, cls in CLASSES.items():
        for source in Engine:
            yield _case(f"{cls.mnemonic()}.wait_{source.name.lower()}", _waits(spec, cls, source))
        yield _case(f"{cls.mnemonic()}.signal", _signals(spec, engine))
        for name in _LOCKS:
            yield _case(f"{cls.mnemonic()}.{name}", _locks(spec, cls, name))
    for name in ("wait_store", "wait_load", "wait_vector", "wait_matrix", "signal", *_LOCKS):
        high = header_span(spec, Halt, name).edges
        for value in high:
            yield _case(f"halt.{name} = {value}", [minimal(Load, spec)], **{name: value})


def header_span(spec: ChipSpec, cls: type[Instruction], name: str) -> Span:
    """The legal values of a field of the header."""
    if name not in _LOCKS:
        return Span(0, 15, fixed())
    banks = spec.accumulator.banks if name == "accumulator_banks" else spec.scratchpad.banks
    if cls is Halt:
        width = 8 if name == "accumulator_banks" else 32
        return Span(0, (1 << width) - 1, fixed())
    if cls in _LOCKS[name]:
        return Span(1, (1 << banks) - 1, fixed(), TOUCHED, step=2)
    return Span(0, (1 << banks) - 1, fixed(), HAS_BANKS)


def _case(name: str, program: list[Instruction], **halt: int) -> Case:
    return Case(name, [*program, Halt(**halt)], random_memory(np.random.default_rng(len(name))))


def _waits(spec: ChipSpec, cls: type[Instruction], source: Engine) -> list[Instruction]:
    """For each number of tokens as many instructions that send one, and the one that waits for them all."""
    assert cls.engine is not None
    wait = f"wait_{source.name.lower()}"
    program: list[Instruction] = []
    for value in header_span(spec, cls, wait).edges:
        program += [minimal(CLASSES[source], spec, signal=1 << cls.engine)] * value
        program.append(minimal(cls, spec, **{wait: value}))
    return program


def _signals(spec: ChipSpec, engine: Engine) -> list[Instruction]:
    """For each set of engines the instruction that sends them tokens, and one for each of them that waits."""
    program: list[Instruction] = []
    for value in header_span(spec, CLASSES[engine], "signal").edges:
        program.append(minimal(CLASSES[engine], spec, signal=value))
        program += [minimal(CLASSES[e], spec, **{f"wait_{engine.name.lower()}": 1}) for e in Engine if value >> e & 1]
    return program


def _locks(spec: ChipSpec, cls: type[Instruction], name: str) -> list[Instruction]:
    """For each set of banks the instruction that locks them, and of another engine one a bank that needs it."""
    other = Load if cls is not Load else Vector
    program: list[Instruction] = []
    banks = spec.accumulator.banks if name == "accumulator_banks" else spec.scratchpad.banks
    for value in header_span(spec, cls, name).edges:
        program.append(minimal(cls, spec, **{name: value}))
        program += [minimal(other, spec, **{name: 1 << bank}) for bank in range(1, banks)]
    return program
