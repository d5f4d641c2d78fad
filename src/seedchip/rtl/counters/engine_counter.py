"""Where every cycle of an engine went, counted while it runs."""

from __future__ import annotations

from amaranth import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import Engine
from seedchip.isa.causes import COUNTER_BITS, ENGINE_CAUSES, Cause
from seedchip.rtl.signatures import OCCUPATION

NAMES = {engine: [cause.name.lower() for cause in ENGINE_CAUSES[engine]] for engine in Engine}
TAIL = {Engine.STORE: "memory", Engine.LOAD: "memory", Engine.VECTOR: "drain", Engine.MATRIX: "drain"}
"""The cause of the cycles from the end of an engine's last work to its completion."""
COUNTS = data.StructLayout({engine.name.lower(): data.StructLayout(dict.fromkeys(NAMES[engine], COUNTER_BITS))
                            for engine in Engine})
"""All counters, by engine and cause."""


class EngineCounter(wiring.Component):
    """Gives each cycle one cause: docs/03_reference/timing.md, *Where every cycle went*.

    A cycle of the rules is counted in the one behind it, in which the engine does what the rules have it do: so a
    beat that memory keeps waiting is seen as such (``occupation``), and the issue logic's decision is a register away.
    Whether an empty queue meant `Cause.DISPATCH` or the end is known only when another instruction comes: until then
    those cycles stand in ``idle`` or, as far as the last instruction was not complete, in `TAIL`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        super().__init__({
            "counting": In(1),
            "queued": In(1),
            "tokens": In(1),
            "banks": In(1),
            "busy": In(1),
            "occupation": In(OCCUPATION),
            "counts": Out(COUNTS[engine.name.lower()].shape),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        names, tail = NAMES[self._engine], TAIL[self._engine]
        counting, queued, tokens, banks, busy = (Signal(name=f"{n}_before") for n in (
            "counting", "queued", "tokens", "banks", "busy"))
        m.d.sync += [counting.eq(self.counting), queued.eq(self.queued), tokens.eq(self.tokens), banks.eq(self.banks),
                     busy.eq(self.busy)]
        counters = {name: Signal(COUNTER_BITS, name=name) for name in names if name != Cause.IDLE.name.lower()}
        empty = Signal(COUNTER_BITS)  # cycles with an empty queue since the last work
        unfinished = Signal(COUNTER_BITS)  # those of them before the last instruction's completion
        banks_seen = Signal()  # the head's banks have been free while it waited

        def count(cause: Cause) -> None:
            m.d.sync += counters[cause.name.lower()].eq(counters[cause.name.lower()] + 1)

        with m.If(counting):
            with m.If(queued):
                m.d.sync += [counters["dispatch"].eq(counters["dispatch"] + empty), empty.eq(0), unfinished.eq(0)]
            with m.If(self.occupation.as_value().any()):
                m.d.sync += banks_seen.eq(0)
                for cause in OCCUPATION.members:
                    if cause in counters:
                        with m.If(self.occupation[cause]):
                            count(Cause[cause.upper()])
            with m.Elif(~queued):
                m.d.sync += [empty.eq(empty + 1), unfinished.eq(unfinished + busy)]
            with m.Elif(~tokens):
                count(Cause.SEMAPHORE)
            with m.Elif(~banks & ~banks_seen):
                count(Cause.BANK)
            with m.Else():
                m.d.sync += banks_seen.eq(1)
                if "memory" in counters:
                    count(Cause.MEMORY)
        m.d.comb += [
            *(self.counts[name].eq(counter) for name, counter in counters.items() if name != tail),
            self.counts[tail].eq(counters[tail] + unfinished), self.counts.idle.eq(empty - unfinished),
        ]
        return m
