"""The memory of the board: block RAM of the FPGA."""

from __future__ import annotations

from pathlib import Path

from amaranth import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.hierarchy import SharedParts

MODEL = Path(__file__).with_name("block_ram.v")


class BlockRam(wiring.Component):
    """``depth`` rows of ``num_bytes`` bytes, one read port (data one cycle after the address) and one write port with a
    write enable for every byte. A read of the row that is being written gives the old content.

    What it holds at first is not the hardware's matter: a converted module (`MODEL`) reads the file ``image.hex``.
    """

    def __init__(self, num_bytes: int, depth: int) -> None:
        self._bytes, self._depth = num_bytes, depth
        super().__init__({
            "read_address": In(ceil_log2(depth)),
            "read_data": Out(8 * num_bytes),
            "write_enable": In(num_bytes),
            "write_address": In(ceil_log2(depth)),
            "write_data": In(8 * num_bytes),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if isinstance(platform, SharedParts):
            m.submodules.ram = Instance(
                "block_ram", p_BYTES=self._bytes, p_DEPTH=self._depth, i_clk=ClockSignal(),
                i_read_address=self.read_address, o_read_data=self.read_data, i_write_enable=self.write_enable,
                i_write_address=self.write_address, i_write_data=self.write_data)
            return m
        m.submodules.memory = memory = Memory(shape=8 * self._bytes, depth=self._depth, init=[])
        read, write = memory.read_port(), memory.write_port(granularity=8)
        m.d.comb += [read.addr.eq(self.read_address), self.read_data.eq(read.data), write.en.eq(self.write_enable),
                     write.addr.eq(self.write_address), write.data.eq(self.write_data)]
        return m
