"""The writing side of the vector engine: clamp, convert, pack, write."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import ElementType
from seedchip.rtl import hierarchy
from seedchip.rtl.binary32.convert import CYCLES, FloatToInteger
from seedchip.rtl.binary32.format import NAN, is_nan, less
from seedchip.rtl.signatures import WritePort
from seedchip.rtl.vector.plan import PLAN, VECTOR, element_bytes
from seedchip.rtl.vector.row_walker import RowWalker
from seedchip.spec import ChipSpec

BOUNDS = data.StructLayout({"has_low": 1, "has_high": 1, "raised": 32})
"""Which bounds there are, and what an element below the lower one becomes."""


class VectorResult(wiring.Component):
    """Takes a group's results with ``valid`` and writes them three cycles later. Elements beyond the row's are 0; of a
    reduction's the first is the row's only one."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({
            "begin": In(1),
            "instruction": In(VECTOR.size),
            "plan": In(PLAN),
            "valid": In(1),
            "result": In(32 * spec.vector.lanes),
            "scratchpad": Out(WritePort(spec.line_bytes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self._spec.vector.lanes
        instruction = data.View(VECTOR, self.instruction)
        item = Mux(self.plan.reduce, element_bytes(ElementType.FLOAT32), element_bytes(instruction.out_type))
        narrow = item == 1
        m.submodules.walker = walker = RowWalker(lanes)
        valid = self.valid
        for i in range(CYCLES + 1):
            later = Signal(name=f"valid_{i}")
            m.d.sync += later.eq(valid)
            valid = later
        m.d.comb += [
            walker.start.eq(self.begin), walker.base.eq(instruction.out_address),
            walker.columns.eq(Mux(self.plan.reduce, 1, instruction.columns)),
            walker.stride_y.eq(instruction.out_stride_y), walker.stride_x.eq(instruction.out_stride_x),
            walker.size_y.eq(instruction.size_y), walker.size_x.eq(instruction.size_x),
            walker.step.eq(lanes * item), walker.advance.eq(valid),
            self.scratchpad.valid.eq(valid), self.scratchpad.address.eq(walker.address),
            self.scratchpad.count.eq(Mux(self.plan.reduce, item, lanes * item)),
        ]
        low, high = instruction.clamp_low, instruction.clamp_high
        bounds = Signal(BOUNDS)
        m.d.comb += [  # a bound that is no number bounds nothing; what has been raised to low is lowered to high
            bounds.has_low.eq(~is_nan(low)), bounds.has_high.eq(~is_nan(high)),
            bounds.raised.eq(Mux(bounds.has_high & less(high, low), high, low)),
        ]
        words = []
        for lane in range(lanes):
            word = self._convert(m, platform, (instruction, bounds), lane)
            words.append(Mux(lane < walker.left, word, 0))
        for lane, word in enumerate(words):
            wide = self.scratchpad.data[32 * lane:32 * lane + 32]
            in_bytes = [words[4 * lane + i][:8] for i in range(4) if 4 * lane + i < lanes]
            packed = Signal(32, name=f"packed_{lane}")
            for i, byte in enumerate(in_bytes):
                m.d.comb += packed[8 * i:8 * i + 8].eq(byte)
            m.d.comb += wide.eq(Mux(narrow, packed, word))
        return m

    def _convert(self, m: Module, platform: object, facts: tuple[data.View, data.View], lane: int) -> Signal:
        """One lane's pattern, three cycles later."""
        instruction, bounds = facts
        x = self.result[32 * lane:32 * lane + 32]
        clamped, raw = Signal(32, name=f"clamped_{lane}", reset_less=True), self.plan.raw
        low, high = instruction.clamp_low, instruction.clamp_high
        m.d.sync += clamped.eq(x)
        with m.If(~raw):
            with m.If(is_nan(x)):
                m.d.sync += clamped.eq(NAN)
            with m.Elif(bounds.has_low & less(x, low)):
                m.d.sync += clamped.eq(bounds.raised)
            with m.Elif(bounds.has_high & less(high, x)):
                m.d.sync += clamped.eq(high)
        convert = hierarchy.place(m, platform, f"convert_{lane}", FloatToInteger)
        m.d.comb += [convert.number.eq(clamped), convert.narrow.eq(instruction.out_type == ElementType.INT8)]
        for i in range(CYCLES):
            later = Signal(32, name=f"clamped_{lane}_{i}", reset_less=True)
            m.d.sync += later.eq(clamped)
            clamped = later
        word = Signal(32, name=f"word_{lane}")
        whole = raw | self.plan.reduce | (instruction.out_type == ElementType.FLOAT32)
        m.d.comb += word.eq(Mux(whole, clamped, convert.integer))
        return word
