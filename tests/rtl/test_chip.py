"""The whole chip: programs run through its registers alone, with memory behind AXI4."""

import dataclasses

import numpy as np
import pytest
from chips import TINY
from products import PRODUCT, exact, product_memory, random_x, run_product

from seedchip.conformance.random_programs import random_case
from seedchip.isa import WORD_BYTES, Engine, Halt, Load, Store, encode_program
from seedchip.rtl.sequencer.faults import NO_ENGINE, Fault
from seedchip.rtl.simulation.chip_bench import CLEAR, DONE, FAULT, QUIET, RUNNING, AccessRefused, ChipBench
from seedchip.rtl.simulation.counts import expected_counts
from seedchip.rtl.simulation.lockstep import Trial, simulate_values
from seedchip.rtl.simulation.run import HardwareFault, Stalls
from seedchip.simulator.driver import read_output, write_input
from seedchip.simulator.timing import simulate

LATE = [Stalls(1, 0.5, 0.5, 100), Stalls(2, 0.0, 0.9, 1), Stalls(3, 0.9, 0.0, 20), Stalls(4, 0.1, 0.1, 2000)]


def place(code: bytes) -> np.ndarray:
    memory = np.zeros(8192, np.uint8)
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    return memory


def test_a_compiled_product_through_registers_alone():
    x = random_x(1)
    memory = product_memory(x)
    with ChipBench(TINY, memory) as chip:
        assert run_product(chip) == simulate(PRODUCT.instructions, TINY).cycles
        assert chip.read("STATUS") == DONE | QUIET
    np.testing.assert_array_equal(read_output(memory, PRODUCT.outputs[0]), exact(x))


def test_one_program_after_the_other_needs_no_reset():
    memory, cycles = product_memory(random_x(2)), set()
    with ChipBench(TINY, memory, base=0x12_3456_7000) as chip:
        for seed in (2, 3, 4):
            write_input(memory, PRODUCT.inputs[0], random_x(seed))
            cycles.add(run_product(chip))
            np.testing.assert_array_equal(read_output(memory, PRODUCT.outputs[0]), exact(random_x(seed)))
            counts = chip.counts()
            assert counts == expected_counts(PRODUCT.instructions, TINY, simulate(PRODUCT.instructions, TINY))
    assert len(cycles) == 1


@pytest.mark.parametrize("seed", range(10))
def test_random_programs_take_the_simulators_cycles_and_give_its_bits(seed):
    case = random_case(TINY, 3000 + seed, 30)
    timeline, memory = simulate(case.program, TINY), case.memory
    expected = simulate_values(Trial(TINY, case.memory, 0, case.program), timeline.starts).memory
    with ChipBench(TINY, memory) as chip:
        assert chip.run(0, case.num_words, 2 * timeline.cycles) == timeline.cycles
        assert chip.counts() == expected_counts(case.program, TINY, timeline)
        traffic = chip.traffic()
    np.testing.assert_array_equal(memory, expected)
    assert traffic.answers == traffic.write_bursts <= traffic.write_beats
    assert traffic.read_bursts < traffic.read_beats
    assert traffic.unanswered == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("stalls", LATE, ids=lambda s: f"{s.read_wait}-{s.write_wait}-{s.longest}")
def test_late_memory_and_a_late_host_change_no_bit_and_break_no_rule(stalls, seed):
    case = random_case(TINY, 4000 + seed, 25)
    timeline, memory = simulate(case.program, TINY), case.memory
    expected = simulate_values(Trial(TINY, case.memory, 0, case.program), timeline.starts).memory
    with ChipBench(TINY, memory, base=0x4000_0000, stalls=stalls) as chip:
        cycles = chip.run(0, case.num_words, 4000 * timeline.cycles)
        counts, traffic = chip.counts(), chip.traffic()
    np.testing.assert_array_equal(memory, expected)
    granules = expected_counts(case.program, TINY, timeline)["granules"]
    assert counts.pop("granules") == granules
    assert all(sum(causes.values()) == cycles for causes in counts.values())
    assert (traffic.read_beats, traffic.write_beats) == (granules["read"] + granules["fetched"], granules["written"])
    assert traffic.answers == traffic.write_bursts
    assert traffic.unanswered == 0


def test_the_longest_bursts_end_at_pages_and_after_256_beats():
    """6000 bytes from byte 100 of a page on, in granules of 4: the page ends after 999, and 256 fit in a burst."""
    code = encode_program([Load(run_bytes=6000, memory_address=4196, write_banks=0x3F, signal=1),
                           Store(wait_load=1, read_banks=0x3F, run_bytes=6000, memory_address=12388), Halt()])
    memory = np.zeros(1 << 15, np.uint8)
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    memory[4196:10196] = np.random.default_rng(0).integers(0, 256, 6000)
    with ChipBench(TINY, memory) as chip:
        chip.run(0, 3, 100_000)
        traffic = chip.traffic()
    np.testing.assert_array_equal(memory[12388:18388], memory[4196:10196])
    assert traffic.write_bursts == 4 + 2  # 256 + 256 + 256 + 231 granules to the page's end, then 256 + 245
    assert traffic.read_bursts == 4 + 2 + 1  # and the fetch


