"""The transmitting half of a UART: 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.fpga.uart_receiver import DATA_BITS


class UartTransmitter(wiring.Component):
    """Takes ``byte`` in a cycle with ``valid`` and ``ready`` and sends it, least significant bit first."""

    def __init__(self, clocks_per_bit: int) -> None:
        self._clocks_per_bit = clocks_per_bit
        super().__init__({"valid": In(1), "byte": In(DATA_BITS), "ready": Out(1), "line": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clocks, bits = Signal(range(self._clocks_per_bit)), Signal(range(DATA_BITS + 3))
        shift = Signal(DATA_BITS + 1, init=-1)
        m.d.comb += self.ready.eq(bits == 0)
        with m.If(bits == 0):
            m.d.sync += self.line.eq(1)
            with m.If(self.valid):
                m.d.sync += [self.line.eq(0), shift.eq(Cat(self.byte, Const(1, 1))), bits.eq(DATA_BITS + 2),
                             clocks.eq(self._clocks_per_bit - 1)]
        with m.Elif(clocks != 0):
            m.d.sync += clocks.eq(clocks - 1)
        with m.Else():
            m.d.sync += [bits.eq(bits - 1), clocks.eq(self._clocks_per_bit - 1), self.line.eq(shift[0]),
                         shift.eq(Cat(shift[1:], Const(1, 1)))]
        return m
