"""Binary32 multiplier: round to nearest even, subnormals, canonical NaN."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl.binary32.format import (
    INFINITY,
    NAN,
    is_infinite,
    is_nan,
    normalise,
    rounds_up,
    scale,
    shift_right_sticky,
    significand,
)

CYCLES = 2


class FloatMultiply(wiring.Component):
    """``product`` of ``a`` and ``b``, two cycles later: first the exact product, then normalisation and rounding."""

    def __init__(self) -> None:
        super().__init__({
            "a": In(32),
            "b": In(32),
            "product": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        exact, exponent = Signal(48, reset_less=True), Signal(signed(11), reset_less=True)
        sign, nan, infinite = Signal(reset_less=True), Signal(reset_less=True), Signal(reset_less=True)
        zero_a, zero_b = self.a[:31] == 0, self.b[:31] == 0
        m.d.sync += [
            exact.eq(significand(self.a) * significand(self.b)),
            exponent.eq(scale(self.a) + scale(self.b) - 126),  # of the product's highest bit, biased
            sign.eq(self.a[31] ^ self.b[31]),
            nan.eq(is_nan(self.a) | is_nan(self.b) | (is_infinite(self.a) & zero_b) | (is_infinite(self.b) & zero_a)),
            infinite.eq(is_infinite(self.a) | is_infinite(self.b)),
        ]
        normal, zeros = normalise(m, exact)
        place = Signal(signed(12))
        m.d.comb += place.eq(exponent - zeros)
        # 24 bits of result, guard, sticky; below the smallest exponent they move right.
        kept, moved = Signal(26), Signal(26)
        deficit = Signal(12)
        m.d.comb += [
            kept.eq(Cat(normal[:23].any(), normal[23:])),
            deficit.eq(Mux(place < 1, 1 - place, 0)),
            moved.eq(shift_right_sticky(m, kept, Mux(deficit > 31, Const(31, 5), deficit[:5]), 31)),
        ]
        rounded = Signal(34)
        m.d.comb += rounded.eq((Mux(place < 1, 0, place - 1).as_unsigned()[:10] << 23) + moved[2:]
                                + rounds_up(moved, 2))
        product = Signal(32, reset_less=True)
        m.d.sync += product.eq(Cat(Mux(infinite | (rounded >= INFINITY), INFINITY, rounded)[:31], sign))
        with m.If(nan):
            m.d.sync += product.eq(NAN)
        with m.Elif((exact == 0) & ~infinite):
            m.d.sync += product.eq(Cat(Const(0, 31), sign))
        m.d.comb += self.product.eq(product)
        return m
