"""One binary32 lane: the micro-operations of this slice."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.numerics.microop import MICRO_OPS
from seedchip.rtl import hierarchy
from seedchip.rtl.binary32.add import CYCLES as ADD_CYCLES
from seedchip.rtl.binary32.add import FloatAdd
from seedchip.rtl.binary32.format import MINUS_ZERO, NAN, ONE, is_nan, less
from seedchip.rtl.binary32.multiply import CYCLES as MULTIPLY_CYCLES
from seedchip.rtl.binary32.multiply import FloatMultiply

CYCLES = MULTIPLY_CYCLES + ADD_CYCLES
OPERATIONS = ("mov", "add", "sub", "mul", "mad", "min", "max")
"""Micro-operations that this slice can do."""
OPCODE = {name: MICRO_OPS[name].opcode for name in OPERATIONS}


class VectorLane(wiring.Component):
    """``result`` of ``opcode`` on ``a``, ``b``, ``c``, `CYCLES` later. Everything but mov, min and max is a * b + c:
    a sum multiplies by one, a product adds minus zero, and both are exact."""

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
        multiply = hierarchy.place(m, platform, "multiply", FloatMultiply)
        add = hierarchy.place(m, platform, "add", FloatAdd)
        addend, chosen, aside = Signal(32), Signal(32), Signal()
        m.d.comb += [multiply.a.eq(self.a), multiply.b.eq(ONE), addend.eq(self.b)]
        with m.Switch(self.opcode):
            with m.Case(OPCODE["mul"]):
                m.d.comb += [multiply.b.eq(self.b), addend.eq(MINUS_ZERO)]
            with m.Case(OPCODE["mad"]):
                m.d.comb += [multiply.b.eq(self.b), addend.eq(self.c)]
            with m.Case(OPCODE["sub"]):
                m.d.comb += addend.eq(Cat(self.b[:31], ~self.b[31]))
            with m.Case(OPCODE["mov"]):
                m.d.comb += [aside.eq(1), chosen.eq(self.a)]
            with m.Case(OPCODE["min"], OPCODE["max"]):
                m.d.comb += [aside.eq(1), chosen.eq(self._pick(m))]
        for i in range(MULTIPLY_CYCLES):
            later = Signal(32, name=f"addend_{i}", reset_less=True)
            m.d.sync += later.eq(addend)
            addend = later
        m.d.comb += [add.a.eq(multiply.product), add.b.eq(addend)]
        for i in range(CYCLES):
            later = [Signal(32, name=f"chosen_{i}", reset_less=True), Signal(name=f"aside_{i}", reset_less=True)]
            m.d.sync += [later[0].eq(chosen), later[1].eq(aside)]
            chosen, aside = later
        m.d.comb += self.result.eq(Mux(aside, chosen, add.total))
        return m

    def _pick(self, m: Module) -> Signal:
        """The smaller or the larger; NaN if either is; +0 for a zero."""
        smaller = less(self.a, self.b) == (self.opcode == OPCODE["min"])
        picked = Signal(32)
        number = Mux(smaller, self.a, self.b)
        m.d.comb += picked.eq(Mux(is_nan(self.a) | is_nan(self.b), NAN, Mux(number[:31] == 0, 0, number)))
        return picked
