"""The reading side of the vector engine: operand A and parameters of group after group."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import OperandKind
from seedchip.isa.vector import BATCH
from seedchip.rtl import hierarchy
from seedchip.rtl.accumulator import AccumulatorRead
from seedchip.rtl.float_convert import IntegerToFloat
from seedchip.rtl.row_walker import RowWalker
from seedchip.rtl.signatures import ReadPort
from seedchip.rtl.vector_plan import PLAN, VECTOR, element_bytes
from seedchip.spec import ChipSpec

PLACE = data.StructLayout({"index": 3, "odd_batch": 1})
"""Where a group of a batch keeps its operands: two batches are in the machine at a time."""
READ_CYCLES, CONVERT_CYCLES = 2, 2
EXECUTE_AFTER = READ_CYCLES + CONVERT_CYCLES
"""Cycles from the slot that reads operand A to the slot that fetches the first operation, when nothing else is read."""


class OperandWrite(wiring.Signature):
    """A vector of ``lanes`` patterns for one group's place."""

    def __init__(self, lanes: int) -> None:
        super().__init__({"valid": Out(1), "place": Out(PLACE), "data": Out(32 * lanes)})


class ParameterWrite(wiring.Signature):
    """Parameter vectors 2 * pair and 2 * pair + 1 of one group."""

    def __init__(self, lanes: int) -> None:
        super().__init__({"valid": Out(1), "place": Out(PLACE), "pair": Out(2), "data": Out(64 * lanes)})


