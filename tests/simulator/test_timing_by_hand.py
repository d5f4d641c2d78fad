"""Cycle counts worked by hand from docs/03_reference/timing.md, on `nano`.

There: 8 bytes a cycle and granule, latency 40, fetches of 1024 bytes (16 words), an 8 x 8 array with 6 registers,
8 lanes with 24, scratchpad lines of 32 bytes, banks of 4096 bytes.
"""

from __future__ import annotations

import pytest

from seedchip.isa import Engine, Halt, Instruction, Load, Matmul, Store, Vector
from seedchip.simulator import DeadlockError, Timeline, simulate
from seedchip.simulator.counters import count_cycles
from seedchip.spec import load

SPEC = load("nano")
STORE, VECTOR, MATRIX = 1 << Engine.STORE, 1 << Engine.VECTOR, 1 << Engine.MATRIX


def run(*instructions: Instruction) -> tuple[Timeline, dict[str, dict[str, int]]]:
    """Time line and the causes that are not 0."""
    program = [*instructions, Halt()]
    line = simulate(program, SPEC)
    counted = count_cycles(program, SPEC, line)
    return line, {engine: {c: n for c, n in causes.items() if n} for engine, causes in counted.items()}


def test_a_copy_waits_for_fetch_and_both_latencies():
    line, causes = run(Load(memory_address=1024, run_bytes=64, signal=STORE, write_banks=1),
                       Store(memory_address=2048, run_bytes=64, wait_load=1, read_banks=1))
    # Three words = 192 bytes = 24 beats, + 40: the block is complete at 64. Dispatch at 64, 65, halt at 66.
    assert line.dispatched == [64, 65, 66]
    # The load starts at 65, 8 beats, complete at 65 + 8 + 40 = 113; there the store starts: 113 + 8 + 40 = 161.
    assert line.started == [65, 113, -1]
    assert line.completed == [113, 161, -1]
    assert line.cycles == 161
    assert causes == {"load": {"dispatch": 65, "active": 8, "memory": 40, "idle": 48},
                      "store": {"dispatch": 66, "semaphore": 47, "active": 8, "memory": 40},
                      "vector": {"idle": 161}, "matrix": {"idle": 161}}


def test_two_loads_overlap_their_latencies():
    line, causes = run(Load(run_bytes=64, write_banks=1), Load(run_bytes=64, write_banks=1))
    # Block complete at 64; loads start at 65 and, when the port is free, at 65 + 8 = 73; 73 + 8 + 40 = 121.
    assert line.started[:2] == [65, 73]
    assert line.cycles == 121
    assert causes["load"] == {"dispatch": 65, "active": 16, "memory": 40}


def test_weight_tiles_longer_than_the_rows_leave_the_array_waiting():
    line, causes = run(
        Load(fill=1, run_bytes=64, signal=MATRIX, write_banks=1),
        Matmul(size_x=4, tiles_k=2, valid_k=16, wait_load=1, signal=VECTOR, read_banks=1, accumulator_banks=1),
        Vector(a_kind=3, a_stride_x=1, size_x=4, columns=8, out_stride_x=8, wait_matrix=1, accumulator_banks=1,
               write_banks=2, out_address=4096))
    # Words: 1 + 2 + 2 + 1 = 384 bytes = 48 beats, + 40: complete at 88. Last words at 88, 90, 92, halt at 93.
    assert line.dispatched == [88, 90, 92, 93]
    # Fill: 64 / 32 = 2 cycles from 89, complete at 89 + 2 + 1 = 92; the matmul takes its token there.
    # First tile 92..100, streams 4 rows; the second is loaded beside it from 100 and streams at 100 + max(4, 8) = 108.
    # Stream end 112, complete at 112 + 8 + 8 + 6 = 134. Vector: 4 groups of one slot, 134 + 4 + 24 = 162.
    assert line.started[:3] == [89, 92, 134]
    assert line.released[1] == 108
    assert line.completed[:3] == [92, 134, 162]
    assert line.cycles == 162
    assert causes == {"load": {"dispatch": 89, "active": 2, "drain": 1, "idle": 70},
                      "matrix": {"dispatch": 91, "semaphore": 1, "active": 8, "weights": 12, "drain": 22, "idle": 28},
                      "vector": {"dispatch": 93, "semaphore": 41, "active": 4, "drain": 24}, "store": {"idle": 162}}


def test_two_matmuls_stream_without_a_gap_when_rows_hide_the_weights():
    matmul = Matmul(size_x=20, tiles_k=2, valid_k=16, read_banks=1, accumulator_banks=1)
    line, causes = run(matmul, matmul)
    # Words 2 + 2 + 1 = 320 bytes = 40 beats, + 40: complete at 80. Last words at 81 and 83.
    # First: starts 82, streams 90, 110, ends 130; the second may start when the last tile begins to stream, at 110:
    # its tile is there at 118, it streams from 130 and 150 to 170: complete at 170 + 22 = 192.
    assert line.started[:2] == [82, 110]
    assert line.released[:2] == [110, 150]
    assert line.cycles == 192
    assert causes["matrix"] == {"dispatch": 82, "weights": 8, "active": 80, "drain": 22}


