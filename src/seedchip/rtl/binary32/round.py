"""Numbers to integers, integers to numbers, and numbers to whole numbers, in one pipe."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl import hierarchy
from seedchip.rtl.binary32 import convert
from seedchip.rtl.binary32.format import FLOAT, NAN, is_nan

CYCLES = 2 * convert.CYCLES
_WHOLE_FROM = 127 + 23
"""Biased exponent from which on every number is whole."""


class FloatRound(wiring.Component):
    """``result`` for ``value``, four cycles later: two cycles to an integer, two cycles from an integer.

    ``value`` is a number, rounded to nearest even or, with ``down``, to the next lower whole number; ``result`` is that
    whole number, NaN the canonical one. With ``to_integer`` the result is the 32-bit integer (saturated, 0 for NaN),
    the first half of the way. With ``from_integer`` the value is an integer, and goes the second half only.
    """

    def __init__(self) -> None:
        super().__init__({
            "value": In(32),
            "down": In(1),
            "to_integer": In(1),
            "from_integer": In(1),
            "result": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = hierarchy.place(m, platform, "to_integer", convert.FloatToInteger)
        second = hierarchy.place(m, platform, "from_integer", convert.IntegerToFloat)
        stage = Signal(data.StructLayout({"value": 32, "to_integer": 1, "from_integer": 1}))
        m.d.comb += [first.number.eq(self.value), first.down.eq(self.down), stage.value.eq(self.value),
                     stage.to_integer.eq(self.to_integer), stage.from_integer.eq(self.from_integer)]
        stage = _later(m, stage, convert.CYCLES, "first")
        m.d.comb += second.integer.eq(Mux(stage.from_integer, stage.value, first.integer).as_signed())

        # What does not come from the second half: an integer, a number that is whole already; else the number's sign.
        nan = is_nan(stage.value)
        kept = Signal(data.StructLayout({"value": 32, "aside": 1, "from_integer": 1}))
        m.d.comb += [
            kept.value.eq(Mux(stage.to_integer, first.integer, Mux(nan, NAN, stage.value))),
            kept.aside.eq(stage.to_integer
                          | ~stage.from_integer & (data.View(FLOAT, stage.value).exponent >= _WHOLE_FROM)),
            kept.from_integer.eq(stage.from_integer),
        ]
        kept = _later(m, kept, convert.CYCLES, "second")
        sign = Mux(kept.from_integer, second.number[31], kept.value[31])
        m.d.comb += self.result.eq(Mux(kept.aside, kept.value, Cat(second.number[:31], sign)))
        return m


def _later(m: Module, value: data.View, cycles: int, name: str) -> data.View:
    for i in range(cycles):
        after = Signal(value.shape(), name=f"{name}_{i}", reset_less=True)
        m.d.sync += after.eq(value)
        value = after
    return value
