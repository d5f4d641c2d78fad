"""The same program bytes on simulator and hardware: every event and every byte equal."""

import dataclasses

import numpy as np
import pytest
from chips import NANO, TINY

from seedchip.compiler.microcode import assemble
from seedchip.isa import Halt, Instruction, Load, Matmul, Store, Vector, encode_program
from seedchip.numerics.expression import apply, argument
from seedchip.rtl.simulation import lockstep
from seedchip.rtl.simulation.events import Expectation
from seedchip.rtl.simulation.lockstep import LockstepError, run_lockstep
from seedchip.rtl.simulation.run import HardwareFault, run_hardware
from seedchip.simulator.kernels import load as load_kernel
from seedchip.simulator.timing import simulate

A, W, MICRO, PARAMETERS, RESULT = 0x1000, 0x2000, 0x3000, 0x3800, 0x4000
"""Addresses in memory."""
DATA = 0x8000
ROWS, DEPTH, WIDTH = 20, 24, 16
BANK = NANO.scratchpad.bytes // NANO.scratchpad.banks


def product_program(num_words: int) -> list[Instruction]:
    """Load, multiply, scale + bias + round + saturate, store: 20 x 24 by 24 x 16."""
    return [
        Load(memory_address=A, run_bytes=ROWS * DEPTH, write_banks=0b001, signal=0b1000),
        Load(memory_address=W, local_address=BANK, run_bytes=DEPTH * WIDTH, write_banks=0b010, signal=0b1000),
        Load(memory_address=MICRO, space=1, run_bytes=4 * num_words),
        Load(memory_address=PARAMETERS, local_address=64, space=1, run_bytes=8 * WIDTH, signal=0b0100),
        Matmul(wait_load=2, signal=0b0100, read_banks=0b011, accumulator_banks=1, activation_stride_x=DEPTH,
               size_x=ROWS, limit_x=ROWS, tiles_k=3, tiles_n=2, valid_k=DEPTH, valid_n=WIDTH, weight_address=BANK,
               weight_stride_n=8, weight_stride_k=8 * WIDTH, weight_stride_row=WIDTH, accumulator_stride=ROWS),
        Vector(wait_load=1, wait_matrix=1, signal=0b0001, write_banks=0b100, accumulator_banks=1, a_kind=3,
               a_stride_x=1, a_stride_group=ROWS, out_address=2 * BANK, out_stride_x=WIDTH, size_x=ROWS, columns=WIDTH,
               num_operations=num_words, parameter_address=2, num_parameters=2),
        Store(wait_vector=1, read_banks=0b100, memory_address=RESULT, local_address=2 * BANK, run_bytes=ROWS * WIDTH),
        Halt(),
    ]


