"""The one wrapper around all large memories: in a chip a macro, in an FPGA block memory, in simulation a model."""

from __future__ import annotations

from amaranth import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.hierarchy import SharedParts


class Sram(wiring.Component):
    """``depth`` rows of ``width`` bits, one read port (data one cycle after the address) and one write port.

    ``write_enable`` has a bit for every ``grain`` bits. A read of the row that is being written gives the old content.
    """

    def __init__(self, width: int, depth: int, grain: int | None = None) -> None:
        self._width, self._depth, self._grain = width, depth, grain or width
        address_bits = max(1, ceil_log2(depth))
        super().__init__({
            "read_enable": In(1),
            "read_address": In(address_bits),
            "read_data": Out(width),
            "write_enable": In(width // self._grain),
            "write_address": In(address_bits),
            "write_data": In(width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if isinstance(platform, SharedParts):
            m.submodules.macro = Instance(
                "sram", p_WIDTH=self._width, p_DEPTH=self._depth, p_GRAIN=self._grain, i_clk=ClockSignal(),
                i_read_enable=self.read_enable, i_read_address=self.read_address, o_read_data=self.read_data,
                i_write_enable=self.write_enable, i_write_address=self.write_address, i_write_data=self.write_data)
            return m
        m.submodules.memory = memory = Memory(shape=self._width, depth=self._depth, init=[])
        read, write = memory.read_port(), memory.write_port(granularity=self._grain)
        m.d.comb += [
            read.en.eq(self.read_enable), read.addr.eq(self.read_address), self.read_data.eq(read.data),
            write.en.eq(self.write_enable), write.addr.eq(self.write_address), write.data.eq(self.write_data),
        ]
        return m
