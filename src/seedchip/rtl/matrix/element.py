"""One element of the systolic array."""

from __future__ import annotations

from amaranth import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class MatrixElement(wiring.Component):
    """Multiplies the passing activation by its active weight and adds the product to the passing sum.

    A new weight waits in the shadow until the switch passes, one cycle ahead of the first activation that it is for.
    The weight comes by column (tiles stored by rows) or by row (transposed tiles).
    """

    def __init__(self) -> None:
        super().__init__({
            "activation_in": In(signed(8)),
            "switch_in": In(1),
            "sum_in": In(signed(32)),
            "column_weight": In(signed(8)),
            "column_load": In(1),
            "row_weight": In(signed(8)),
            "row_load": In(1),
            "activation_out": Out(signed(8)),
            "switch_out": Out(1),
            "sum_out": Out(signed(32)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shadow, active = Signal(signed(8), reset_less=True), Signal(signed(8), reset_less=True)
        activation, total = Signal(signed(8), reset_less=True), Signal(signed(32), reset_less=True)
        with m.If(self.column_load):
            m.d.sync += shadow.eq(self.column_weight)
        with m.Elif(self.row_load):
            m.d.sync += shadow.eq(self.row_weight)
        with m.If(self.switch_in):
            m.d.sync += active.eq(shadow)
        m.d.sync += [
            activation.eq(self.activation_in), self.switch_out.eq(self.switch_in),
            total.eq(self.sum_in + self.activation_in * active),
        ]
        m.d.comb += [self.activation_out.eq(activation), self.sum_out.eq(total)]
        return m
