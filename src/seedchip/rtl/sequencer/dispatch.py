"""Dispatch: one instruction word a cycle, from the fetched program into the engines' queues."""

from __future__ import annotations

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import Engine, Halt, Instruction
from seedchip.isa.instruction import OPCODE_BITS, WORD_BITS
from seedchip.rtl.layout import used_bits

CLASSES = sorted(Instruction.registry.values(), key=lambda cls: cls.opcode)
MAX_WORDS = max(cls.num_words for cls in CLASSES)


class Dispatch(wiring.Component):
    """An instruction enters its engine's queue in the cycle of its last word, if the queue has room.

    ``instruction`` holds all words of the instruction, first word lowest; ``push`` has a bit for every engine. One with
    an ``unknown`` opcode or with spare bits set is not dispatched; a program is ``unfinished`` when its words are
    ``exhausted`` before its halt.
    """

    def __init__(self) -> None:
        super().__init__({
            "word_valid": In(1),
            "word": In(WORD_BITS),
            "take": Out(1),
            "room": In(len(Engine)),
            "push": Out(len(Engine)),
            "instruction": Out(MAX_WORDS * WORD_BITS),
            "dispatched": Out(1),
            "halted": Out(1),
            "exhausted": In(1),
            "stop": In(1),
            "unknown": Out(1),
            "unfinished": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, second = Signal(WORD_BITS, reset_less=True), Signal()
        opcode = Signal(OPCODE_BITS)
        valid = self.word_valid & ~self.halted & ~self.stop
        with m.If(second):
            m.d.comb += [opcode.eq(first), self.instruction.eq(Cat(first, self.word))]
        with m.Else():
            m.d.comb += [opcode.eq(self.word), self.instruction.eq(self.word)]
        with m.Switch(opcode):
            for cls in CLASSES:
                with m.Case(cls.opcode):
                    last = second if cls.num_words == MAX_WORDS else 1
                    room = 1 if cls.engine is None else self.room[cls.engine]
                    spare = self.instruction[used_bits(cls):cls.num_words * WORD_BITS].any()
                    m.d.comb += [self.unknown.eq(valid & last & spare), self.dispatched.eq(self.take & last),
                                 self.take.eq(valid & (~last | (room & ~spare)))]
                    if cls.engine is not None:
                        m.d.comb += self.push[cls.engine].eq(self.dispatched)
                    if cls is Halt:
                        with m.If(self.dispatched):
                            m.d.sync += self.halted.eq(1)
            with m.Default():
                m.d.comb += self.unknown.eq(valid)
        m.d.comb += self.unfinished.eq(self.exhausted & ~self.halted & ~self.stop)
        with m.If(self.take):
            m.d.sync += [second.eq(~self.dispatched), first.eq(self.word)]
        return m
