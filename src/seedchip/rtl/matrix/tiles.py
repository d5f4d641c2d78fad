"""The loops over weight tiles of a `Matmul`."""

from __future__ import annotations

from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import Matmul
from seedchip.rtl.layout import instruction_layout
from seedchip.rtl.signatures import SPAN_BITS

MATMUL = instruction_layout(Matmul)
LOOPS = ("n", "ky", "kx", "k")
PIXEL_BITS = 26
"""An input row or column before it is checked against the limit: 16 x 8 bits and an origin."""

TILE = data.StructLayout({
    "weight_address": signed(SPAN_BITS),
    "activation_address": signed(SPAN_BITS),
    "first_k": 21,
    "first_n": 21,
    "origin_y": signed(PIXEL_BITS),
    "origin_x": signed(PIXEL_BITS),
    "accumulator_row": SPAN_BITS,
    "overwrite": 1,
    "last": 1,
})
"""A tile: its weights and activations, its first channel and output channel, the input pixel of output pixel (0, 0),
its accumulators."""


class MatrixTiles(wiring.Component):
    """Shows the tiles of an instruction one after the other, from the cycle after ``start`` on; ``advance`` goes on."""

    def __init__(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        super().__init__({
            "start": In(1),
            "start_instruction": In(MATMUL.size),
            "advance": In(1),
            "instruction": Out(MATMUL.size),
            "tile": Out(TILE),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = Signal(MATMUL.size, reset_less=True)
        instruction, begin = data.View(MATMUL, word), data.View(MATMUL, self.start_instruction)
        m.d.comb += self.instruction.eq(word)
        tile = Signal(TILE, reset_less=True)
        done = {loop: Signal(12, name=f"done_{loop}", reset_less=True) for loop in LOOPS}
        base = {loop: Signal(signed(SPAN_BITS), name=f"base_{loop}", reset_less=True) for loop in LOOPS}
        counts = {"n": instruction.tiles_n, "ky": instruction.kernel_y, "kx": instruction.kernel_x,
                  "k": instruction.tiles_k}
        ends = {loop: done[loop] + 1 == counts[loop] for loop in LOOPS}
        m.d.comb += [
            self.tile.eq(tile), self.tile.weight_address.eq(base["k"]),
            self.tile.overwrite.eq(~instruction.accumulate & (done["ky"] == 0) & (done["kx"] == 0) & (done["k"] == 0)),
            self.tile.last.eq(ends["n"] & ends["ky"] & ends["kx"] & ends["k"]),
        ]
        # What each loop's step does besides the weight address, and what it sets back for the loops outside it.
        moves = {
            "n": [tile.first_n.eq(tile.first_n + self._columns),
                  tile.activation_address.eq(tile.activation_address + instruction.activation_stride_n),
                  tile.accumulator_row.eq(tile.accumulator_row + instruction.accumulator_stride)],
            "ky": [tile.origin_y.eq(tile.origin_y + instruction.dilation_y)],
            "kx": [tile.origin_x.eq(tile.origin_x + instruction.dilation_x)],
            "k": [tile.first_k.eq(tile.first_k + self._rows)],
        }
        resets = {"n": [], "ky": [tile.origin_y.eq(instruction.origin_y)],
                  "kx": [tile.origin_x.eq(instruction.origin_x)], "k": [tile.first_k.eq(0)]}
        with m.If(self.start):
            m.d.sync += [
                word.eq(self.start_instruction), *(d.eq(0) for d in done.values()),
                *(b.eq(begin.weight_address) for b in base.values()), tile.first_k.eq(0), tile.first_n.eq(0),
                tile.origin_y.eq(begin.origin_y), tile.origin_x.eq(begin.origin_x),
                tile.accumulator_row.eq(begin.accumulator_address),
                tile.activation_address.eq(begin.activation_address),
            ]
        with m.Elif(self.advance):
            inner_ended = 1
            for i in reversed(range(len(LOOPS))):
                loop, inside = LOOPS[i], LOOPS[i + 1:]
                step = base[loop] + instruction[f"weight_stride_{loop}"]
                with m.If(inner_ended & ~ends[loop]):
                    m.d.sync += [done[loop].eq(done[loop] + 1), *moves[loop], base[loop].eq(step)]
                    for other in inside:
                        m.d.sync += [done[other].eq(0), base[other].eq(step), *resets[other]]
                inner_ended = inner_ended & ends[loop]
        return m
