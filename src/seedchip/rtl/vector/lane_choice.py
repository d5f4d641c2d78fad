"""What a lane does by comparing: truth values, the smaller, the larger, one of two."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.numerics.microop import MICRO_OPS
from seedchip.rtl.binary32.format import NAN, ONE, is_nan, less

CYCLES = 1
OPERATIONS = ("mov", "min", "max", "lt", "le", "eq", "sel")


class LaneChoice(wiring.Component):
    """``result`` of ``opcode``, one of `OPERATIONS`, on ``a``, ``b`` and ``c``, one cycle later. ``mov`` and ``sel``
    pass patterns as they are; the others compare numbers."""

    def __init__(self) -> None:
        super().__init__({
            "opcode": In(6),
            "a": In(32),
            "b": In(32),
            "c": In(32),
            "result": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code = {name: MICRO_OPS[name].opcode for name in OPERATIONS}
        below, same, unordered, number = Signal(), Signal(), Signal(), Signal(32)
        zero = self.a[:31] == 0
        m.d.comb += [
            below.eq(less(self.a, self.b)), same.eq((self.a == self.b) | (zero & (self.b[:31] == 0))),
            unordered.eq(is_nan(self.a) | is_nan(self.b)),
            number.eq(Mux(below == (self.opcode == code["min"]), self.a, self.b)),
        ]
        chosen, truth = Signal(32), Signal()
        result = Signal(32, reset_less=True)
        m.d.comb += chosen.eq(Mux(truth & ~unordered, ONE, 0))
        with m.Switch(self.opcode):
            with m.Case(code["lt"]):
                m.d.comb += truth.eq(below)
            with m.Case(code["le"]):
                m.d.comb += truth.eq(below | same)
            with m.Case(code["eq"]):
                m.d.comb += truth.eq(same)
            with m.Case(code["sel"]):
                m.d.comb += chosen.eq(Mux(zero, self.c, self.b))
            with m.Case(code["min"], code["max"]):  # a zero is +0
                m.d.comb += chosen.eq(Mux(unordered, NAN, Mux(number[:31] == 0, 0, number)))
            with m.Default():
                m.d.comb += chosen.eq(self.a)
        m.d.sync += result.eq(chosen)
        m.d.comb += self.result.eq(result)
        return m
