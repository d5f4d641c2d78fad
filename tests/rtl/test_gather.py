"""Rows by indices: worked out by hand, at the edges of indices, and as fast as a transfer without them."""

import numpy as np
import pytest
from chips import NANO, TINY

from seedchip.isa import WORD_BYTES, Halt, Load, encode_program
from seedchip.isa.dma import GATHER_SETUP_CYCLES
from seedchip.rtl.simulation.lockstep import run_lockstep
from seedchip.rtl.simulation.run import Stalls, run_hardware

TABLE, INDICES, ROWS = 0x2000, 0x1000, 5
"""Addresses in memory; rows of the table."""
EDGES = [0, 4, -1, -5, 5, -6, (1 << 31) - 1, -(1 << 31), 2, 2]


def gather_memory(indices: list[int]) -> np.ndarray:
    memory = np.random.default_rng(0).integers(1, 256, 1 << 14, dtype=np.uint8)
    memory[INDICES:INDICES + 4 * len(indices)] = np.array(indices, np.int32).view(np.uint8)
    return memory


def gather_code(num_indices: int, run: int, stride: int) -> bytes:
    """Indices to byte 0 of bank 0, rows to bank 1."""
    bank = NANO.scratchpad.bytes // NANO.scratchpad.banks
    return encode_program([
        Load(memory_address=INDICES, run_bytes=4 * num_indices, write_banks=1, signal=0b0010),
        Load(memory_address=TABLE, gather=1, table_rows=ROWS, run_bytes=run, memory_stride0=stride, count0=num_indices,
             local_address=bank, local_stride0=run, write_banks=0b10, read_banks=0b01, wait_load=1),
        Halt(),
    ])


@pytest.mark.parametrize("stride", [24, -24])
def test_indices_choose_rows_count_from_the_end_and_give_zeros_outside(stride):
    memory = gather_memory(EDGES)
    run = run_lockstep(NANO, memory, gather_code(len(EDGES), 16, stride), 0)
    bank = NANO.scratchpad.bytes // NANO.scratchpad.banks
    found = run.hardware.scratchpad[bank:bank + 16 * len(EDGES)].reshape(-1, 16)
    for row, number in zip(found, [0, 4, 4, 0, None, None, None, None, 2, 2], strict=True):
        place = TABLE + stride * (number or 0)
        np.testing.assert_array_equal(row, 0 if number is None else memory[place:place + 16])


def test_a_gather_moves_a_granule_a_cycle_behind_its_setup():
    indices = [3, -1, 9, 0] * 20
    run = run_lockstep(NANO, gather_memory(indices), gather_code(len(indices), 8, 8), 0)
    start, end = run.hardware.started[1][1], run.hardware.completed[1][1]
    assert end - start == GATHER_SETUP_CYCLES + len(indices) + NANO.memory.latency_cycles == 6 + 80 + 40
    assert run.hardware.granules_read == 4 * len(indices) // 8 + len(indices)


@pytest.mark.parametrize("seed", range(3))
def test_late_memory_changes_no_row(seed):
    indices = (EDGES * 4)[seed:]
    memory, code = gather_memory(indices), gather_code(len(indices), 24, 32)
    expected = run_lockstep(NANO, memory, code, 0).hardware
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    found = run_hardware(NANO, memory, 0, len(code) // WORD_BYTES, 100_000, Stalls(seed))
    np.testing.assert_array_equal(found.scratchpad, expected.scratchpad)
    assert found.granules_read == expected.granules_read


def test_two_gathers_follow_each_other_without_a_gap():
    gather = Load(memory_address=TABLE, gather=1, table_rows=ROWS, run_bytes=4, memory_stride0=4, count0=6, count1=2,
                  memory_stride1=32, local_address=1024, local_stride0=4, local_stride1=24, write_banks=2, read_banks=1)
    load = Load(memory_address=INDICES, run_bytes=24, write_banks=1, signal=0b0010)
    first = Load(**{**vars(gather), "wait_load": 1})
    run = run_lockstep(TINY, gather_memory([0, 1, 7, -2, -9, 4]), encode_program([load, first, gather, Halt()]), 0)
    starts = run.hardware.started[1]
    assert starts[2] - starts[1] == GATHER_SETUP_CYCLES + 12
