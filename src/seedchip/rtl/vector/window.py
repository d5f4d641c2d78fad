"""Operand A as a window: strides of taps and rows, and which taps count."""

from __future__ import annotations

from itertools import pairwise

from amaranth import Array, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa.vector import BATCH
from seedchip.rtl.signatures import ADDRESS_BITS
from seedchip.rtl.vector.plan import VECTOR

AXES = ("y", "x")
PIXEL_BITS = 26
"""A signed input position: rows x step + origin fits."""
PRODUCTS = tuple(f"{factor}_{axis}" for factor in ("origin", "step", "dilation") for axis in AXES)
"""The fields that are multiplied with operand A's stride along their axis."""
PIXEL = data.StructLayout({**{axis: signed(PIXEL_BITS) for axis in AXES}, "seen": 1})


class VectorWindow(wiring.Component):
    """Beside the setup multiplies: `WINDOW_SETUP_CYCLES` after ``start``, ``base`` is the address of tap (0, 0) of row
    (0, 0), and ``stride_y`` and ``stride_x`` lead to the next row.

    From ``begin`` on it follows the groups of the reader. In a cycle with ``turn`` it shows for one group and tap:
    ``offset`` of the tap, ``inside`` whether it counts, ``fresh`` whether no earlier one did. In a group's first turn
    (``first_tap``) ``advance`` goes on to the next group, in another row where ``row_ends``. The next tap comes with
    ``turn_ends``, the first one again with ``batch_ends``.
    """

    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "begin": In(1),
            "instruction": In(VECTOR.size),
            "turn": In(1),
            "turn_ends": In(1),
            "batch_ends": In(1),
            "first_tap": In(1),
            "advance": In(1),
            "row_ends": In(1),
            "x_ends": In(1),
            "base": Out(ADDRESS_BITS),
            "stride_y": Out(signed(ADDRESS_BITS)),
            "stride_x": Out(signed(ADDRESS_BITS)),
            "offset": Out(ADDRESS_BITS),
            "inside": Out(1),
            "fresh": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        instruction = data.View(VECTOR, self.instruction)
        tap_stride = self._multiply(m, instruction)
        tap = self._walk_taps(m, instruction, tap_stride)
        pixel = self._walk_rows(m, instruction)
        ring = [Signal(PIXEL, name=f"ring_{i}", reset_less=True) for i in range(BATCH)]
        now = Signal(PIXEL)
        inside = []
        for axis in AXES:
            position = Signal(signed(PIXEL_BITS + 1), name=f"position_{axis}")
            m.d.comb += position.eq(now[axis] + tap[axis])
            inside.append((position >= 0) & (position < instruction[f"limit_{axis}"]))
        m.d.comb += [now.eq(Mux(self.first_tap, pixel, ring[-1])), self.inside.eq(inside[0] & inside[1]),
                     self.fresh.eq(~now.seen)]
        with m.If(self.turn):
            m.d.sync += [*(b.eq(a) for a, b in pairwise(ring)), ring[0].eq(now),
                         ring[0].seen.eq(now.seen | self.inside)]
        return m

    def _multiply(self, m: Module, instruction: data.View) -> dict[str, Signal]:
        """One multiplier: factors chosen in the k-th cycle after ``start``, multiplied in the next; strides of taps."""
        count, running = Signal(range(len(PRODUCTS))), Signal()
        stride, factor = Signal(ADDRESS_BITS, reset_less=True), Signal(signed(16), reset_less=True)
        chosen, valid = Signal.like(count, reset_less=True), Signal()
        tap_stride = {axis: Signal(ADDRESS_BITS, name=f"tap_stride_{axis}", reset_less=True) for axis in AXES}
        with m.If(running):
            m.d.sync += [count.eq(count + 1), running.eq(count != len(PRODUCTS) - 1)]
        with m.If(self.start):
            m.d.sync += [count.eq(0), running.eq(1)]
        factors = Array(instruction[name] for name in PRODUCTS)
        m.d.sync += [
            valid.eq(running), chosen.eq(count), factor.eq(factors[count]),
            stride.eq(Mux(count[0], instruction.a_stride_x, instruction.a_stride_y)),
        ]
        product = Signal(ADDRESS_BITS)
        m.d.comb += product.eq(stride * factor)
        targets = {"step_y": self.stride_y, "step_x": self.stride_x, "dilation_y": tap_stride["y"],
                   "dilation_x": tap_stride["x"]}
        with m.If(valid), m.Switch(chosen):
            with m.Case(PRODUCTS.index("origin_y")):
                m.d.sync += self.base.eq(instruction.a_address + product)
            with m.Case(PRODUCTS.index("origin_x")):
                m.d.sync += self.base.eq(self.base + product)
            for name, target in targets.items():
                with m.Case(PRODUCTS.index(name)):
                    m.d.sync += target.eq(product)
        return tap_stride

    def _walk_taps(self, m: Module, instruction: data.View, stride: dict[str, Signal]) -> dict[str, Signal]:
        """The tap's position relative to the first one; ``offset`` is its address relative to the first one's."""
        column, line = Signal(8), Signal(ADDRESS_BITS)
        tap = {axis: Signal(16, name=f"tap_{axis}") for axis in AXES}
        with m.If(self.turn & self.turn_ends):
            with m.If(column + 1 == instruction.tap_x):
                m.d.sync += [column.eq(0), tap["x"].eq(0), tap["y"].eq(tap["y"] + instruction.dilation_y),
                             line.eq(line + stride["y"]), self.offset.eq(line + stride["y"])]
            with m.Else():
                m.d.sync += [column.eq(column + 1), tap["x"].eq(tap["x"] + instruction.dilation_x),
                             self.offset.eq(self.offset + stride["x"])]
        with m.If(self.begin | self.batch_ends):
            m.d.sync += [column.eq(0), tap["x"].eq(0), tap["y"].eq(0), line.eq(0), self.offset.eq(0)]
        return tap

    def _walk_rows(self, m: Module, instruction: data.View) -> data.View:
        """The input position of tap (0, 0) of the group that comes next."""
        pixel = Signal(PIXEL, reset_less=True)
        with m.If(self.advance & self.row_ends):
            m.d.sync += pixel.x.eq(pixel.x + instruction.step_x)
            with m.If(self.x_ends):
                m.d.sync += [pixel.x.eq(instruction.origin_x), pixel.y.eq(pixel.y + instruction.step_y)]
        with m.If(self.begin):
            m.d.sync += [pixel.x.eq(instruction.origin_x), pixel.y.eq(instruction.origin_y), pixel.seen.eq(0)]
        return pixel
