"""What the vector engine reads becomes binary32."""

from __future__ import annotations

from amaranth import Array, Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl import hierarchy
from seedchip.rtl.binary32.convert import CYCLES, IntegerToFloat
from seedchip.spec import ChipSpec


class VectorConvert(wiring.Component):
    """Bytes of the scratchpad and sums of the accumulators to ``lanes`` words each, two cycles later.

    A scalar goes to every lane. ``scratchpad_words`` are the 32-bit elements themselves (for binary32 operands),
    ``scratchpad_numbers`` converted integers, and likewise for the sums.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        lanes, columns = spec.vector.lanes, spec.matrix.columns
        words = Out(32 * lanes)
        super().__init__({
            "bytes": In(8 * spec.line_bytes),
            "scalar": In(1),
            "narrow": In(1),
            "sums": In(data.ArrayLayout(signed(32), columns)),
            "part": In(range(max(columns // lanes, 2))),
            "scratchpad_words": words,
            "scratchpad_numbers": words,
            "sum_words": words,
            "sum_numbers": words,
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, columns = self._spec.vector.lanes, self._spec.matrix.columns
        for lane in range(lanes):
            place = slice(32 * lane, 32 * lane + 32)
            word, byte = self.bytes.word_select(lane, 32), self.bytes.word_select(lane, 8)
            integer = Signal(signed(32), name=f"integer_{lane}")
            m.d.comb += integer.eq(Mux(
                self.narrow, Mux(self.scalar, self.bytes[:8], byte).as_signed(),
                Mux(self.scalar, self.bytes[:32], word).as_signed()))
            total = Array(self.sums[part * lanes + lane] for part in range(columns // lanes))[self.part]
            for source, name in ((integer, "scratchpad"), (total, "sum")):
                convert = hierarchy.place(m, platform, f"{name}_{lane}", IntegerToFloat)
                m.d.comb += [
                    convert.integer.eq(source), getattr(self, f"{name}_numbers")[place].eq(convert.number),
                    getattr(self, f"{name}_words")[place].eq(_later(m, source, f"{name}_word_{lane}")),
                ]
        return m


def _later(m: Module, value: Value, name: str) -> Value:
    for i in range(CYCLES):
        after = Signal(32, name=f"{name}_{i}", reset_less=True)
        m.d.sync += after.eq(value)
        value = after
    return value
