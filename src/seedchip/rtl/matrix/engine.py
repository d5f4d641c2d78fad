"""The matrix engine: tiles, weights, activations and array under the timing of docs/03_reference/timing.md."""

from __future__ import annotations

from amaranth import Cat, Module, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from seedchip.isa.matmul import POSITIVE
from seedchip.rtl.matrix.array import MatrixArray
from seedchip.rtl.matrix.stream import ROW, MatrixStream
from seedchip.rtl.matrix.tiles import MATMUL, MatrixTiles
from seedchip.rtl.matrix.weights import MatrixWeights
from seedchip.rtl.signatures import OCCUPATION, ReadPort
from seedchip.spec import ChipSpec

SUM_STAGES = 3
"""Cycles from a row's place in the stream to its activations at the array, less the one by which the accumulators read
ahead of the sum."""


class MatrixEngine(wiring.Component):
    """Loads a tile's weights while the one before it streams.

    A tile begins to stream when its last weight line is on its way and the stream is at its end; in that cycle the next
    tile's weights, or the next instruction, may begin.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        rows, columns = spec.matrix.rows, spec.matrix.columns
        super().__init__({
            "instruction": In(MATMUL.size),
            "start": In(1),
            "ready": Out(1),
            "complete": Out(1),
            "malformed": Out(1),
            "beyond": Out(1),
            "occupation": Out(OCCUPATION),
            "activations": Out(ReadPort(rows)),
            "weights": Out(ReadPort(max(rows, columns))),
            "row": Out(ROW),
            "sums": Out(data.ArrayLayout(signed(32), columns)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        matrix = self._spec.matrix
        rows, columns = matrix.rows, matrix.columns
        m.submodules.tiles = tiles = MatrixTiles(rows, columns)
        m.submodules.weights = weights = MatrixWeights(rows, columns)
        m.submodules.stream = stream = MatrixStream(rows, self._spec.accumulator_rows)
        m.submodules.array = array = MatrixArray(rows, columns)
        connect(m, flipped(self.activations), stream.scratchpad)
        connect(m, flipped(self.weights), weights.scratchpad)
        occupied, begin = Signal(), Signal()
        more = begin & ~tiles.tile.last
        load = self._loads(m, more, (~stream.streaming | stream.ending) & ~begin, tiles)
        m.d.comb += [
            begin.eq(weights.loaded & (~stream.streaming | stream.ending)),
            self.ready.eq(~occupied | (begin & tiles.tile.last)),
            tiles.start.eq(self.start), tiles.start_instruction.eq(self.instruction), tiles.advance.eq(more),
            weights.begin.eq(load), weights.taken.eq(begin),
            weights.instruction.eq(tiles.instruction), weights.tile.eq(tiles.tile),
            stream.begin.eq(begin), stream.instruction.eq(tiles.instruction), stream.tile.eq(tiles.tile),
            array.activations.eq(stream.activations), array.switch.eq(stream.switch), array.weights.eq(weights.line),
            self.sums.eq(array.sums), self.occupation.active.eq(stream.streaming),
            self.occupation.weights.eq(occupied & ~stream.streaming),
        ]
        with m.If(self.start):
            m.d.sync += occupied.eq(1)
        with m.Elif(begin & tiles.tile.last):
            m.d.sync += occupied.eq(0)
        row = stream.row
        for stage in range(rows + SUM_STAGES):
            later = Signal(ROW, name=f"row_{stage}", reset_less=False)
            m.d.sync += later.eq(row)
            row = later
        m.d.comb += self.row.eq(row)
        drain = Signal(rows + columns + matrix.pipeline_cycles)
        m.d.sync += drain.eq((drain << 1) | (stream.row.valid & stream.row.last))
        m.d.comb += self.complete.eq(drain[-1])
        begun = data.View(MATMUL, self.instruction)
        m.d.comb += [self.malformed.eq(self.start & Cat(begun[name] == 0 for name in POSITIVE).any()),
                     self.beyond.eq(stream.beyond)]
        return m

    def _loads(self, m: Module, more: Value, array_free: Value, tiles: MatrixTiles) -> Value:
        """Whether a tile begins to be loaded: when it is known, or, if it must be alone, when nothing streams any
        more."""
        begun, current = data.View(MATMUL, self.instruction), data.View(MATMUL, tiles.instruction)
        waiting = Signal()
        late = begun.first_alone & ~array_free
        postponed = (self.start & late) | (more & current.tiles_alone)
        with m.If(postponed):
            m.d.sync += waiting.eq(1)
        with m.Elif(array_free):
            m.d.sync += waiting.eq(0)
        return (self.start & ~late) | (more & ~current.tiles_alone) | (waiting & array_free)
