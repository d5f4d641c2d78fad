"""The board, bit by bit through its serial line: a digit classifier that lies in its memory, and every command."""

import numpy as np
import pytest

from seedchip import zoo
from seedchip.build import BuildOptions, build
from seedchip.fpga.host import BoardDevice, BoardError, BoardHost, memory_image
from seedchip.fpga.protocol import BAUD, identification
from seedchip.fpga.simulation import SimulatedLine
from seedchip.isa import WORD_BYTES, Halt, Load, Store, encode_program
from seedchip.rtl.sequencer.faults import Fault
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import load

PICO = load("pico")
CLOCKS_PER_BIT = 8
"""27 times faster than on a board, so that most clocks go into the chip."""
DIGITS = 6
ENDLESS = encode_program([Load(fill=1, run_bytes=16, count0=0xFFFF, count1=0xFFFF, write_banks=1), Halt()])


@pytest.fixture(scope="module")
def entry():
    return zoo.entry("digits-8x8")


@pytest.fixture(scope="module")
def program(entry):
    samples = entry.calibration()
    return build(entry.model(), PICO, BuildOptions(shapes=entry.shapes, calibration=lambda inputs: samples)).program


@pytest.fixture
def line():
    with SimulatedLine(PICO, CLOCKS_PER_BIT) as line:
        yield line


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


def test_digits_over_the_line_have_the_bits_and_the_cycles_of_the_simulator(entry, program):
    simulated = SimulatedDevice(program, PICO)
    with SimulatedLine(PICO, CLOCKS_PER_BIT, memory_image(program, PICO)) as line:
        board = BoardDevice(program, PICO, line, loaded=True)
        for feeds in entry.samples()[:DIGITS]:
            found, expected = board.run(feeds)["logits"], simulated.run(feeds)["logits"]
            assert same_bits(found, expected)
            assert board.cycles == simulated.timeline.cycles
        assert line.leds == 0b1000_0010


def test_most_digits_of_the_test_set_are_read_right_by_a_program_that_lies_in_block_ram(entry, program):
    """The simulator's answers, which are the board's: `seedchip bench fpga` compares all of them."""
    assert program.memory_bytes <= PICO.memory.bytes
    device, samples = SimulatedDevice(program, PICO), entry.samples()
    figures = entry.score([device.run(feeds) for feeds in samples[:200]], _reference(entry, samples[:200]))
    assert figures["accuracy"] > 0.95 and figures["top1_agreement"] > 0.98


def _reference(entry, samples):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(entry.model()))
    return [{"logits": session.run(["logits"], feeds)[0]} for feeds in samples]


def test_a_program_can_be_sent_over_the_line(entry, program, line):
    board, feeds = BoardDevice(program, PICO, line), entry.samples()[7]
    assert same_bits(board.run(feeds)["logits"], SimulatedDevice(program, PICO).run(feeds)["logits"])


def test_the_board_says_what_it_is_and_a_program_for_another_chip_is_refused(program, line):
    assert BoardHost(line).identify() == identification(PICO)
    other = load("pico")
    object.__setattr__(other, "hash", "00" * 32)

    class OtherBoard:
        def write(self, data):
            return None

        def read(self, size):
            return b"I" + identification(other).pack()

    with pytest.raises(BoardError, match=r"^the board must have the chip pico \(Identification\(.*write the bitstream "
                                         r"of that chip to it$"):
        BoardDevice(program, PICO, OtherBoard())


def test_memory_is_written_and_read_back_at_any_byte_and_what_lies_beside_stays(line):
    host, data = BoardHost(line), bytes(range(1, 60))
    host.write(0x1F003, data)
    assert host.read(0x1F000, 70) == b"\0\0\0" + data + bytes(70 - 3 - len(data))
    host.write(0x1F010, b"")
    assert host.read(0x1F010, 0) == b""


def test_a_letter_that_is_no_command_is_answered_with_a_question_mark_and_the_next_one_is_heard(line):
    line.write(b"z")
    assert line.read(1) == b"?"
    assert BoardHost(line).identify().memory_bytes == PICO.memory.bytes


def test_a_fault_is_told_with_its_cycle_and_the_next_run_is_a_fresh_one(line):
    host = BoardHost(line)
    beyond = encode_program([Load(memory_address=PICO.memory.bytes, run_bytes=8, count0=1, count1=1, write_banks=1),
                             Halt()])
    host.write(0, beyond)
    result = host.run(0, len(beyond) // WORD_BYTES)
    assert result.fault == 1 << Fault.MEMORY and result.cycles > 0
    assert line.leds == 0b1000_0110
    host.write(0, encode_program([Halt()]))
    assert host.run(0, 1).fault == 0
    assert line.leds == 0b1000_0010


def test_a_run_that_does_not_end_is_given_up_and_the_next_one_is_a_fresh_one(line):
    host = BoardHost(line)
    host.write(0, ENDLESS)
    line.write(b"S" + bytes(4) + (len(ENDLESS) // WORD_BYTES).to_bytes(4, "little") + b"a")
    assert line.pass_time(4000) == b""
    assert line.leds == 0b1000_0001
    line.write(b"X")
    assert line.read(1) == b"X"
    line.pass_time(100)
    assert line.leds == 0b1000_0000
    host.write(0, encode_program([Halt()]))
    assert host.run(0, 1).fault == 0


def test_the_reset_button_ends_a_run_and_leaves_memory_as_it_is(line):
    host = BoardHost(line)
    host.write(0, ENDLESS)
    line.write(b"S" + bytes(4) + (len(ENDLESS) // WORD_BYTES).to_bytes(4, "little"))
    line.pass_time(2000)
    line.press_reset(True)
    line.pass_time(100)
    line.press_reset(False)
    line.pass_time(100)
    assert line.leds == 0b1000_0000
    assert host.read(0, len(ENDLESS)) == ENDLESS


def test_what_a_run_stores_is_read_over_the_line(line):
    host = BoardHost(line)
    code = encode_program([
        Load(memory_address=4096, run_bytes=100, count0=1, count1=1, write_banks=1, signal=0b0001),
        Store(memory_address=8197, run_bytes=90, local_address=3, count0=1, count1=1, read_banks=1, wait_load=1),
        Halt()])
    data = np.random.default_rng(0).bytes(100)
    host.write(0, code)
    host.write(4096, data)
    assert host.run(0, len(code) // WORD_BYTES).fault == 0
    assert host.read(8197, 90) == data[3:93]


def test_a_program_that_is_larger_than_the_memory_is_refused(program):
    import dataclasses

    larger = dataclasses.replace(program, memory_bytes=PICO.memory.bytes + 8)
    with pytest.raises(BoardError, match=rf"^program {program.name} must fit in the FPGA's memory of 131072 bytes, but "
                                         r"it uses 131080$"):
        memory_image(larger, PICO)


def test_at_the_board_s_own_clock_a_bit_is_217_clocks_long():
    from seedchip.fpga.boards import ULX3S_85F

    assert ULX3S_85F.clocks_per_bit(BAUD) == 217
    assert abs(ULX3S_85F.clock_hz / 217 / BAUD - 1) < 0.001
