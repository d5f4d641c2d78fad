"""Weight tiles from the scratchpad into the array's shadow registers, a row (or column) a cycle."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.matrix_array import WeightLine
from seedchip.rtl.matrix_tiles import MATMUL, TILE
from seedchip.rtl.signatures import ADDRESS_BITS, ReadPort


class MatrixWeights(wiring.Component):
    """``begin`` in cycle e: line i of the tile shown from e + 1 on is read in e + 1 + i and is at the array in e + i + 4.

    ``loaded`` is raised in the cycle of the last line and stays until ``taken``. Lines beyond valid_k and valid_n are 0.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        super().__init__({
            "begin": In(1),
            "taken": In(1),
            "loaded": Out(1),
            "instruction": In(MATMUL.size),
            "tile": In(TILE),
            "scratchpad": Out(ReadPort(max(rows, columns))),
            "line": Out(WeightLine(rows, columns)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, columns, longest = self._rows, self._columns, max(self._rows, self._columns)
        instruction = data.View(MATMUL, self.instruction)
        loading, full = Signal(), Signal()
        index, offset = Signal(ceil_log2(longest)), Signal(ADDRESS_BITS)
        last = index == Mux(instruction.transpose, columns, rows) - 1
        m.d.comb += [
            self.loaded.eq(full | (loading & last)), self.scratchpad.valid.eq(loading),
            self.scratchpad.address.eq(self.tile.weight_address + offset),
            self.scratchpad.count.eq(Mux(instruction.transpose, rows, columns)),
        ]
        with m.If(loading):
            m.d.sync += [index.eq(index + 1), offset.eq(offset + instruction.weight_stride_row)]
            with m.If(last):
                m.d.sync += [loading.eq(0), full.eq(1)]
        with m.If(self.taken):
            m.d.sync += full.eq(0)
        with m.If(self.begin):
            m.d.sync += [loading.eq(1), index.eq(0), offset.eq(0)]

        # How many of the line's weights count: none in a row or column beyond the valid ones.
        left_k, left_n = instruction.valid_k - self.tile.first_k, instruction.valid_n - self.tile.first_n
        along = Mux(instruction.transpose, left_k, left_n)
        across = Mux(instruction.transpose, left_n, left_k)
        kept = Signal(range(longest + 1))
        with m.If((along <= 0) | (across <= index)):
            m.d.comb += kept.eq(0)
        with m.Elif(along < longest):
            m.d.comb += kept.eq(along)
        with m.Else():
            m.d.comb += kept.eq(longest)
        stage = Signal(data.StructLayout({"valid": 1, "transpose": 1, "index": len(index), "kept": len(kept)}))
        m.d.comb += [stage.valid.eq(loading), stage.transpose.eq(instruction.transpose), stage.index.eq(index),
                     stage.kept.eq(kept)]
        for i in range(2):
            later = Signal(stage.shape(), name=f"stage_{i}", reset_less=True)
            m.d.sync += later.eq(stage)
            stage = later
        line = Signal(self.line.shape(), reset_less=True)
        m.d.sync += [line.valid.eq(stage.valid), line.transpose.eq(stage.transpose), line.index.eq(stage.index)]
        for i in range(longest):
            m.d.sync += line.weights[i].eq(Mux(i < stage.kept, self.scratchpad.data[8 * i:8 * i + 8], 0))
        m.d.comb += self.line.eq(line)
        return m
