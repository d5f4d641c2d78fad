"""The hardware's counters by cause: worked out by hand, and told apart when they differ."""

import copy

import numpy as np
from chips import NANO

from seedchip.isa import Halt, Load, Store, encode_program
from seedchip.rtl.simulation.counts import differing_count
from seedchip.rtl.simulation.lockstep import run_lockstep

PROGRAM = [Load(run_bytes=80, write_banks=1, signal=1), Load(fill=1, run_bytes=64, local_address=4096, write_banks=2),
           Store(wait_load=1, read_banks=1, memory_address=2048, run_bytes=16), Halt()]
FETCH = 4 * 64 // 8
LATENCY = NANO.memory.latency_cycles


def run():
    return run_lockstep(NANO, np.zeros(4096, np.uint8), encode_program(PROGRAM), 0)


def test_the_counters_of_a_short_program_are_those_worked_out_by_hand():
    """Words are dispatched from FETCH + LATENCY on. The load's 10 beats begin one cycle later; the fill waits for its
    completion, takes two lines and a cycle more; the store waits for the load's token, its 2 beats have a latency."""
    first = FETCH + LATENCY
    load_end = first + 1 + 10 + LATENCY
    cycles = load_end + 2 + LATENCY
    found = run()
    assert found.cycles == cycles
    load = {"dispatch": first + 1, "active": 10 + 2, "memory": LATENCY, "drain": 1, "idle": LATENCY - 1}
    store = {"dispatch": first + 3, "semaphore": load_end - first - 3, "active": 2, "memory": LATENCY}
    counts = found.hardware.counts
    assert {cause: n for cause, n in counts["load"].items() if n} == load
    assert {cause: n for cause, n in counts["store"].items() if n} == store
    assert counts["matrix"]["idle"] == counts["vector"]["idle"] == cycles
    assert counts["granules"] == {"read": 10, "fetched": FETCH, "written": 2}


def test_a_counter_that_differs_is_named():
    right = run().hardware.counts
    wrong = copy.deepcopy(right)
    assert differing_count(right, wrong) == ""
    wrong["load"]["drain"] += 1
    assert differing_count(right, wrong) == ("counter load.drain must be 1, as on the simulator, not 2 as on the "
                                             "hardware")
