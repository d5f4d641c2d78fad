"""The reading side of the vector engine: operands and parameters of group after group."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa.vector import BATCH
from seedchip.rtl.binary32.convert import CYCLES as CONVERT_CYCLES
from seedchip.rtl.memory.accumulator import AccumulatorRead
from seedchip.rtl.signatures import ReadPort
from seedchip.rtl.vector.combine import CombineStep
from seedchip.rtl.vector.convert import VectorConvert
from seedchip.rtl.vector.operand import VectorOperand
from seedchip.rtl.vector.plan import OPERANDS, PLAN, VECTOR
from seedchip.rtl.vector.row_walker import RowWalker
from seedchip.rtl.vector.walk import PLACE, VectorWalk
from seedchip.rtl.vector.window import VectorWindow
from seedchip.spec import ChipSpec

READ_CYCLES = 2
EXECUTE_AFTER = READ_CYCLES + CONVERT_CYCLES
"""Cycles from the slot that reads an operand to the slot that fetches the first operation, if nothing else is read."""


class OperandWrite(wiring.Signature):
    """A vector of ``lanes`` patterns for one group's place."""

    def __init__(self, lanes: int) -> None:
        super().__init__({"valid": Out(1), "place": Out(PLACE), "data": Out(32 * lanes)})


class ParameterWrite(wiring.Signature):
    """Parameter vectors 2 * pair and 2 * pair + 1 of one group."""

    def __init__(self, lanes: int) -> None:
        super().__init__({"valid": Out(1), "place": Out(PLACE), "pair": Out(2), "data": Out(64 * lanes)})


