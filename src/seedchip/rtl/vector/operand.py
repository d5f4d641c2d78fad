"""The address side of one operand of the vector engine."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import OperandKind
from seedchip.rtl.signatures import ADDRESS_BITS
from seedchip.rtl.vector.plan import VECTOR, element_bytes
from seedchip.rtl.vector.row_walker import RowWalker
from seedchip.spec import ChipSpec


class VectorOperand(wiring.Component):
    """Operand ``name`` ("a", "b", "c"): walks its groups, one in every cycle with ``turn``, as long as there are any.

    ``group_valid`` with ``address`` shows the turn's group, ``group_last`` whether it is the last one of all;
    ``from_scratchpad`` and ``from_accumulator`` say where it lies, ``count`` how many bytes of the scratchpad it has.
    """

    def __init__(self, spec: ChipSpec, name: str) -> None:
        self._spec, self._name = spec, name
        parts = spec.matrix.columns // spec.vector.lanes
        super().__init__({
            "begin": In(1),
            "instruction": In(VECTOR.size),
            "turn": In(1),
            "group_valid": Out(1),
            "group_last": Out(1),
            "address": Out(ADDRESS_BITS),
            "part": Out(range(max(parts, 2))),
            "count": Out(range(spec.line_bytes + 1)),
            "from_scratchpad": Out(1),
            "from_accumulator": Out(1),
            "scalar": Out(1),
            "narrow": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, parts = self._spec.vector.lanes, self._spec.matrix.columns // self._spec.vector.lanes
        instruction = data.View(VECTOR, self.instruction)
        field = {key: instruction[f"{self._name}_{key}"] for key in ("kind", "type", "address", "stride_y", "stride_x")}
        item = element_bytes(field["type"])
        m.submodules.walker = walker = RowWalker(lanes, parts)
        exhausted = Signal()
        m.d.comb += [
            self.from_accumulator.eq(field["kind"] == OperandKind.ACCUMULATOR),
            self.scalar.eq(field["kind"] == OperandKind.SCALAR),
            self.from_scratchpad.eq((field["kind"] == OperandKind.VECTOR) | self.scalar), self.narrow.eq(item == 1),
            walker.start.eq(self.begin), walker.base.eq(field["address"]), walker.columns.eq(instruction.columns),
            walker.stride_y.eq(field["stride_y"]), walker.stride_x.eq(field["stride_x"]),
            walker.size_y.eq(instruction.size_y), walker.size_x.eq(instruction.size_x),
            walker.groups_per_step.eq(Mux(self.from_accumulator, parts, 1)), walker.advance.eq(self.group_valid),
            self.group_valid.eq(self.turn & ~exhausted), self.group_last.eq(walker.last),
            self.address.eq(walker.address), self.part.eq(walker.part),
            self.count.eq(Mux(self.scalar, item, lanes * item)),
        ]
        with m.If(self.from_accumulator):
            m.d.comb += walker.step.eq(instruction.a_stride_group)
        with m.Elif(~self.scalar):
            m.d.comb += walker.step.eq(lanes * item)
        with m.If(self.group_valid & walker.last):
            m.d.sync += exhausted.eq(1)
        with m.If(self.begin):
            m.d.sync += exhausted.eq(0)
        return m