def product_memory(rng: np.random.Generator, micro: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Memory with operands, and the result that NumPy gets."""
    a = rng.integers(-128, 128, (ROWS, DEPTH), dtype=np.int8)
    w = rng.integers(-128, 128, (DEPTH, WIDTH), dtype=np.int8)
    scale = rng.uniform(0.001, 0.01, WIDTH).astype(np.float32)
    bias = rng.normal(0, 20, WIDTH).astype(np.float32)
    memory = np.zeros(1 << 16, np.uint8)
    parameters = np.stack([scale.reshape(-1, 8), bias.reshape(-1, 8)], 1)  # group, vector, lane
    for address, value in ((A, a.tobytes()), (W, w.tobytes()), (MICRO, micro), (PARAMETERS, parameters.tobytes())):
        memory[address:address + len(value)] = np.frombuffer(value, np.uint8)
    sums = a.astype(np.int32) @ w.astype(np.int32)
    return memory, np.clip(np.rint(sums.astype(np.float32) * scale + bias), -128, 127).astype(np.int8)


def test_a_product_from_program_bytes_to_clock_edges():
    micro = assemble(apply("mad", argument(0), argument(1), argument(2)), [16, 24, 25], integer=True)
    memory, expected = product_memory(np.random.default_rng(0), micro.data)
    run = run_lockstep(NANO, memory, encode_program(product_program(1)), 0)
    stored = run.memory[RESULT:RESULT + ROWS * WIDTH].view(np.int8).reshape(ROWS, WIDTH)
    np.testing.assert_array_equal(stored, expected)
    # Code 10 words: 80 beats + 40. Stream: 2 x 3 tiles of 20 rows behind 8 of weights, 22 to drain; 1 + 40 + 24 for the
    # tail; the store's 40 beats + 40; 23 from the code's end to the matmul's start are the loads' and fetch's.
    start = run.hardware.started[3][0]
    assert run.cycles == start + (8 + 6 * 20 + 22) + (1 + 40 + 24) + (40 + 40)


def test_both_machines_read_and_write_the_same_granules():
    micro = assemble(apply("mad", argument(0), argument(1), argument(2)), [16, 24, 25], integer=True)
    memory, _ = product_memory(np.random.default_rng(1), micro.data)
    run = run_lockstep(NANO, memory, encode_program(product_program(1)), 0)
    assert run.hardware.granules_fetched == 10 * 64 // 8 == run.timeline.fetch_cycles
    assert run.hardware.granules_read == (ROWS * DEPTH + DEPTH * WIDTH + 8 + 8 * WIDTH) // 8
    assert run.hardware.granules_written == ROWS * WIDTH // 8


@pytest.mark.parametrize("distance", [1, 2, 3])
def test_a_sum_is_added_to_while_it_is_still_on_its_way(distance):
    """The second matmul streams right behind the first, from a row on that was summed ``distance`` cycles before."""
    rows = 12
    first = Matmul(activation_stride_x=4, size_x=rows, limit_x=rows, valid_k=4, valid_n=8, weight_address=1024,
                   weight_stride_row=8, read_banks=0b11, accumulator_banks=1)
    load = Load(run_bytes=2048, memory_address=DATA, write_banks=0b11, signal=0b1000)
    second = dataclasses.replace(first, accumulate=1, accumulator_address=rows - distance)
    code = encode_program([load, dataclasses.replace(first, wait_load=1), second, Halt()])
    memory = np.random.default_rng(distance).integers(0, 256, 1 << 16, dtype=np.uint8)
    run = run_lockstep(TINY, memory, code, 0)
    operands = memory[DATA:].view(np.int8).astype(np.int32)
    product = operands[:4 * rows].reshape(rows, 4) @ operands[1024:1056].reshape(4, 8)
    expected = np.zeros((2 * rows - distance, 8), np.int32)
    expected[:rows] = product
    expected[rows - distance:] += product
    np.testing.assert_array_equal(run.hardware.accumulator[:len(expected)], expected)


@pytest.mark.parametrize("transpose", [0, 1])
def test_int4_weights_are_signed_nibbles_the_lower_one_first(transpose):
    """Ones times a matrix gives the sums of its columns; nibbles 0..15 mean 0..7, -8..-1."""
    lines = TINY.matrix.columns if transpose else TINY.matrix.rows
    length = TINY.matrix.rows if transpose else TINY.matrix.columns
    codes = np.random.default_rng(transpose).integers(0, 16, (lines, length), dtype=np.uint8)
    memory = np.zeros(1 << 14, np.uint8)
    memory[4096:4096 + TINY.matrix.rows] = 1
    packed = codes[:, 0::2] | codes[:, 1::2] << 4
    memory[4200:4200 + packed.size] = packed.ravel()
    load = Load(run_bytes=512, memory_address=4096, write_banks=0b1, signal=0b1000)
    matmul = Matmul(wait_load=1, read_banks=0b1, accumulator_banks=1, valid_k=TINY.matrix.rows,
                    valid_n=TINY.matrix.columns, weight_address=104, weight_stride_row=length // 2,
                    transpose=transpose, int4=1)
    run = run_lockstep(TINY, memory, encode_program([load, matmul, Halt()]), 0)
    weights = np.where(codes > 7, codes.astype(np.int32) - 16, codes)
    np.testing.assert_array_equal(run.hardware.accumulator[0], weights.sum(axis=1 if transpose else 0))


def test_weights_in_the_bank_of_the_activations_are_loaded_alone():
    both = Matmul(activation_stride_x=8, size_x=20, limit_x=20, tiles_k=2, valid_k=16, weight_address=2048,
                  weight_stride_k=64, weight_stride_row=8, read_banks=1, accumulator_banks=1)
    alone = dataclasses.replace(both, first_alone=1, tiles_alone=1)
    memory = np.random.default_rng(2).integers(0, 256, 1 << 14, dtype=np.uint8)
    load = Load(run_bytes=4096, memory_address=4096, write_banks=1, signal=0b1000)
    first = dataclasses.replace(alone, wait_load=1)
    run = run_lockstep(NANO, memory, encode_program([load, first, alone, Halt()]), 0)
    # Each tile 8 cycles of weights, then 20 rows: two matmuls of two tiles; the last rows drain in 22.
    assert run.cycles == run.hardware.started[3][0] + 4 * (8 + 20) + 22
    program = [load, dataclasses.replace(both, wait_load=1), Halt()]
    with pytest.raises(HardwareFault, match=r"with fault conflict in instruction 1 of matrix"):
        run_lockstep(NANO, memory, encode_program(program), 0)


def test_a_program_that_does_not_end_in_time_is_given_up():
    code = encode_program([Load(fill=1, run_bytes=32, count0=2000, write_banks=1), Halt()])
    memory = np.zeros(4096, np.uint8)
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    with pytest.raises(HardwareFault, match=r"^the core has not ended after 1000 cycles$"):
        run_hardware(NANO, memory, 0, len(code) // 64, 1000)


def test_an_event_at_another_cycle_is_named():
    program = [Load(run_bytes=64, write_banks=1), Load(run_bytes=64, write_banks=1), Halt()]
    timeline = simulate(program, NANO)
    trace = Expectation(program, timeline).trace
    assert Expectation(program, timeline).difference(trace, timeline.cycles + 1) is None
    assert Expectation(program, timeline).difference(trace[:-2], timeline.cycles + 1) == (
        f"instruction 0 (load write_banks=0x1 run_bytes=64): the load engine completes it at cycle "
        f"{timeline.completed[0]} on the simulator, not by cycle {timeline.cycles + 1} on the hardware")
    timeline.started[1] += 1
    timeline.completed[1] += 1
    assert Expectation(program, timeline).difference(trace, timeline.cycles + 1) == (
        "instruction 1 (load write_banks=0x1 run_bytes=64): the load engine starts it at cycle 74 on the simulator, at "
        "cycle 73 on the hardware")


def test_the_instruction_that_leaves_another_value_is_named(monkeypatch):
    """The simulator's fill with 7 writes an 8 as its fourth byte; another fill and a store follow it."""
    fill = Load(fill=1, fill_value=5, run_bytes=64, write_banks=1)
    program = [fill, dataclasses.replace(fill, fill_value=7, local_address=256),
               dataclasses.replace(fill, local_address=512, signal=1),
               Store(local_address=256, run_bytes=16, memory_address=1024, wait_load=1, read_banks=1), Halt()]
    memory, code = np.zeros(4096, np.uint8), encode_program(program)
    run = run_lockstep(NANO, memory, code, 0)
    correct = load_kernel._filler

    def wrong(written, value):
        def fill():
            correct(written, value)()
            written.reshape(-1)[3] += value == 7
        return fill

    monkeypatch.setattr(load_kernel, "_filler", wrong)
    with pytest.raises(LockstepError) as error:
        run_lockstep(NANO, memory, code, 0)
    assert str(error.value) == (
        "instruction 1 (load write_banks=0x1 local_address=0x100 run_bytes=64 fill=1 fill_value=7), which the load "
        f"engine completes at cycle {run.timeline.completed[1]}, leaves 8 at scratchpad byte 0x103 on the simulator, 7 "
        "on the hardware (1 differ)")


def test_a_long_run_says_how_far_it_is(monkeypatch):
    monkeypatch.setattr(lockstep, "SLICE_CYCLES", 40)
    seen = []
    program = [Load(run_bytes=640, write_banks=1), Halt()]
    run = run_lockstep(NANO, np.zeros(4096, np.uint8), encode_program(program), 0, lambda *now: seen.append(now))
    assert seen == [(min(40 * (i + 1), run.cycles), run.cycles) for i in range(-(-run.cycles // 40))]
