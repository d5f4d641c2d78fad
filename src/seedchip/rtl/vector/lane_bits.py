"""What a lane does with 32-bit patterns: logic, integer sums, shifts."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.numerics.microop import MICRO_OPS

CYCLES = 1
OPERATIONS = ("and", "or", "xor", "iadd", "isub", "shl", "shr")


class LaneBits(wiring.Component):
    """``result`` of ``opcode``, one of `OPERATIONS`, on the patterns ``a`` and ``b``, one cycle later. Sums and
    differences share one adder; a shift to the left is one to the right of the reversed pattern."""

    def __init__(self) -> None:
        super().__init__({
            "opcode": In(6),
            "a": In(32),
            "b": In(32),
            "result": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        code = {name: MICRO_OPS[name].opcode for name in OPERATIONS}
        subtract, left = self.opcode == code["isub"], self.opcode == code["shl"]
        total, wide, moved, result = Signal(32), Signal(63), Signal(63), Signal(32, reset_less=True)
        m.d.comb += [
            total.eq(self.a + Mux(subtract, ~self.b, self.b) + subtract),
            wide.eq(Mux(left, Cat(Const(0, 31), self.a), Cat(self.a, self.a[31].replicate(31)))),
            moved.eq(wide >> Mux(left, ~self.b[:5], self.b[:5])),
        ]
        with m.Switch(self.opcode):
            with m.Case(code["and"]):
                m.d.sync += result.eq(self.a & self.b)
            with m.Case(code["or"]):
                m.d.sync += result.eq(self.a | self.b)
            with m.Case(code["xor"]):
                m.d.sync += result.eq(self.a ^ self.b)
            with m.Case(code["shl"], code["shr"]):
                m.d.sync += result.eq(moved)
            with m.Default():
                m.d.sync += result.eq(total)
        m.d.comb += self.result.eq(result)
        return m
