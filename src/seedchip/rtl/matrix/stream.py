"""Activation vectors from the scratchpad: the loops over output pixels of a `Matmul`, with the check for padding."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.matrix.tiles import MATMUL, PIXEL_BITS, TILE
from seedchip.rtl.signatures import ADDRESS_BITS, SPAN_BITS, ReadPort

ROW = data.StructLayout({"valid": 1, "accumulator_row": 20, "overwrite": 1, "last": 1})
"""One streamed row: where its sums go; ``last`` marks the instruction's last one."""


class MatrixStream(wiring.Component):
    """``begin`` in cycle s takes the tile; row m is shown (``row``) in s + 1 + m and its activations in s + 5 + m.

    ``ending`` marks the cycle of the tile's last row, in which the next tile may begin. ``switch`` is raised one cycle
    before the first activations of a tile. ``beyond`` says that a row's sums belong to accumulators that are not
    there.
    """

    def __init__(self, rows: int, accumulator_rows: int) -> None:
        self._rows, self._accumulator_rows = rows, accumulator_rows
        super().__init__({
            "begin": In(1),
            "instruction": In(MATMUL.size),
            "tile": In(TILE),
            "streaming": Out(1),
            "ending": Out(1),
            "row": Out(ROW),
            "scratchpad": Out(ReadPort(rows)),
            "activations": Out(data.ArrayLayout(signed(8), rows)),
            "switch": Out(1),
            "beyond": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word, tile = Signal(MATMUL.size, reset_less=True), Signal(TILE, reset_less=True)
        instruction = data.View(MATMUL, word)
        y, x = Signal(16, reset_less=True), Signal(16, reset_less=True)
        iy, ix = Signal(signed(PIXEL_BITS), reset_less=True), Signal(signed(PIXEL_BITS), reset_less=True)
        first, row = Signal(), Signal(SPAN_BITS, reset_less=True)
        end_x, end_y = x + 1 == instruction.size_x, y + 1 == instruction.size_y
        m.d.comb += [
            self.ending.eq(self.streaming & end_x & end_y),
            self.beyond.eq(self.streaming & (row >= self._accumulator_rows)),
            self.row.valid.eq(self.streaming & ~self.beyond), self.row.accumulator_row.eq(row),
            self.row.overwrite.eq(tile.overwrite),
            self.row.last.eq(self.ending & tile.last),
        ]
        with m.If(self.streaming):
            m.d.sync += [first.eq(0), row.eq(row + 1), x.eq(x + 1), ix.eq(ix + instruction.step_x)]
            with m.If(end_x):
                m.d.sync += [x.eq(0), ix.eq(tile.origin_x), y.eq(y + 1), iy.eq(iy + instruction.step_y)]
            with m.If(self.ending):
                m.d.sync += self.streaming.eq(0)
        with m.If(self.begin):
            m.d.sync += [
                word.eq(self.instruction), tile.eq(self.tile), x.eq(0), y.eq(0), ix.eq(self.tile.origin_x),
                iy.eq(self.tile.origin_y), row.eq(self.tile.accumulator_row), first.eq(1), self.streaming.eq(1),
            ]
        self._read(m, instruction, tile, iy, ix)
        switch = self.streaming & first
        for i in range(3):
            later = Signal(name=f"switch_{i}")
            m.d.sync += later.eq(switch)
            switch = later
        m.d.comb += self.switch.eq(switch)
        return m

    def _read(self, m: Module, instruction: data.View, tile: data.View, iy: Signal, ix: Signal) -> None:
        """Two products, their sum, two cycles of the scratchpad, and the padding in its place."""
        inside = (iy >= 0) & (iy < instruction.limit_y) & (ix >= 0) & (ix < instruction.limit_x)
        product_y, product_x, start, address = (Signal(signed(SPAN_BITS), name=name, reset_less=True) for name in (
            "product_y", "product_x", "start", "address"))
        m.d.sync += [
            product_y.eq(iy[:16] * instruction.activation_stride_y),
            product_x.eq(ix[:16] * instruction.activation_stride_x),
            start.eq(tile.activation_address + tile.first_k), address.eq(product_y + product_x + start),
        ]
        left = instruction.valid_k - tile.first_k  # channels beyond meet weights that are 0
        stage = Signal(data.StructLayout({"read": 1, "pad": 1, "pad_value": 8, "count": ceil_log2(self._rows + 1)}))
        m.d.comb += [
            stage.read.eq(self.streaming & inside & (left > 0)), stage.pad.eq(~inside),
            stage.pad_value.eq(instruction.pad_value), stage.count.eq(Mux(left < self._rows, left, self._rows)),
        ]
        stages = [stage]
        for i in range(4):
            later = Signal(stage.shape(), name=f"stage_{i}")
            m.d.sync += later.eq(stages[-1])
            stages.append(later)
        m.d.comb += [
            self.scratchpad.valid.eq(stages[2].read), self.scratchpad.address.eq(address),
            self.scratchpad.beyond.eq(address[ADDRESS_BITS:].any()),
            self.scratchpad.count.eq(stages[2].count),
        ]
        for r in range(self._rows):
            m.d.comb += self.activations[r].eq(
                Mux(stages[4].pad, stages[4].pad_value, self.scratchpad.data[8 * r:8 * r + 8]).as_signed())
