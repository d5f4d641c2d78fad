"""Binary32 adder: round to nearest even, subnormals, canonical NaN."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
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

CYCLES = 3


class FloatAdd(wiring.Component):
    """``total`` of ``a`` and ``b``, three cycles later: align, add, then normalise and round."""

    def __init__(self) -> None:
        super().__init__({
            "a": In(32),
            "b": In(32),
            "total": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        special = [Signal(2, name=f"special_{i}", reset_less=True) for i in range(2)]  # 1 infinity, 2 NaN
        exponent = [Signal(8, name=f"exponent_{i}", reset_less=True) for i in range(2)]
        sign = [Signal(name=f"sign_{i}", reset_less=True) for i in range(2)]

        # Align: the smaller magnitude moves right below the larger one; three bits are kept below, the last one sticky.
        big, small = Signal(32), Signal(32)
        swap = self.a[:31] < self.b[:31]
        m.d.comb += [big.eq(Mux(swap, self.b, self.a)), small.eq(Mux(swap, self.a, self.b))]
        distance = Signal(8)
        m.d.comb += distance.eq(scale(big) - scale(small))
        large, moved, subtract = Signal(27, reset_less=True), Signal(27, reset_less=True), Signal(reset_less=True)
        zero_sign = Signal(reset_less=True)
        nan = is_nan(self.a) | is_nan(self.b) | (is_infinite(self.a) & is_infinite(self.b) & (self.a[31] ^ self.b[31]))
        m.d.sync += [
            large.eq(Cat(Const(0, 3), significand(big))), subtract.eq(self.a[31] ^ self.b[31]),
            moved.eq(shift_right_sticky(m, Cat(Const(0, 3), significand(small)),
                                        Mux(distance > 31, Const(31, 5), distance[:5]), 31 - 3)),
            exponent[0].eq(scale(big)), sign[0].eq(big[31]), zero_sign.eq(self.a[31] & self.b[31]),
            special[0].eq(Cat(is_infinite(big), nan)),
        ]

        # Add. An exact zero is +0 unless both are -0.
        total = Signal(28, reset_less=True)
        difference = Signal(28)
        m.d.comb += difference.eq(Mux(subtract, large - moved, large + moved))
        m.d.sync += [
            total.eq(difference), exponent[1].eq(exponent[0]), special[1].eq(special[0]),
            sign[1].eq(Mux(difference == 0, zero_sign, sign[0])),
        ]

        # Normalise (down by one, or up as far as the exponent allows) and round.
        normal, place, room = Signal(27), Signal(9), Signal(8)
        m.d.comb += room.eq(exponent[1] - 1)
        _, up_by = normalise(m, total[:27] | Const(1 << 26, 27) >> room)  # no further than there is room
        with m.If(total[27]):
            m.d.comb += [normal.eq(Cat(total[0] | total[1], total[2:])), place.eq(exponent[1])]
        with m.Elif(total != 0):
            m.d.comb += [normal.eq(total[:27] << up_by), place.eq(room - up_by)]
        rounded = Signal(33)
        m.d.comb += rounded.eq((place << 23) + normal[3:] + rounds_up(normal, 3))
        result = Signal(32, reset_less=True)
        m.d.sync += result.eq(Cat(Mux(special[1][0] | (rounded >= INFINITY), INFINITY, rounded)[:31], sign[1]))
        with m.If(special[1][1]):
            m.d.sync += result.eq(NAN)
        m.d.comb += self.total.eq(result)
        return m
