"""After whatever a broken program did, the host gets the chip back: no rule of the bus is broken, and the next program
runs as if nothing had been."""

import contextlib
import dataclasses

import numpy as np
import pytest
from chips import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from products import PRODUCT, exact, product_memory, random_x, run_product

from seedchip.conformance.random_programs import random_case
from seedchip.isa import WORD_BYTES, Engine, Halt, Load, Matmul, Store, Vector, encode_program
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


BANK = TINY.scratchpad.bytes // TINY.scratchpad.banks
LONG = {
    "matmul": Matmul(size_y=16, size_x=8, limit_y=16, limit_x=8, tiles_n=2, tiles_k=4, valid_k=16, valid_n=16,
                     activation_stride_x=4, weight_address=BANK, weight_stride_row=8, read_banks=3,
                     accumulator_banks=3),
    "transposed": Matmul(size_x=8, limit_x=8, tiles_n=8, tiles_k=16, valid_k=64, valid_n=64, transpose=1, read_banks=3,
                         activation_stride_x=4, weight_address=BANK, weight_stride_row=8, accumulator_banks=3),
    "map": Vector(size_x=100, columns=8, a_stride_x=8, out_stride_x=8, read_banks=1, write_banks=2, out_address=BANK),
    "window": Vector(size_x=100, columns=8, window=1, tap_y=2, tap_x=2, limit_y=2, limit_x=200, a_stride_x=8,
                     a_stride_y=8, out_stride_x=8, read_banks=3, write_banks=4, out_address=2 * BANK),
    "reduce": Vector(size_x=40, columns=64, reduce=1, read_banks=1, write_banks=2, out_address=BANK, out_type=2,
                     out_stride_x=4),
    "fill": Load(fill=1, run_bytes=8000, write_banks=0xFF),
    "load": Load(run_bytes=1024, count0=16, memory_address=4096, write_banks=1),
}


@pytest.mark.parametrize("name", LONG)
def test_nothing_comes_out_of_a_pipeline_that_was_reset(name):
    """A store faults while a long instruction is in full flow; the next run begins with what that left behind."""
    long = dataclasses.replace(LONG[name], wait_load=int(LONG[name].engine != Engine.LOAD))
    first = Load(run_bytes=4, memory_address=4096, write_banks=1, signal=0b1101)
    code = encode_program([first, long, Store(run_bytes=0, wait_load=1), Halt()])
    with ChipBench(TINY, np.zeros(1 << 15, np.uint8)) as chip:
        for pause in range(12):
            chip.memory[:len(code)] = np.frombuffer(code, np.uint8)
            with pytest.raises(HardwareFault, match=r"with fault field$"):
                chip.run(0, len(code) // WORD_BYTES, PATIENCE)
            for _ in range(pause):
                chip.read("MAGIC")
            while not chip.read("STATUS") & QUIET:
                assert chip.traffic().cycles < 20 * PATIENCE
            chip.memory[:len(GOOD)] = GOOD
            assert run_product(chip) == CYCLES
            np.testing.assert_array_equal(read_output(chip.memory, PRODUCT.outputs[0]), exact(random_x(1)))