class VectorReader(wiring.Component):
    """From the cycle after ``begin`` walks slots (``place``) and reads an operand of the scratchpad in each of the
    first ones, sums in the first, and parameters from the first on, two a slot. ``group_valid`` and ``group_last``
    describe the group in the first slot; ``ending`` marks the last slot of all. A window's taps come in the first
    slots, as steps for its combination (``tap``) in place of operand A; their data is in the operand's port.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        lanes = spec.vector.lanes
        super().__init__({
            "start": In(1),
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
            "parameter_single": Out(1),
            "parameter_data": In(64 * lanes),
            **{name: Out(OperandWrite(lanes)) for name in OPERANDS},
            "tap": Out(CombineStep(spec)),
            "parameters": Out(ParameterWrite(lanes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, instruction = self.plan, data.View(VECTOR, self.instruction)
        m.submodules.walk = walk = VectorWalk(self._spec)
        operands = {name: VectorOperand(self._spec, name) for name in OPERANDS}
        m.submodules.window = window = VectorWindow()
        first = walk.active & ~walk.fold & (walk.slot == 0)

        # Which groups of the batch there are: found in slot 0, where a block of rows begins, and kept.
        exhausted, kept, exists = Signal(), Signal(BATCH), Signal()
        kept_here = kept.bit_select(walk.place.index, 1)
        m.d.comb += exists.eq(Mux(first & walk.first_group, ~exhausted, kept_here))
        with m.If(first & walk.first_group):
            m.d.sync += kept_here.eq(exists)
        with m.If(self.group_last):
            m.d.sync += exhausted.eq(1)
        with m.If(self.begin):
            m.d.sync += exhausted.eq(0)
        m.d.comb += [
            walk.begin.eq(self.begin), walk.plan.eq(plan), walk.columns.eq(instruction.columns),
            walk.group_last.eq(self.group_last), self.ending.eq(walk.ending),
            self.first_slot.eq(first), self.place.eq(walk.place), self.group_valid.eq(first & exists),
            self.group_last.eq(first & walk.first_group & exists & operands["a"].last),
        ]
        turns = {"a": first | (walk.active & (walk.slot < plan.taps)),
                 **{name: walk.active & ~walk.fold & (walk.slot == plan[f"slot_{name}"]) for name in "bc"}}
        for name, operand in operands.items():
            m.submodules[f"operand_{name}"] = operand
            field = {key: instruction[f"{name}_{key}"] for key in ("address", "stride_y", "stride_x")}
            m.d.comb += [
                operand.begin.eq(self.begin), operand.instruction.eq(self.instruction), operand.by_rows.eq(plan.reduce),
                operand.turn.eq(turns[name]), operand.turn_ends.eq(walk.turn_ends), operand.valid.eq(exists),
                operand.walk.eq(walk.first_group), operand.base.eq(field["address"]),
                operand.stride_y.eq(field["stride_y"]), operand.stride_x.eq(field["stride_x"]),
            ]
        self._follow_window(m, walk, window, operands["a"], first)
        self._read_operands(m, walk, window, operands)
        self._read_parameters(m, instruction, walk, first)
        return m

    def _follow_window(self, m: Module, walk: VectorWalk, window: VectorWindow, a: VectorOperand,
                       first: Value) -> None:
        """The window's own addresses for operand A."""
        m.d.comb += [
            window.start.eq(self.start), window.begin.eq(self.begin), window.instruction.eq(self.instruction),
            window.turn.eq(a.turn), window.turn_ends.eq(walk.turn_ends), window.batch_ends.eq(walk.batch_ends),
            window.first_tap.eq(first), window.advance.eq(first & a.valid), window.row_ends.eq(a.row_ends),
            window.x_ends.eq(a.x_ends),
        ]
        with m.If(self.plan.window):
            m.d.comb += [a.base.eq(window.base), a.stride_y.eq(window.stride_y), a.stride_x.eq(window.stride_x),
                         a.offset.eq(window.offset), a.walk.eq(first)]

    def _read_operands(self, m: Module, walk: VectorWalk, window: VectorWindow,
                       operands: dict[str, VectorOperand]) -> None:
        """Two cycles of memory, two of conversion. Operands have slots of their own, so their reads never meet."""
        m.submodules.convert = convert = VectorConvert(self._spec)
        a = operands["a"]
        asks = {name: o.turn & o.valid & o.from_scratchpad for name, o in operands.items()}
        asks["a"] &= ~self.plan.window | window.inside
        m.d.comb += [
            self.scratchpad.valid.eq(Cat(*asks.values()).any()),
            self.scratchpad.address.eq(_chosen(asks, {n: o.address for n, o in operands.items()})),
            self.scratchpad.count.eq(_chosen(asks, {n: o.count for n, o in operands.items()})),
            self.accumulator.valid.eq(a.turn & a.valid & a.from_accumulator), self.accumulator.row.eq(a.address),
        ]
        stage = Signal(data.StructLayout({"place": PLACE, "part": len(a.part), "sums": 1, "tap": 1, "inside": 1,
                                          "fresh": 1, **dict.fromkeys(OPERANDS, 1)}))
        m.d.comb += [
            stage.place.eq(self.place), stage.part.eq(a.part), stage.sums.eq(self.accumulator.valid),
            stage.tap.eq(a.turn & self.plan.window), stage.inside.eq(window.inside), stage.fresh.eq(window.fresh),
            *(stage[name].eq(ask) for name, ask in asks.items()),
        ]
        stages = [stage]
        for i in range(EXECUTE_AFTER):
            later = Signal(stage.shape(), name=f"stage_{i}")
            m.d.sync += later.eq(stages[-1])
            stages.append(later)
        arrived, ready = stages[READ_CYCLES], stages[EXECUTE_AFTER]
        m.d.comb += [
            convert.bytes.eq(self.scratchpad.data), convert.sums.eq(self.accumulator.sums),
            convert.part.eq(arrived.part),
            convert.scalar.eq(Cat(arrived[n] & o.scalar for n, o in operands.items()).any()),
            convert.narrow.eq(Cat(arrived[n] & o.narrow for n, o in operands.items()).any()),
        ]
        for name in OPERANDS:
            port = getattr(self, name)
            words = self.plan[f"float_{name}"] | (self.plan.raw if name == "a" else 0)
            value = Mux(words, convert.scratchpad_words, convert.scratchpad_numbers)
            m.d.comb += [port.place.eq(ready.place), port.valid.eq(ready[name]), port.data.eq(value)]
        with m.If(ready.sums):
            m.d.comb += [self.a.valid.eq(1),
                         self.a.data.eq(Mux(self.plan.raw, convert.sum_words, convert.sum_numbers))]
        m.d.comb += [self.tap.valid.eq(ready.tap), self.tap.place.eq(ready.place), self.tap.fresh.eq(ready.fresh),
                     self.tap.count.eq(Mux(ready.inside, self._spec.vector.lanes, 0))]

    def _read_parameters(self, m: Module, instruction: data.View, walk: VectorWalk, first: Value) -> None:
        """A group's first line is found in slot 0; the lines of a batch go round in a ring, two on with every slot.
        All rows of a reduction's batch are at the same group, and have the same parameters."""
        lanes = self._spec.vector.lanes
        m.submodules.parameter_walker = walker = RowWalker(lanes)
        m.d.comb += [
            walker.start.eq(self.begin), walker.base.eq(instruction.parameter_address),
            walker.step.eq(instruction.num_parameters), walker.columns.eq(instruction.columns),
            walker.size_y.eq(instruction.size_y), walker.size_x.eq(instruction.size_x),
            walker.advance.eq(first & Mux(self.plan.reduce, walk.turn_ends, self.group_valid)),
        ]
        ring = [Signal(16, name=f"ring_{i}", reset_less=True) for i in range(BATCH)]
        line = Mux(first, walker.address[:16], ring[-1])
        with m.If(walk.active):
            m.d.sync += [ring[0].eq(line + 2), *(b.eq(a) for a, b in pairwise(ring))]
        reads = walk.active & ~walk.fold & (walk.slot < self.plan.num_pairs)
        single = instruction.num_parameters[0] & (walk.slot + 1 == self.plan.num_pairs)
        m.d.comb += [self.parameter_valid.eq(reads), self.parameter_line.eq(line), self.parameter_single.eq(single)]
        stage = Signal(data.StructLayout({"valid": 1, "place": PLACE, "pair": 2}))
        m.d.comb += [stage.valid.eq(reads), stage.place.eq(self.place), stage.pair.eq(walk.slot)]
        for i in range(READ_CYCLES):
            later = Signal(stage.shape(), name=f"parameter_stage_{i}")
            m.d.sync += later.eq(stage)
            stage = later
        m.d.comb += [
            self.parameters.valid.eq(stage.valid), self.parameters.place.eq(stage.place),
            self.parameters.pair.eq(stage.pair), self.parameters.data.eq(self.parameter_data),
        ]


def _chosen(asks: dict[str, Value], values: dict[str, Value]) -> Value:
    return reduce(or_, (Mux(asks[name], values[name], 0) for name in asks))
