"""An engine's instruction queue."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class InstructionQueue(wiring.Component):
    """First in, first out; what is pushed in one cycle is at the head in the next one.

    ``room`` tells whether the queue held fewer than ``depth`` instructions at the beginning of the cycle.
    """

    def __init__(self, width: int, depth: int) -> None:
        self._width, self._depth = width, depth
        super().__init__({
            "push": In(1),
            "instruction": In(width),
            "room": Out(1),
            "pop": In(1),
            "valid": Out(1),
            "head": Out(width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.storage = storage = Memory(shape=self._width, depth=self._depth, init=[])
        write, read = storage.write_port(), storage.read_port(domain="comb")
        count = Signal(range(self._depth + 1))
        first, last = Signal(range(self._depth)), Signal(range(self._depth))
        m.d.comb += [
            write.addr.eq(last), write.data.eq(self.instruction), write.en.eq(self.push),
            read.addr.eq(first), self.head.eq(read.data),
            self.valid.eq(count != 0), self.room.eq(count < self._depth),
        ]
        m.d.sync += [count.eq(count + self.push - self.pop), last.eq(last + self.push), first.eq(first + self.pop)]
        return m
