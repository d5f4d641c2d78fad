"""Registers in front of a simulated design's inputs."""

from __future__ import annotations

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class ClockedInputs(wiring.Component):
    """``design`` with a register at every input and at its reset: what a harness sets before a clock edge is seen in
    the cycle that begins with the edge. The outputs then change at edges only, and a simulator has one evaluation a
    cycle to do instead of two."""

    def __init__(self, design: wiring.Component) -> None:
        self._design = design
        super().__init__(design.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.design = domain = ClockDomain("design")
        reset = Signal(init=1, reset_less=True)
        m.d.comb += [domain.clk.eq(ClockSignal()), domain.rst.eq(reset)]
        m.d.sync += reset.eq(ResetSignal())
        m.submodules.design = DomainRenamer("design")(self._design)
        inner = {path: value for path, _, value in self._design.signature.flatten(self._design)}
        for path, member, value in self.signature.flatten(self):
            if member.flow is In:
                name = "__".join(map(str, path))
                register = Signal.like(value, name=f"{name}_register", reset_less=True)
                m.d.sync += register.eq(value)
                m.d.comb += inner[path].eq(register)
            else:
                m.d.comb += value.eq(inner[path])
        return m
