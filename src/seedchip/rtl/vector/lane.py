"""One binary32 lane: every micro-operation."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.numerics.microop import MICRO_OPS
from seedchip.rtl import hierarchy
from seedchip.rtl.binary32.add import CYCLES as ADD_CYCLES
from seedchip.rtl.binary32.add import FloatAdd
from seedchip.rtl.binary32.format import MINUS_ZERO, ONE
from seedchip.rtl.binary32.multiply import CYCLES as MULTIPLY_CYCLES
from seedchip.rtl.binary32.multiply import FloatMultiply
from seedchip.rtl.binary32.round import CYCLES as ROUND_CYCLES
from seedchip.rtl.binary32.round import FloatRound
from seedchip.rtl.vector import lane_bits, lane_choice

CYCLES = MULTIPLY_CYCLES + ADD_CYCLES
OPCODE = {name: op.opcode for name, op in MICRO_OPS.items()}
ROUNDINGS = ("rne", "floor", "f2i", "i2f")


class VectorLane(wiring.Component):
    """``result`` of ``opcode`` on ``a``, ``b``, ``c``, `CYCLES` later. Sums and products are a * b + c: a sum
    multiplies by one, a product adds minus zero, and both are exact. What takes fewer cycles waits beside them."""

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
        total = self._multiply_add(m, platform)
        bits = hierarchy.place(m, platform, "bits", lane_bits.LaneBits)
        choice = hierarchy.place(m, platform, "choice", lane_choice.LaneChoice)
        rounding = hierarchy.place(m, platform, "round", FloatRound)
        m.d.comb += [
            bits.opcode.eq(self.opcode), bits.a.eq(self.a), bits.b.eq(self.b),
            choice.opcode.eq(self.opcode), choice.a.eq(self.a), choice.b.eq(self.b), choice.c.eq(self.c),
            rounding.value.eq(self.a), rounding.down.eq(self._is(m, "floor")),
            rounding.to_integer.eq(self._is(m, "f2i")), rounding.from_integer.eq(self._is(m, "i2f")),
        ]
        is_bits = self._later(m, self._is(m, *lane_bits.OPERATIONS), 0, lane_bits.CYCLES)
        is_rounding = self._later(m, self._is(m, *ROUNDINGS), 0, ROUND_CYCLES)
        is_aside = self._later(m, ~self._is(m, "add", "sub", "mul", "mad"), 0, CYCLES)
        value = self._later(m, Mux(is_bits, bits.result, choice.result), lane_choice.CYCLES, ROUND_CYCLES)
        value = self._later(m, Mux(is_rounding, rounding.result, value), ROUND_CYCLES, CYCLES)
        m.d.comb += self.result.eq(Mux(is_aside, value, total))
        return m

    def _is(self, m: Module, *names: str) -> Value:
        found = Signal()
        with m.Switch(self.opcode), m.Case(*(OPCODE[name] for name in names)):
            m.d.comb += found.eq(1)
        return found

    def _multiply_add(self, m: Module, platform: object) -> Value:
        multiply = hierarchy.place(m, platform, "multiply", FloatMultiply)
        add = hierarchy.place(m, platform, "add", FloatAdd)
        addend = Signal(32)
        m.d.comb += [multiply.a.eq(self.a), multiply.b.eq(ONE), addend.eq(self.b)]
        with m.Switch(self.opcode):
            with m.Case(OPCODE["mul"]):
                m.d.comb += [multiply.b.eq(self.b), addend.eq(MINUS_ZERO)]
            with m.Case(OPCODE["mad"]):
                m.d.comb += [multiply.b.eq(self.b), addend.eq(self.c)]
            with m.Case(OPCODE["sub"]):
                m.d.comb += addend.eq(Cat(self.b[:31], ~self.b[31]))
        m.d.comb += [add.a.eq(multiply.product), add.b.eq(self._later(m, addend, 0, MULTIPLY_CYCLES))]
        return add.total

    @staticmethod
    def _later(m: Module, value: Value, since: int, until: int) -> Value:
        """``value`` of cycle ``since`` of the pipe in cycle ``until``."""
        for _ in range(since, until):
            after = Signal(len(value), reset_less=True)
            m.d.sync += after.eq(value)
            value = after
        return value