class VectorReader(wiring.Component):
    """From the cycle after ``begin`` walks slots (``slot``, ``place``) and reads operand A in slot 0, parameters from
    slot 0 on, two a slot. ``group_valid`` and ``group_last`` describe the group in slot 0; ``ending`` marks the
    last slot of all."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        lanes = spec.vector.lanes
        super().__init__({
            "begin": In(1),
            "instruction": In(VECTOR.size),
            "plan": In(PLAN),
            "first_slot": Out(1),
            "place": Out(PLACE),
            "group_valid": Out(1),
            "group_last": Out(1),
            "ending": Out(1),
            "scratchpad": Out(ReadPort(spec.line_bytes)),
            "accumulator": Out(AccumulatorRead(spec.matrix.columns)),
            "parameter_valid": Out(1),
            "parameter_line": Out(16),
            "parameter_data": In(64 * lanes),
            "operand": Out(OperandWrite(lanes)),
            "parameters": Out(ParameterWrite(lanes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        instruction, plan = data.View(VECTOR, self.instruction), self.plan
        active, exhausted = Signal(), Signal()
        slot, place = Signal(7), Signal(PLACE)
        walker = self._walk(m, instruction)
        batch_ends = (place.index == BATCH - 1) & (slot + 1 == plan.slots)
        m.d.comb += [
            self.first_slot.eq(active & (slot == 0)), self.place.eq(place),
            self.group_valid.eq(self.first_slot & ~exhausted), self.group_last.eq(walker.last),
            walker.advance.eq(self.group_valid),
            self.ending.eq(active & Mux(plan.slots == 1, walker.last, batch_ends & exhausted)),
        ]
        with m.If(active):
            m.d.sync += place.index.eq(place.index + 1)
            with m.If(place.index == BATCH - 1):
                m.d.sync += slot.eq(slot + 1)
            with m.If(batch_ends):
                m.d.sync += [slot.eq(0), place.odd_batch.eq(~place.odd_batch)]
            with m.If(self.group_valid & walker.last):
                m.d.sync += exhausted.eq(1)
            with m.If(self.ending):
                m.d.sync += active.eq(0)
        with m.If(self.begin):
            m.d.sync += [active.eq(1), exhausted.eq(0), slot.eq(0), place.eq(0)]
        self._read_operand(m, platform, instruction, walker)
        self._read_parameters(m, instruction, active, slot)
        return m

    def _walk(self, m: Module, instruction: data.View) -> RowWalker:
        lanes, parts = self._spec.vector.lanes, self._spec.matrix.columns // self._spec.vector.lanes
        m.submodules.walker = walker = RowWalker(lanes, parts)
        from_accumulator = instruction.a_kind == OperandKind.ACCUMULATOR
        m.d.comb += [
            walker.start.eq(self.begin), walker.base.eq(instruction.a_address), walker.columns.eq(instruction.columns),
            walker.stride_y.eq(instruction.a_stride_y), walker.stride_x.eq(instruction.a_stride_x),
            walker.size_y.eq(instruction.size_y), walker.size_x.eq(instruction.size_x),
            walker.groups_per_step.eq(Mux(from_accumulator, parts, 1)),
        ]
        with m.If(from_accumulator):
            m.d.comb += walker.step.eq(instruction.a_stride_group)
        with m.Elif(instruction.a_kind == OperandKind.VECTOR):
            m.d.comb += walker.step.eq(lanes * element_bytes(instruction.a_type))
        return walker

    def _read_operand(self, m: Module, platform: object, instruction: data.View, walker: RowWalker) -> None:
        """Two cycles of memory, two of conversion; accumulators and 32-bit elements already have their width."""
        lanes = self._spec.vector.lanes
        kind, narrow = instruction.a_kind, element_bytes(instruction.a_type) == 1
        scalar = kind == OperandKind.SCALAR
        from_scratchpad = (kind == OperandKind.VECTOR) | scalar
        m.d.comb += [
            self.scratchpad.valid.eq(self.group_valid & from_scratchpad), self.scratchpad.address.eq(walker.address),
            self.scratchpad.count.eq(element_bytes(instruction.a_type) * Mux(scalar, 1, lanes)),
            self.accumulator.valid.eq(self.group_valid & (kind == OperandKind.ACCUMULATOR)),
            self.accumulator.row.eq(walker.address),
        ]
        part = walker.part
        valid, place = self.group_valid, self.place
        for i in range(READ_CYCLES + CONVERT_CYCLES):
            later = [Signal(name=f"valid_{i}"), Signal(PLACE, name=f"place_{i}", reset_less=True)]
            m.d.sync += [later[0].eq(valid), later[1].eq(place)]
            valid, place = later
            if i < READ_CYCLES:
                part_later = Signal.like(part, name=f"part_{i}", reset_less=True)
                m.d.sync += part_later.eq(part)
                part = part_later
        m.d.comb += [self.operand.valid.eq(valid), self.operand.place.eq(place)]
        for lane in range(lanes):
            convert = hierarchy.place(m, platform, f"convert_{lane}", IntegerToFloat)
            sums = Array(self.accumulator.sums[p * lanes + lane] for p in range(len(self.accumulator.sums) // lanes))
            word = Mux(scalar, self.scratchpad.data[:32], self.scratchpad.data[32 * lane:32 * lane + 32])
            byte = Mux(scalar, self.scratchpad.data[:8], self.scratchpad.data[8 * lane:8 * lane + 8]).as_signed()
            raw = Signal(32, name=f"raw_{lane}")
            m.d.comb += [
                raw.eq(Mux(kind == OperandKind.ACCUMULATOR, sums[part], Mux(narrow, byte, word.as_signed()))),
                convert.integer.eq(raw),
            ]
            unconverted = raw
            for i in range(CONVERT_CYCLES):
                later = Signal(32, name=f"unconverted_{lane}_{i}", reset_less=True)
                m.d.sync += later.eq(unconverted)
                unconverted = later
            m.d.comb += self.operand.data[32 * lane:32 * lane + 32].eq(
                Mux(self.plan.raw | self.plan.float_in, unconverted, convert.number))

    def _read_parameters(self, m: Module, instruction: data.View, active: Signal, slot: Signal) -> None:
        """A group's first line is found in slot 0; the lines of a batch go round in a ring, two on with every slot."""
        lanes = self._spec.vector.lanes
        m.submodules.parameter_walker = walker = RowWalker(lanes)
        m.d.comb += [
            walker.start.eq(self.begin), walker.base.eq(instruction.parameter_address),
            walker.step.eq(instruction.num_parameters), walker.columns.eq(instruction.columns),
            walker.size_y.eq(instruction.size_y), walker.size_x.eq(instruction.size_x),
            walker.advance.eq(self.group_valid),
        ]
        ring = [Signal(16, name=f"ring_{i}", reset_less=True) for i in range(BATCH)]
        line = Mux(slot == 0, walker.address[:16], ring[-1])
        with m.If(active):
            m.d.sync += [ring[0].eq(line + 2), *(b.eq(a) for a, b in pairwise(ring))]
        reads = active & (slot < self.plan.num_pairs)
        m.d.comb += [self.parameter_valid.eq(reads), self.parameter_line.eq(line)]
        stage = Signal(data.StructLayout({"valid": 1, "place": PLACE, "pair": 2}))
        m.d.comb += [stage.valid.eq(reads), stage.place.eq(self.place), stage.pair.eq(slot)]
        for i in range(READ_CYCLES):
            later = Signal(stage.shape(), name=f"parameter_stage_{i}")
            m.d.sync += later.eq(stage)
            stage = later
        m.d.comb += [
            self.parameters.valid.eq(stage.valid), self.parameters.place.eq(stage.place),
            self.parameters.pair.eq(stage.pair), self.parameters.data.eq(self.parameter_data),
        ]
