"""One vector instruction in lockstep, with its operands in the lower half of the scratchpad and results above."""

from __future__ import annotations

import dataclasses

import numpy as np

from seedchip.isa import Halt, Load, Vector, encode_program
from seedchip.numerics.microop import MICRO_OPS
from seedchip.rtl.simulation.lockstep import Lockstep, run_lockstep
from seedchip.spec import ChipSpec

DATA, PARAMETERS = 0x4000, 0x8000
"""Addresses in memory."""
F32 = np.float32


def out_address(spec: ChipSpec) -> int:
    return spec.scratchpad.bytes // 2


def run_vector(spec: ChipSpec, vector: Vector, operands: np.ndarray,
               parameters: np.ndarray | None = None) -> Lockstep:
    """Load ``operands`` to scratchpad address 0 and ``parameters`` to parameter address 0, then run ``vector``."""
    memory = np.zeros(1 << 16, np.uint8)
    half = spec.scratchpad.banks // 2
    low, high = (1 << half) - 1, (1 << 2 * half) - (1 << half)
    program: list = []
    for place, values, fields in ((DATA, operands, {"write_banks": low}), (PARAMETERS, parameters, {"space": 1})):
        if values is not None:
            stored = np.frombuffer(values.tobytes(), np.uint8)
            memory[place:place + len(stored)] = stored
            program.append(Load(memory_address=place, run_bytes=len(stored), signal=0b0100, **fields))
    program.append(dataclasses.replace(vector, wait_load=len(program), read_banks=low, write_banks=high,
                                       out_address=out_address(spec)))
    return run_lockstep(spec, memory, encode_program([*program, Halt()]), 0)


def results(spec: ChipSpec, run: Lockstep, shape: tuple[int, ...]) -> np.ndarray:
    """binary32 results, dense from the out address on."""
    start, size = out_address(spec), 4 * int(np.prod(shape))
    return run.hardware.scratchpad[start:start + size].view(F32).reshape(shape)


def same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(found.view(np.uint32), np.ascontiguousarray(expected, F32).view(np.uint32))


def word(name: str, register: int, *sources: int) -> int:
    """A micro-operation."""
    a, b, c = (*sources, 0, 0, 0)[:3]
    return MICRO_OPS[name].opcode | register << 6 | a << 11 | b << 18 | c << 25
