"""Random micro-programs: any operation on any source that there is."""

from __future__ import annotations

import numpy as np

from seedchip.conformance.data import SPECIALS
from seedchip.isa.vector import NUM_REGISTERS, SOURCE_A, SOURCE_CONSTANT, SOURCE_PARAMETER
from seedchip.numerics.microop import MICRO_OPS

MAX_CONSTANTS = 6
_OPERATIONS = list(MICRO_OPS.values())


def word(opcode: int, register: int, sources: tuple[int, ...]) -> int:
    """A micro-operation's encoding; sources that it does not have are 0."""
    a, b, c = (*sources, 0, 0, 0)[:3]
    return opcode | register << 6 | a << 11 | b << 18 | c << 25


def micro_program(rng: np.random.Generator, num_operations: int, operands: list[str],
                  num_parameters: int) -> tuple[np.ndarray, int]:
    """Micro-operations and the constants behind them (uint8), and how many constants there are.

    ``operands``: which of a, b and c the instruction has. Registers are read after they were written; the last
    operation writes register 0.
    """
    constants = rng.choice(SPECIALS, int(rng.integers(1, MAX_CONSTANTS + 1)))
    if rng.random() < 0.3:
        constants[0] = rng.integers(0, 40)  # a count of bits, for shifts
    sources = [*(SOURCE_A + "abc".index(name) for name in operands),
               *(SOURCE_PARAMETER + p for p in range(num_parameters)),
               *(SOURCE_CONSTANT + c for c in range(len(constants)))]
    written: list[int] = []
    words = []
    for i in range(num_operations):
        op = _OPERATIONS[int(rng.integers(0, len(_OPERATIONS)))]
        register = 0 if i == num_operations - 1 else int(rng.integers(0, NUM_REGISTERS))
        reads = tuple(int(rng.choice(written if written and rng.random() < 0.6 else sources)) for _ in range(op.arity))
        words.append(word(op.opcode, register, reads))
        written.append(register)
    return np.array([*words, *constants], np.uint32).view(np.uint8), len(constants)
