"""One lane of windows and reductions."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import ReduceKind
from seedchip.rtl import hierarchy
from seedchip.rtl.binary32.add import CYCLES, FloatAdd
from seedchip.rtl.binary32.format import NAN, is_nan, less


class CombineLane(wiring.Component):
    """``result`` is the sum, maximum or minimum (``kind``, a `ReduceKind`) of ``a`` and ``b``, or with ``take_a`` or
    ``take_b`` one of them as it is; `CYCLES` later."""

    def __init__(self) -> None:
        super().__init__({
            "kind": In(2),
            "take_a": In(1),
            "take_b": In(1),
            "a": In(32),
            "b": In(32),
            "result": Out(32),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        add = hierarchy.place(m, platform, "add", FloatAdd)
        chosen, aside = Signal(32), Signal()
        m.d.comb += [
            add.a.eq(self.a), add.b.eq(self.b), aside.eq(self.take_a | self.take_b | (self.kind != ReduceKind.SUM)),
            chosen.eq(Mux(self.take_a, self.a, Mux(self.take_b, self.b, self._extreme(m)))),
        ]
        for i in range(CYCLES):
            later = [Signal(32, name=f"chosen_{i}", reset_less=True), Signal(name=f"aside_{i}", reset_less=True)]
            m.d.sync += [later[0].eq(chosen), later[1].eq(aside)]
            chosen, aside = later
        m.d.comb += self.result.eq(Mux(aside, chosen, add.total))
        return m

    def _extreme(self, m: Module) -> Value:
        """The smaller or the larger; NaN if either is; +0 for a zero."""
        number, smaller = Signal(32), less(self.a, self.b) == (self.kind == ReduceKind.MIN)
        m.d.comb += number.eq(Mux(smaller, self.a, self.b))
        return Mux(is_nan(self.a) | is_nan(self.b), NAN, Mux(number[:31] == 0, 0, number))
