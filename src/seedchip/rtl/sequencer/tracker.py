"""What an engine's started and not yet completed instructions hold."""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2


class Tracker(wiring.Component):
    """Counts, for every bank, the engine's instructions that hold it, and remembers the signals to send.

    Instructions complete in order. ``held``, ``signal`` and ``busy`` already leave out the instruction that completes
    in this cycle (``complete``); one that starts (``start``) counts from the next cycle on. ``locks`` are the banks
    held in this cycle, the completing instruction's among them. ``room`` says that one more than now can be remembered.
    """

    def __init__(self, num_banks: int, num_signals: int, depth: int) -> None:
        self._num_banks, self._num_signals = num_banks, num_signals
        self._depth_log2 = ceil_log2(depth + 1)
        super().__init__({
            "start": In(1),
            "start_banks": In(num_banks),
            "start_signal": In(num_signals),
            "complete": In(1),
            "signal": Out(num_signals),
            "held": Out(num_banks),
            "locks": Out(num_banks),
            "busy": Out(1),
            "room": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        depth = 1 << self._depth_log2
        m.submodules.storage = storage = Memory(shape=self._num_banks + self._num_signals, depth=depth, init=[])
        write, read = storage.write_port(), storage.read_port(domain="comb")
        first, last = Signal(self._depth_log2), Signal(self._depth_log2)
        banks = read.data[:self._num_banks]
        m.d.comb += [
            write.addr.eq(last), write.en.eq(self.start), write.data.eq(Cat(self.start_banks, self.start_signal)),
            read.addr.eq(first),
        ]
        with m.If(self.complete):
            m.d.comb += self.signal.eq(read.data[self._num_banks:])
        m.d.sync += [first.eq(first + self.complete), last.eq(last + self.start)]
        in_flight = (last - first)[:self._depth_log2]
        m.d.comb += [self.busy.eq(in_flight != self.complete), self.room.eq(in_flight != depth - 1)]
        for bank in range(self._num_banks):
            count = Signal(self._depth_log2, name=f"count_{bank}")
            left = Signal(self._depth_log2, name=f"left_{bank}")
            m.d.comb += [self.locks[bank].eq(count != 0), left.eq(count - (self.complete & banks[bank])),
                         self.held[bank].eq(left != 0)]
            m.d.sync += count.eq(left + (self.start & self.start_banks[bank]))
        return m
