"""Every kernel against literal loops over bytes and elements, on random instructions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_instructions import MEMORY_BYTES, SPEC, filled_state, matmuls, transfers, vectors
from scalar_machine import execute

from seedchip.isa import Instruction, Vector
from seedchip.numerics.microop import MICRO_OPS
from seedchip.simulator import Machine
from seedchip.simulator.state import State


def run_both(instruction: Instruction, before: State) -> tuple[State, State]:
    """States after the kernel and after the loops."""
    machine = Machine([instruction], SPEC, MEMORY_BYTES)
    expected = filled_state(0)
    for name in ("memory", "scratchpad", "accumulator", "parameter"):
        getattr(machine.state, name)[...] = getattr(before, name)
        getattr(expected, name)[...] = getattr(before, name)
    machine.run()
    execute(instruction, expected, SPEC)  # type: ignore[arg-type]
    return machine.state, expected


def assert_same(got: State, expected: State) -> None:
    for name in ("memory", "scratchpad", "accumulator", "parameter"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


@settings(max_examples=150, deadline=None)
@given(transfers(), st.integers(0, 3))
def test_transfers_copy_what_literal_loops_copy(instruction, seed):
    before = filled_state(seed)
    indices = before.scratchpad[:800].view(np.int32)
    indices[:] = np.random.default_rng(seed).integers(-25, 25, indices.size)
    assert_same(*run_both(instruction, before))


@settings(max_examples=100, deadline=None)
@given(matmuls(), st.integers(0, 3))
def test_a_matmul_gives_the_sums_of_literal_loops(instruction, seed):
    assert_same(*run_both(instruction, filled_state(seed)))


@settings(max_examples=250, deadline=None)
@given(vectors(), st.integers(0, 3), st.booleans())
def test_a_vector_instruction_gives_the_bits_of_literal_loops(case, seed, finite):
    instruction, words = case
    before = filled_state(seed)
    if finite:
        numbers = np.random.default_rng(seed).normal(0, 50, before.scratchpad.size // 4).astype(np.float32)
        before.scratchpad.view(np.float32)[:] = numbers
        before.parameter.view(np.float32)[:] = numbers[: before.parameter.size // 4]
    before.parameter[: 4 * len(words)] = np.array(words, np.uint32).view(np.uint8)
    assert_same(*run_both(instruction, before))


def test_a_nan_that_arithmetic_made_is_the_canonical_one_for_bit_operations():
    sub, shr, i2f = (MICRO_OPS[n].opcode for n in ("sub", "shr", "i2f"))
    words = [sub | 16 << 11 | 16 << 18, shr | 0 << 11 | 64 << 18, i2f, 8]  # r0 = i2f((a - a) >> 8)
    instruction = Vector(a_type=2, columns=8, size_x=2, a_stride_x=32, out_type=1, out_address=4096, out_stride_x=32,
                         num_operations=3, num_constants=1, read_banks=1, write_banks=2)
    before = filled_state(0)
    before.scratchpad[:64].view(np.float32)[:] = [np.inf, 1.0] * 8
    before.parameter[:16] = np.array(words, np.uint32).view(np.uint8)
    got, expected = run_both(instruction, before)
    assert got.scratchpad[4096:4160].view(np.int32).tolist() == [0x7FC00000 >> 8, 0] * 8
    assert_same(got, expected)
