"""The receiving half of a UART: 8 data bits, no parity, 1 stop bit."""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

DATA_BITS = 8


class UartReceiver(wiring.Component):
    """Samples ``line`` in the middle of every bit; ``valid`` shows ``byte`` for one cycle, in its stop bit.

    A start bit that is gone in its middle is noise, a byte without stop bit is dropped.
    """

    def __init__(self, clocks_per_bit: int) -> None:
        """``clocks_per_bit``: at least 4."""
        self._clocks_per_bit = clocks_per_bit
        super().__init__({"line": In(1, init=1), "valid": Out(1), "byte": Out(DATA_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.line, line, init=1)
        before = Signal(init=1)
        m.d.sync += before.eq(line)
        clocks, bits = Signal(range(self._clocks_per_bit)), Signal(range(DATA_BITS + 3))
        m.d.comb += self.valid.eq((bits == 1) & (clocks == 0) & line)
        with m.If((bits == 0) & before & ~line):
            m.d.sync += [bits.eq(DATA_BITS + 2), clocks.eq(self._clocks_per_bit // 2 - 1)]
        with m.Elif(bits == 0):
            m.d.sync += clocks.eq(0)
        with m.Elif(clocks != 0):
            m.d.sync += clocks.eq(clocks - 1)
        with m.Else():
            m.d.sync += [bits.eq(bits - 1), clocks.eq(self._clocks_per_bit - 1)]
            with m.If((bits == DATA_BITS + 2) & line):
                m.d.sync += bits.eq(0)
            with m.Elif(bits != 1):
                m.d.sync += self.byte.eq(Cat(self.byte[1:], line))
        return m
