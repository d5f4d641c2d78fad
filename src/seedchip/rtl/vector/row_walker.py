"""Address generator of the vector engine: groups of lanes along rows, rows in two loops."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl.signatures import ADDRESS_BITS


class RowWalker(wiring.Component):
    """From the cycle after ``start`` shows the first group; ``advance`` goes on to the next one of the row, then of
    the next row.

    ``address`` grows by ``step`` every ``groups_per_step`` groups; ``part`` counts the groups in between. ``left`` is
    the number of the row's elements from this group on; ``row_ends`` marks a row's last group, ``x_ends`` the last row
    of the inner loop, ``last`` the last group of the last row.
    """

    def __init__(self, lanes: int, max_parts: int = 1) -> None:
        self._lanes, self._max_parts = lanes, max_parts
        super().__init__({
            "start": In(1),
            "base": In(ADDRESS_BITS),
            "stride_y": In(signed(ADDRESS_BITS)),
            "stride_x": In(signed(ADDRESS_BITS)),
            "step": In(signed(ADDRESS_BITS)),
            "groups_per_step": In(range(max_parts + 1), init=1),
            "columns": In(20),
            "size_y": In(16),
            "size_x": In(16),
            "advance": In(1),
            "address": Out(ADDRESS_BITS),
            "part": Out(range(max(max_parts, 2))),
            "left": Out(20),
            "row_ends": Out(1),
            "x_ends": Out(1),
            "last": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bound = {name: Signal.like(getattr(self, name), name=f"bound_{name}", reset_less=True)
                 for name in ("stride_y", "stride_x", "step", "groups_per_step", "columns", "size_y", "size_x")}
        outer, row = Signal(ADDRESS_BITS, reset_less=True), Signal(ADDRESS_BITS, reset_less=True)
        address, left = Signal(ADDRESS_BITS, reset_less=True), Signal(20, reset_less=True)
        y, x, part = Signal(16, reset_less=True), Signal(16, reset_less=True), Signal.like(self.part, reset_less=True)
        row_ends, x_ends, y_ends = left <= self._lanes, x + 1 == bound["size_x"], y + 1 == bound["size_y"]
        part_ends = part + 1 == bound["groups_per_step"]
        m.d.comb += [
            self.address.eq(address), self.part.eq(part), self.left.eq(left), self.last.eq(row_ends & x_ends & y_ends),
            self.row_ends.eq(row_ends), self.x_ends.eq(x_ends),
        ]
        with m.If(self.advance):
            m.d.sync += [left.eq(left - self._lanes), part.eq(Mux(part_ends, 0, part + 1))]
            with m.If(part_ends):
                m.d.sync += address.eq(address + bound["step"])
            with m.If(row_ends):
                across, down = row + bound["stride_x"], outer + bound["stride_y"]
                m.d.sync += [left.eq(bound["columns"]), part.eq(0), x.eq(x + 1), row.eq(across), address.eq(across)]
                with m.If(x_ends):
                    m.d.sync += [x.eq(0), y.eq(y + 1), outer.eq(down), row.eq(down), address.eq(down)]
        with m.If(self.start):
            m.d.sync += [
                *(s.eq(getattr(self, name)) for name, s in bound.items()), x.eq(0), y.eq(0), part.eq(0),
                left.eq(self.columns), outer.eq(self.base), row.eq(self.base), address.eq(self.base),
            ]
        return m
