"""The order in which the vector engine goes through groups, slots and rows."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa.vector import BATCH, NUM_PARTIALS, fold_steps
from seedchip.rtl.vector.plan import PLAN, SLOT_BITS
from seedchip.spec import ChipSpec

PLACE = data.StructLayout({"index": 3, "odd_batch": 1})
"""Where a group of a batch keeps its operands: two batches are in the machine at a time."""


class VectorWalk(wiring.Component):
    """From the cycle after ``begin`` shows ``slot`` and ``place`` of a group, until the last one (``ending``)
    or ``stop``.

    `BATCH` groups take turns: each has its slot 0, then each its slot 1. Groups of a single slot follow one another.
    In a reduction the groups of a batch are of different rows, and a row's next group follows in the next batch, until
    the block of rows is through (``first_group`` and ``left``, the row's elements from this group on, tell how far);
    then come the slots of ``fold`` with their number ``step``. ``vector`` is the vector of partial sums that a group
    belongs to, ``fresh`` tells whether it is the first one there.

    ``group_last`` comes in slot 0 of the last group.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._lanes, self._steps = spec.vector.lanes, fold_steps(spec)
        super().__init__({
            "begin": In(1),
            "stop": In(1),
            "plan": In(PLAN),
            "columns": In(20),
            "group_last": In(1),
            "active": Out(1),
            "slot": Out(SLOT_BITS),
            "place": Out(PLACE),
            "turn_ends": Out(1),
            "batch_ends": Out(1),
            "ending": Out(1),
            "first_group": Out(1),
            "left": Out(20),
            "vector": Out(range(max(2, NUM_PARTIALS // self._lanes))),
            "fresh": Out(1),
            "fold": Out(1),
            "step": Out(range(self._steps)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        exhausted, last_group, fold_ends = Signal(), Signal(), Signal()
        alone = (self.plan.slots == 1) & ~self.plan.reduce
        m.d.comb += [
            self.turn_ends.eq(self.active & (self.place.index == BATCH - 1)),
            self.batch_ends.eq(self.turn_ends & ~self.fold & (self.slot + 1 == self.plan.slots)),
            last_group.eq(self.left <= self._lanes),
            fold_ends.eq(self.turn_ends & self.fold & (self.step == self._steps - 1)),
            self.ending.eq(Mux(alone, self.active & self.group_last,
                               Mux(self.plan.reduce, fold_ends, self.batch_ends) & exhausted)),
        ]
        with m.If(self.active):
            m.d.sync += [self.place.index.eq(self.place.index + 1), exhausted.eq(exhausted | self.group_last)]
        with m.If(self.turn_ends):
            with m.If(self.fold):
                m.d.sync += self.step.eq(self.step + 1)
            with m.Else():
                m.d.sync += self.slot.eq(self.slot + 1)
        with m.If(self.batch_ends):
            m.d.sync += [self.slot.eq(0), self.place.odd_batch.eq(~self.place.odd_batch)]
        with m.If(self.batch_ends & self.plan.reduce):
            self._next_group(m, last_group)
        with m.If(self.ending | self.stop):
            m.d.sync += self.active.eq(0)
        with m.If(self.begin):
            m.d.sync += [self.active.eq(1), exhausted.eq(0), self.slot.eq(0), self.place.eq(0)]
        with m.If(self.begin | fold_ends):
            m.d.sync += [self.fold.eq(0), self.step.eq(0), self.left.eq(self.columns), self.vector.eq(0),
                         self.first_group.eq(1), self.fresh.eq(1)]
        return m

    def _next_group(self, m: Module, last_group: Signal) -> None:
        vector_ends = self.vector == NUM_PARTIALS // self._lanes - 1
        m.d.sync += [self.left.eq(self.left - self._lanes), self.first_group.eq(0), self.fold.eq(last_group),
                     self.vector.eq(Mux(vector_ends, 0, self.vector + 1)), self.fresh.eq(self.fresh & ~vector_ends)]
