"""After whatever a broken program did, the host gets the chip back: no rule of the bus is broken, and the next program
runs as if nothing had been."""

import contextlib

import numpy as np
from chips import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from products import PRODUCT, exact, product_memory, random_x, run_product

from seedchip.conformance.random_programs import random_case
from seedchip.rtl.simulation.chip_bench import CLEAR, QUIET, RUNNING, ChipBench
from seedchip.rtl.simulation.run import HardwareFault, Stalls
from seedchip.simulator.driver import read_output
from seedchip.simulator.timing import simulate

LENGTH, PATIENCE = 12, 5_000
"""Instructions of a program; cycles after which the host ends it."""
GOOD = product_memory(random_x(1))
CYCLES = simulate(PRODUCT.instructions, TINY).cycles


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 40), flips=st.lists(st.integers(0, 8 * 64 * LENGTH - 1), min_size=1, max_size=3),
       late=st.none() | st.integers(0, 1000), clear=st.booleans())
def test_the_host_gets_the_chip_back_from_any_program(seed, flips, late, clear):
    """With ``clear`` the host ends the broken run; without, the next start does, unless it is still under way."""
    case = random_case(TINY, seed, LENGTH)
    memory = case.memory
    for flip in flips:
        memory[flip // 8 % (64 * case.num_words)] ^= 1 << flip % 8
    stalls = None if late is None else Stalls(late, 0.2, 0.2, 20)
    with ChipBench(TINY, memory, stalls=stalls) as chip:
        with contextlib.suppress(HardwareFault):
            chip.run(0, case.num_words, PATIENCE)
        if clear or chip.read("STATUS") & RUNNING:
            chip.write("CONTROL", CLEAR)
            while chip.read("STATUS") & RUNNING:
                assert chip.traffic().cycles < 10 * PATIENCE
            assert chip.read("STATUS") == QUIET
        while not chip.read("STATUS") & QUIET:
            assert chip.traffic().cycles < 10 * PATIENCE
        memory[:len(GOOD)] = GOOD
        cycles = run_product(chip)
    np.testing.assert_array_equal(read_output(memory, PRODUCT.outputs[0]), exact(random_x(1)))
    assert late is not None or cycles == CYCLES