@pytest.mark.parametrize("stalls", [None, Stalls(9)], ids=["on time", "late"])
def test_a_fault_stops_the_program_and_the_next_one_runs(stalls):
    x = random_x(5)
    memory = product_memory(x)
    wrong = encode_program([Store(run_bytes=0), Halt()])
    with ChipBench(TINY, np.concatenate([memory, place(wrong)]), stalls=stalls) as chip:
        with pytest.raises(HardwareFault, match=r"^the chip stopped at cycle \d+ with fault field$"):
            chip.run(len(memory), 2, 10_000)
        assert chip.read("STATUS") & (DONE | FAULT | RUNNING) == DONE | FAULT
        assert chip.read("INTERRUPT_STATUS") == 0b10
        run_product(chip)
        assert chip.read("FAULT") == 0
        assert chip.read("INTERRUPT_STATUS") == 0b01
        memory = chip.memory
    np.testing.assert_array_equal(read_output(memory, PRODUCT.outputs[0]), exact(x))


@pytest.mark.parametrize("program", [
    [Load(run_bytes=64, memory_address=4096, write_banks=1), Halt()],
    [Store(run_bytes=64, memory_address=4096, read_banks=1), Halt()],
    [Load(run_bytes=64, memory_address=1 << 19, write_banks=1), Halt()],
], ids=["load", "store", "decode"])
@pytest.mark.parametrize("stalls", [None, Stalls(9)], ids=["on time", "late"])
def test_an_error_that_memory_answers_is_a_fault(program, stalls):
    memory = place(encode_program(program))
    stops = pytest.raises(HardwareFault, match=r"^the chip stopped at cycle \d+ with fault bus$")
    with ChipBench(TINY, memory, errors=(4128, 4132), stalls=stalls) as chip, stops:
        chip.run(0, 2, 10_000)


@pytest.mark.parametrize("stalls", [None, *LATE[:3]], ids=["on time", "waits", "early", "deaf"])
def test_a_run_can_be_ended_at_any_time_and_begun_again(stalls):
    """The bus comes to rest without a broken rule; what runs next is not disturbed."""
    case = random_case(TINY, 5000, 25)
    timeline = simulate(case.program, TINY)
    expected = simulate_values(Trial(TINY, case.memory, 0, case.program), timeline.starts).memory
    rng = np.random.default_rng(1)
    memory = case.memory
    with ChipBench(TINY, memory, stalls=stalls) as chip:
        for _ in range(12):
            memory[:] = case.memory
            chip.start(0, case.num_words)
            chip.wait(int(rng.integers(0, timeline.cycles)))
            chip.write("CONTROL", CLEAR)
            while chip.read("STATUS") & RUNNING:
                assert chip.traffic().cycles < 1_000_000
            assert chip.read("STATUS") == QUIET
            assert chip.traffic().unanswered == 0
        memory[:] = case.memory
        cycles = chip.run(0, case.num_words, 4000 * timeline.cycles)
    np.testing.assert_array_equal(memory, expected)
    assert stalls is not None or cycles == timeline.cycles


def test_a_running_program_is_not_changed_under_its_feet():
    with ChipBench(TINY, product_memory(random_x(6))) as chip:
        chip.start(PRODUCT.code_address, len(PRODUCT.code) // WORD_BYTES)
        with pytest.raises(AccessRefused, match=r"^writing register address 0x68 is answered with SLVERR$"):
            chip.write("PROGRAM_WORDS", 1)
        chip.write("CONTROL", 1)  # a start during a run is ignored
        assert chip.wait(1_000_000)
        assert chip.read("CYCLES") == simulate(PRODUCT.instructions, TINY).cycles
        chip.write("INTERRUPT_STATUS", 0b01)
        assert not chip.wait(10)
        ended = chip.traffic().read_bursts
        chip.write("PROGRAM_WORDS", 100)  # the host prepares another run: the ended one does not see it
        assert not chip.wait(100)
        assert (chip.traffic().read_bursts, chip.read("STATUS"), chip.read("FAULT")) == (ended, DONE | QUIET, 0)


def test_what_stopped_a_program_is_told_to_the_host():
    """The second load ends one byte beyond the memory that the host gave."""
    load = Load(run_bytes=16, memory_address=2032, write_banks=1)
    code = encode_program([load, dataclasses.replace(load, memory_address=2033), Halt()])
    with ChipBench(TINY, place(code)) as chip:
        assert chip.read("MEMORY_LIMIT") == TINY.memory.bytes
        chip.write("MEMORY_LIMIT", 2048)
        with pytest.raises(HardwareFault, match=r"^the chip stopped at cycle \d+ with fault memory$"):
            chip.run(0, 3, 10_000)
        assert (chip.read("FAULT"), chip.read("FAULT_ENGINE"), chip.read("FAULT_INSTRUCTION")) == (
            1 << Fault.MEMORY, Engine.LOAD, 2)
        chip.write("MEMORY_LIMIT", 2052)
        chip.run(0, 3, 10_000)
        assert (chip.read("FAULT"), chip.read("FAULT_ENGINE")) == (0, NO_ENGINE)
