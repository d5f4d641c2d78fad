"""Programs with wrong bits: the core comes to an end, and touches nothing but the memory that it was given."""

import numpy as np
from chips import TINY
from hypothesis import given, settings
from hypothesis import strategies as st

from seedchip.conformance.random_programs import random_case
from seedchip.isa import WORD_BYTES, Halt, Instruction, InstructionError, decode
from seedchip.rtl.simulation.run import CoreRun, HardwareFault, Stalls
from seedchip.simulator.timing import simulate

LENGTH, PATIENCE = 12, 100_000
"""Instructions of a program; cycles beyond which an end is not waited for."""
WAITS = ("wait_store", "wait_load", "wait_vector", "wait_matrix")


def longest(code: bytes) -> int:
    """Cycles that the program's instructions take at most, one after the other; as far as they are instructions."""
    total, offset = 0, 0
    while offset < len(code):
        try:
            instruction = decode(code, offset)
        except InstructionError:
            break
        if not isinstance(instruction, Halt):
            total += alone(instruction)
        offset += instruction.num_words * WORD_BYTES
    return total


def alone(instruction: Instruction) -> int:
    fields = {**vars(instruction), **dict.fromkeys(WAITS, 0)}
    if any(fields.get(name) == 0 for name in ("columns", "size_x", "size_y", "run_bytes", "count0", "count1")):
        return 0
    return simulate([type(instruction)(**fields), Halt()], TINY).cycles


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 40), flips=st.lists(st.integers(0, 8 * 64 * LENGTH - 1), min_size=1, max_size=3),
       late=st.none() | st.integers(0, 1000))
def test_flipped_bits_neither_hang_the_core_nor_let_it_leave_its_memory(seed, flips, late):
    case = random_case(TINY, seed, LENGTH)
    code = np.frombuffer(case.code, np.uint8).copy()
    for flip in flips:
        code[flip // 8 % len(code)] ^= 1 << flip % 8
    memory = case.memory
    memory[:len(code)] = code
    expected = longest(code.tobytes())
    stalls = None if late is None else Stalls(late, 0.2, 0.2, 20)
    with CoreRun(TINY, memory, 0, case.num_words, stalls) as run:
        try:
            ended = run.advance(PATIENCE)
        except HardwareFault as fault:
            assert fault.causes, f"the bus saw what it must not: {fault}"
            ended = True
    assert ended or expected > PATIENCE / 20