def test_a_bank_that_another_engine_holds_delays_a_load():
    line, causes = run(Vector(columns=8, size_x=100, a_stride_x=8, out_stride_x=8, out_address=4096, read_banks=1,
                              write_banks=2),
                       Load(run_bytes=64, local_address=4096, write_banks=2))
    # Words 2 + 1 + 1 = 256 bytes = 32 beats, + 40: complete at 72. The vector is dispatched at 73, starts at 74,
    # takes 100 slots and 24 cycles: 198. The load is dispatched at 74, gets the bank at 198: 198 + 8 + 40 = 246.
    assert line.started[:2] == [74, 198]
    assert line.cycles == 246
    assert causes["load"] == {"dispatch": 75, "bank": 123, "active": 8, "memory": 40}


def test_several_slots_a_group_interleave_eight_groups():
    line, _ = run(Vector(columns=8, size_x=9, a_stride_x=8, out_stride_x=8, out_address=4096, num_operations=3,
                         num_constants=6, read_banks=1, write_banks=2))
    # Words 2 + 1 = 192 bytes: block complete at 64; last word at 65, start at 66. Micro-program of 9 words: 2 lines.
    # 9 groups are two batches of 8, 3 slots each: 48. 66 + 2 + 48 + 24 = 140.
    assert line.cycles == 140


def test_a_row_reduction_folds_its_partial_sums():
    line, _ = run(Vector(columns=16, size_x=9, a_stride_x=16, out_stride_x=4, out_address=4096, reduce=1, read_banks=1,
                         write_banks=2))
    # Start at 66. Two blocks of 8 rows, each row 2 groups of 1 slot. 64 partial sums are 8 vectors, folded in 4 + 2 + 1
    # steps, and then 8 lanes in 3 levels: 2 * 8 * (2 + 10) = 192. Then the pipeline's 24, and 4 for the last addition.
    assert line.cycles == 66 + 192 + 24 + 4


def test_a_reduction_folds_as_far_behind_as_its_operations_are():
    line, _ = run(Vector(columns=16, size_x=8, a_stride_x=16, b_kind=1, c_kind=1, out_stride_x=4, out_address=4096,
                         reduce=1, read_banks=1, write_banks=2))
    # One block of 2 groups of 3 slots: the reads of A, B and C; operations follow the last one, two slots behind.
    assert line.cycles == 66 + 8 * (2 * 3 + 10) + 24 + 2 * 8 + 4


def test_a_windows_strides_are_multiplied_before_its_first_tap():
    line, _ = run(Vector(columns=8, size_x=8, a_stride_x=8, out_stride_x=8, out_address=4096, window=1, tap_x=3,
                         limit_x=8, read_banks=1, write_banks=2))
    # Start at 66, 8 cycles of setup, one batch of 3 taps. Its move runs in the slot after the last one.
    assert line.cycles == 66 + 8 + 8 * 3 + 24 + 8


def test_a_windows_operations_follow_its_last_tap():
    line, _ = run(Vector(columns=8, size_x=8, a_stride_x=8, out_stride_x=8, out_address=4096, window=1, tap_x=3,
                         limit_x=8, num_operations=2, read_banks=1, write_banks=2))
    # 3 taps and 2 operations are 5 slots, and nothing is left to do after them.
    assert line.cycles == 66 + 8 + 8 * 5 + 24


def test_the_second_block_is_requested_when_the_first_is_complete():
    line, _ = run(*[Load(fill=1, run_bytes=32, write_banks=1)] * 16)
    # 17 words: block 0 is 1024 bytes = 128 beats, complete at 168; block 1 is 64 bytes = 8 beats, 168 + 8 + 40 = 216.
    # Fills take 1 + 1 cycles each: 169, 171, ... 199. Halt is dispatched at 216.
    assert line.started[:16] == list(range(169, 201, 2))
    assert line.dispatched[16] == 216
    assert line.cycles == 217


def test_a_full_queue_stalls_dispatch():
    line, _ = run(*[Load(fill=1, run_bytes=320, write_banks=1)] * 15, *[Load(fill=1, run_bytes=320, write_banks=1)] * 5)
    # Fills of 10 + 1 cycles: 169, 180, 191 ... Words of block 0 (16) at 168..183, block 1 (5 words, 40 beats) is
    # complete at 168 + 40 + 40 = 248. At 183 two have started (169, 180): 14 wait. 8 have started at 248 (the last at
    # 246): words 16-19 at 248..251 find 8, 9, 10 and 11 waiting, so nothing stalls and halt follows at 252.
    assert line.dispatched[15:] == [183, 248, 249, 250, 251, 252]
    slow, _ = run(*[Load(fill=1, run_bytes=3200, write_banks=1)] * 20)
    # With 100 + 1 cycles the second fill starts at 270: word 16 is dispatched at 248 (15 waiting), word 17 finds 16.
    # At 270 the queue still held 16 at the beginning of the cycle; at 271 there is room.
    assert slow.dispatched[16:19] == [248, 271, 372]


def test_a_program_that_waits_for_nothing_is_named():
    with pytest.raises(DeadlockError) as error:
        simulate([Load(run_bytes=8, write_banks=1), Store(wait_vector=1, read_banks=1), Halt()], SPEC)
    assert str(error.value) == "instruction 1 (store) waits for a token or a bank that nothing will give"
