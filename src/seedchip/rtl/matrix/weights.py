"""Weight tiles from the scratchpad into the array's shadow registers, a row (or column) a cycle."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.matrix.array import WeightLine
from seedchip.rtl.matrix.tiles import MATMUL, TILE
from seedchip.rtl.signatures import ADDRESS_BITS, SPAN_BITS, ReadPort

AHEAD_CYCLES, READ_CYCLES = 2, 2
"""From a line's place in the time table to its read, as for activations, and from there to its data."""


def line_read(longest: int) -> data.StructLayout:
    """A line on its way: ``kept`` weights of it count."""
    return data.StructLayout({"valid": 1, "transpose": 1, "int4": 1, "index": ceil_log2(longest),
                              "kept": ceil_log2(longest + 1), "address": signed(SPAN_BITS)})


class MatrixWeights(wiring.Component):
    """``begin`` in cycle e: line i of the tile shown from e + 1 on is read in e + 3 + i and is at the array in e + i
    + 6.

    Activations that stream from cycle s on are read in s + 3 as well: what does not overlap in the time table does
    not meet in a bank. ``loaded`` is raised in e + W, W lines, and stays until ``taken``. What lies beyond valid_k
    and valid_n is 0 and is not read.
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
        index, offset = Signal(ceil_log2(longest)), Signal(signed(SPAN_BITS))
        last = index == Mux(instruction.transpose, columns, rows) - 1
        m.d.comb += self.loaded.eq(full | (loading & last))
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
        length = Mux(instruction.transpose, rows, columns)
        stage = Signal(line_read(longest))
        with m.If((along > 0) & (across > index)):
            m.d.comb += stage.kept.eq(Mux(along < length, along, length))
        m.d.comb += [stage.valid.eq(loading), stage.transpose.eq(instruction.transpose),
                     stage.int4.eq(instruction.int4), stage.index.eq(index),
                     stage.address.eq(self.tile.weight_address + offset)]
        stages = [stage]
        for i in range(AHEAD_CYCLES + READ_CYCLES):
            later = Signal(stage.shape(), name=f"stage_{i}")
            m.d.sync += later.eq(stages[-1])
            stages.append(later)
        asked, stage = stages[AHEAD_CYCLES], stages[-1]
        m.d.comb += [
            self.scratchpad.valid.eq(asked.valid & (asked.kept != 0)), self.scratchpad.address.eq(asked.address),
            self.scratchpad.beyond.eq(asked.address[ADDRESS_BITS:].any()),
            self.scratchpad.count.eq(Mux(asked.int4, (asked.kept + 1) >> 1, asked.kept)),
        ]
        line = Signal(self.line.shape(), reset_less=True)
        m.d.sync += [line.valid.eq(stage.valid), line.transpose.eq(stage.transpose), line.index.eq(stage.index)]
        for i in range(longest):
            byte, nibble = (self.scratchpad.data.word_select(i, width).as_signed() for width in (8, 4))
            m.d.sync += line.weights[i].eq(Mux(i < stage.kept, Mux(stage.int4, nibble, byte), 0))
        m.d.comb += self.line.eq(line)
        return m
