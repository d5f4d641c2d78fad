"""Memory that is not always ready and answers late: the same bits, at other times, and nothing more on the bus."""

import numpy as np
import pytest
from chips import TINY

from seedchip.conformance.random_programs import random_case
from seedchip.rtl.simulation.run import Stalls, run_hardware

LATE = [Stalls(1, 0.5, 0.5, 100), Stalls(2, 0.0, 0.9, 1), Stalls(3, 0.9, 0.0, 20), Stalls(4, 0.1, 0.1, 3000)]
"""Waits both ways; a memory that is early; one that hardly takes requests; one far later than the queues are deep."""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stalls", LATE, ids=lambda s: f"{s.read_wait}-{s.write_wait}-{s.longest}")
def test_late_memory_changes_no_bit_and_no_transfer(stalls, seed):
    case = random_case(TINY, 1000 + seed, 30)
    expected, memory = case.run(TINY), case.memory
    run = run_hardware(TINY, memory, 0, case.num_words, 4000 * expected.cycles, stalls)
    for found, wanted in ((memory, expected.memory), (run.scratchpad, expected.hardware.scratchpad),
                          (run.accumulator, expected.hardware.accumulator)):
        np.testing.assert_array_equal(found, wanted)
    for name in ("granules_read", "granules_fetched", "granules_written"):
        assert getattr(run, name) == getattr(expected.hardware, name), name
    assert len(run.dispatched) == len(expected.hardware.dispatched)
    assert {e: len(c) for e, c in run.completed.items()} == {e: len(c) for e, c in run.started.items()}


def test_the_same_seed_stalls_the_same_way():
    case = random_case(TINY, 5, 20)
    cycles = [run_hardware(TINY, case.memory, 0, case.num_words, 1_000_000, Stalls(seed)).cycles
              for seed in (7, 7, 8)]
    assert cycles[0] == cycles[1] != cycles[2]
