"""Sums, maxima and minima of windows and of rows: one adder a lane, and the partial results of `BATCH` rows."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.isa import ReduceKind
from seedchip.isa.vector import BATCH, NUM_PARTIALS, fold_steps
from seedchip.rtl import hierarchy
from seedchip.rtl.binary32.format import INFINITY, MINUS_INFINITY
from seedchip.rtl.vector.combine_lane import CYCLES, CombineLane
from seedchip.rtl.vector.walk import PLACE
from seedchip.spec import ChipSpec


class CombineStep(data.StructLayout):
    """What to do with one group's elements, or (``fold``) with what has come of a row.

    The elements of the first ``count`` lanes join the partial results ``vector`` of the row ``place.index``; with
    ``fresh`` they begin them. ``live`` tells whether there is such a row: only then is its fold ``finished``.
    """

    def __init__(self, spec: ChipSpec) -> None:
        lanes = spec.vector.lanes
        super().__init__({
            "valid": 1, "place": PLACE, "vector": max(1, ceil_log2(NUM_PARTIALS // lanes)), "fresh": 1,
            "count": ceil_log2(lanes + 1), "live": 1, "fold": 1, "step": ceil_log2(fold_steps(spec))})


@dataclass(frozen=True)
class Fold:
    """One addition of the tree: vector ``vector`` and vector ``other``, or (``distance``) and its own lanes beyond."""

    vector: int
    other: int
    distance: int = 0


def folds(lanes: int) -> list[Fold]:
    """The tree of `seedchip.numerics.reduction` over NUM_PARTIALS / ``lanes`` vectors, in the order of its levels."""
    steps, half = [], NUM_PARTIALS // lanes // 2
    while half:
        steps += [Fold(vector, vector + half) for vector in range(half)]
        half //= 2
    return steps + [Fold(0, 0, lanes >> level) for level in range(1, lanes.bit_length())]


class VectorCombine(wiring.Component):
    """Takes a ``step`` a cycle with its ``elements``; 1 + `CYCLES` later shows the ``result``, with ``valid`` for
    every step at its ``place``, and ``finished`` for the last fold of a row, whose result is lane 0's.

    Two steps of the same row are `BATCH` cycles apart. Vectors with an even and with an odd number of ones in their
    binary number lie in two memories, so that the two which a fold adds are always read side by side.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec, self._folds = spec, folds(spec.vector.lanes)
        width = 32 * spec.vector.lanes
        super().__init__({
            "kind": In(2),
            "columns": In(20),
            "step": In(CombineStep(spec)),
            "elements": In(width),
            "valid": Out(1),
            "place": Out(PLACE),
            "finished": Out(1),
            "result": Out(width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self._spec.vector.lanes
        step = self.step
        vector, other, distance, missing = self._decode(m)
        live = Signal(BATCH)
        finished = step.fold & (step.step == len(self._folds) - 1) & live.bit_select(step.place.index, 1)
        with m.If(step.valid & ~step.fold):
            m.d.sync += live.bit_select(step.place.index, 1).eq(step.live)

        stage = Signal(data.StructLayout({"valid": 1, "finished": 1, "place": PLACE, "vector": len(vector)}))
        m.d.comb += [stage.valid.eq(step.valid), stage.finished.eq(step.valid & finished), stage.place.eq(step.place),
                     stage.vector.eq(vector)]
        for i in range(1 + CYCLES):
            later = Signal(stage.shape(), name=f"stage_{i}")
            m.d.sync += later.eq(stage)
            stage = later
        m.d.comb += [self.valid.eq(stage.valid), self.place.eq(stage.place), self.finished.eq(stage.finished)]
        mine, beside = self._partials(m, vector, other, stage)

        # Second cycle: the memories' data is here, and so is what goes with it.
        elements, kept = Signal.like(self.elements, reset_less=True), Signal(step.shape(), reset_less=True)
        far, absent = Signal.like(distance, reset_less=True), Signal.like(missing, reset_less=True)
        m.d.sync += [elements.eq(self.elements), kept.eq(step), far.eq(distance), absent.eq(missing)]
        identity = Signal(32)
        with m.Switch(self.kind):
            with m.Case(ReduceKind.MAX):
                m.d.comb += identity.eq(MINUS_INFINITY)
            with m.Case(ReduceKind.MIN):
                m.d.comb += identity.eq(INFINITY)
        results = []
        for i in range(lanes):
            lane = hierarchy.place(m, platform, f"lane_{i}", CombineLane)
            word = slice(32 * i, 32 * i + 32)
            counts = i < kept.count
            m.d.comb += [lane.kind.eq(self.kind), lane.a.eq(Mux(absent[0], identity, mine[word]))]
            with m.If(kept.fold):
                m.d.comb += lane.b.eq(Mux(absent[1], identity, beside[word]))
                for level, span in enumerate(self._distances()):
                    if i < span:
                        with m.If(far[level]):
                            m.d.comb += lane.b.eq(mine[32 * (i + span):32 * (i + span) + 32])
            with m.Else():
                m.d.comb += [lane.b.eq(Mux(counts, elements[word], identity)), lane.take_b.eq(kept.fresh),
                             lane.take_a.eq(~kept.fresh & ~counts)]
            results.append(lane.result)
        m.d.comb += self.result.eq(Cat(*results))
        return m

    def _distances(self) -> list[int]:
        return [fold.distance for fold in self._folds if fold.distance]

    def _decode(self, m: Module) -> tuple[Value, Value, Value, Value]:
        """The vector that a step changes, the other one of a fold, its distance between lanes (one bit for each), and
        whether the two are missing because the row has no such elements."""
        lanes, step = self._spec.vector.lanes, self.step
        vector, other = Signal.like(step.vector, name="vector"), Signal.like(step.vector, name="other")
        distance, missing = Signal(len(self._distances())), Signal(2)
        m.d.comb += vector.eq(step.vector)
        with m.If(step.fold), m.Switch(step.step):
            for number, fold in enumerate(self._folds):
                with m.Case(number):
                    m.d.comb += [vector.eq(fold.vector), other.eq(fold.other)]
                    if fold.distance:
                        m.d.comb += distance.eq(1 << self._distances().index(fold.distance))
                    elif number < NUM_PARTIALS // lanes // 2:
                        m.d.comb += missing.eq(Cat(self.columns <= fold.vector * lanes,
                                                   self.columns <= fold.other * lanes))
        return vector, other, distance, missing

    def _partials(self, m: Module, vector: Value, other: Value, write: data.View) -> tuple[Value, Value]:
        """What lies at ``vector`` and at ``other``, a cycle later; the write of a step at its end."""
        index, width = self.step.place.index, len(self.elements)
        num_vectors = NUM_PARTIALS // self._spec.vector.lanes
        ports = []
        for parity in range(min(2, num_vectors)):
            m.submodules[f"partials_{parity}"] = memory = Memory(
                shape=width, depth=BATCH * max(1, num_vectors // 2), init=[])
            read, to = memory.read_port(), memory.write_port()
            row = Mux(vector.xor() == parity, vector, other)[1:]
            m.d.comb += [read.addr.eq(Cat(index, row)), to.addr.eq(Cat(write.place.index, write.vector[1:])),
                         to.en.eq(write.valid & (write.vector.xor() == parity)), to.data.eq(self.result)]
            ports.append(read.data)
        odd = Signal(reset_less=True)
        m.d.sync += odd.eq(vector.xor())
        return Mux(odd, ports[-1], ports[0]), Mux(odd, ports[0], ports[-1])
