"""The address side of one operand of the vector engine."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import OperandKind
from seedchip.isa.vector import BATCH
from seedchip.rtl.signatures import ADDRESS_BITS
from seedchip.rtl.vector.plan import VECTOR, element_bytes
from seedchip.rtl.vector.row_walker import RowWalker
from seedchip.spec import ChipSpec


class VectorOperand(wiring.Component):
    """Operand ``name`` ("a", "b", "c"): where its groups lie, one in every cycle with ``turn``.

    ``valid`` tells whether there is a group for the turn. ``walk`` goes on to the next row's (or, unless ``by_rows``,
    the row's next) group; without it the turn's group has the address of `BATCH` turns ago, and with ``by_rows`` a
    group more. ``offset`` is added to the address, ``base`` and the strides are those of the instruction or of its
    window. ``last`` marks the last group (or row) of all; ``from_scratchpad`` and ``from_accumulator`` say where the
    operand lies, ``count`` how many bytes of the scratchpad it has.
    """

    def __init__(self, spec: ChipSpec, name: str) -> None:
        self._spec, self._name = spec, name
        parts = spec.matrix.columns // spec.vector.lanes
        super().__init__({
            "begin": In(1),
            "instruction": In(VECTOR.size),
            "base": In(ADDRESS_BITS),
            "stride_y": In(signed(ADDRESS_BITS)),
            "stride_x": In(signed(ADDRESS_BITS)),
            "offset": In(ADDRESS_BITS),
            "by_rows": In(1),
            "turn": In(1),
            "turn_ends": In(1),
            "valid": In(1),
            "walk": In(1),
            "last": Out(1),
            "row_ends": Out(1),
            "x_ends": Out(1),
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
        kind = instruction[f"{self._name}_kind"]
        item = element_bytes(instruction[f"{self._name}_type"])
        m.submodules.walker = walker = RowWalker(lanes, parts)
        m.d.comb += [
            self.from_accumulator.eq(kind == OperandKind.ACCUMULATOR), self.scalar.eq(kind == OperandKind.SCALAR),
            self.from_scratchpad.eq((kind == OperandKind.VECTOR) | self.scalar), self.narrow.eq(item == 1),
            self.count.eq(Mux(self.scalar, item, lanes * item)),
            walker.start.eq(self.begin), walker.base.eq(self.base), walker.stride_y.eq(self.stride_y),
            walker.stride_x.eq(self.stride_x), walker.columns.eq(Mux(self.by_rows, 1, instruction.columns)),
            walker.size_y.eq(instruction.size_y), walker.size_x.eq(instruction.size_x),
            walker.groups_per_step.eq(Mux(self.from_accumulator, parts, 1)),
            walker.advance.eq(self.turn & self.valid & self.walk),
            self.last.eq(walker.last), self.row_ends.eq(walker.row_ends), self.x_ends.eq(walker.x_ends),
        ]
        with m.If(self.from_accumulator):
            m.d.comb += walker.step.eq(instruction.a_stride_group)
        with m.Elif(~self.scalar):
            m.d.comb += walker.step.eq(lanes * item)
        self._again(m, walker)
        return m

    def _again(self, m: Module, walker: RowWalker) -> None:
        """Addresses of the last `BATCH` turns go round in a ring; a part of a row of sums stays for some groups."""
        part, part_now = Signal.like(self.part, reset_less=True), Signal.like(self.part)
        part_ends = part_now + 1 == walker.groups_per_step
        ring = [Signal(ADDRESS_BITS, name=f"ring_{i}", reset_less=True) for i in range(BATCH)]
        address = Signal(ADDRESS_BITS)
        m.d.comb += [
            part_now.eq(Mux(self.walk, 0, part)), self.part.eq(Mux(self.by_rows, part_now, walker.part)),
            address.eq(Mux(self.walk, walker.address, ring[-1])), self.address.eq(address + self.offset),
        ]
        with m.If(self.turn):
            m.d.sync += [*(b.eq(a) for a, b in pairwise(ring)),
                         ring[0].eq(address + Mux(self.by_rows & part_ends, walker.step, 0))]
        with m.If(self.turn & self.turn_ends):
            m.d.sync += part.eq(Mux(part_ends, 0, part_now + 1))
