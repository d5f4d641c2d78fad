"""Conversions between integers and binary32, round to nearest even."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl.binary32.format import FLOAT, is_nan, normalise, rounds_up, shift_right_sticky, significand

CYCLES = 2


class IntegerToFloat(wiring.Component):
    """``number`` of the two's complement ``integer``, two cycles later."""

    def __init__(self) -> None:
        super().__init__({
            "integer": In(signed(32)),
            "number": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        size = Signal(32)
        normal, sign, empty = Signal(32, reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        exponent = Signal(8, reset_less=True)
        m.d.comb += size.eq(Mux(self.integer < 0, -self.integer, self.integer))
        moved, zeros = normalise(m, size)
        m.d.sync += [normal.eq(moved), exponent.eq(127 + 31 - 1 - zeros), sign.eq(self.integer < 0),
                     empty.eq(size == 0)]
        number = Signal(32, reset_less=True)
        m.d.sync += number.eq(Cat(((exponent << 23) + normal[8:] + rounds_up(normal, 8))[:31], sign))
        with m.If(empty):
            m.d.sync += number.eq(0)
        m.d.comb += self.number.eq(number)
        return m


class FloatToInteger(wiring.Component):
    """``integer`` nearest to ``number`` (with ``down`` the largest that is not above it), saturated to 8 bits
    (``narrow``) or 32, two cycles later; NaN gives 0."""

    def __init__(self) -> None:
        super().__init__({
            "number": In(32),
            "narrow": In(1),
            "down": In(1),
            "integer": Out(signed(32)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        f = data.View(FLOAT, self.number)
        above = Signal(8)  # places that the point lies right of the significand's last bit, plus 25
        m.d.comb += above.eq(Mux(f.exponent < 125, 0, f.exponent - 125))
        shifted, huge = Signal(34, reset_less=True), Signal(reset_less=True)
        sign, nan, narrow = Signal(reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        down = Signal(reset_less=True)
        # Significand at the top of 33 bits (2**31, and two bits below the point after the move), moved down.
        wide = Cat(Const(0, 9), significand(self.number))
        places = Mux(above > 32, Const(0, 6), (32 - above)[:6])
        m.d.sync += [
            shifted.eq(shift_right_sticky(m, wide, places, 32 - 9)), huge.eq(f.exponent >= 158), sign.eq(f.sign),
            nan.eq(is_nan(self.number)), narrow.eq(self.narrow), down.eq(self.down),
        ]
        up = Mux(down, sign & shifted[:2].any(), rounds_up(shifted, 2))
        size = Signal(32)
        m.d.comb += size.eq(shifted[2:] + up)
        limit = Mux(narrow, 1 << 7, 1 << 31)
        result = Signal(signed(32), reset_less=True)
        with m.If(nan):
            m.d.sync += result.eq(0)
        with m.Elif(huge | (size >= limit)):
            m.d.sync += result.eq(Mux(sign, -limit, limit - 1))
        with m.Else():
            m.d.sync += result.eq(Mux(sign, -size, size))
        m.d.comb += self.integer.eq(result)
        return m
