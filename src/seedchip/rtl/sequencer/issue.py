"""The start of instructions: queue heads against semaphores, bank locks and the memory port."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import Engine
from seedchip.rtl.layout import HEADER, NUM_ENGINES
from seedchip.rtl.sequencer.tracker import Tracker
from seedchip.spec import ChipSpec

SEMAPHORE_BITS = 16


class EngineStart(wiring.Signature):
    """Between the issue logic and an engine with its queue, seen from the issue logic.

    ``tokens`` and ``banks`` tell the counters what the queue's head, if there is one, would not have to wait for.
    """

    def __init__(self) -> None:
        super().__init__({
            "valid": In(1),
            "header": In(HEADER.size),
            "ready": In(1),
            "complete": In(1),
            "start": Out(1),
            "busy": Out(1),
            "tokens": Out(1),
            "banks": Out(1),
        })


def lock_layout(spec: ChipSpec) -> data.StructLayout:
    """A bit for every lock: scratchpad read ports, scratchpad write ports, accumulator banks."""
    return data.StructLayout({"read": spec.scratchpad.banks, "write": spec.scratchpad.banks,
                              "accumulator": spec.accumulator.banks})


class Issue(wiring.Component):
    """Looks at the engines in the order store, load, vector, matrix (`Engine`'s own) every cycle and starts what can
    start.

    ``ready`` is the engine's own word, memory port included; a store that starts takes the port from a load, which
    the core tells by ``load_needs_port``. ``locks`` are the banks that each engine's started instructions hold.
    ``unknown_bank`` has a bit for an engine whose instruction names a bank that is not there, ``overflow`` for one
    whose semaphores have more tokens than they can count.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({
            **{engine.name.lower(): Out(EngineStart()) for engine in Engine},
            "load_needs_port": In(1),
            "stop": In(1),
            "busy": Out(1),
            "in_flight": Out(1),
            "locks": Out(data.ArrayLayout(lock_layout(spec), len(Engine))),
            "unknown_bank": Out(len(Engine)),
            "overflow": Out(len(Engine)),
        })

    def _in_flight(self, engine: Engine) -> int:
        """How many started instructions are remembered. Transfers wait where memory is so late that there are more."""
        spec = self._spec
        if engine in (Engine.STORE, Engine.LOAD):
            return spec.memory.latency_cycles + 2
        if engine is Engine.VECTOR:
            return 1
        drain = spec.matrix.rows + spec.matrix.columns + spec.matrix.pipeline_cycles
        return drain // min(spec.matrix.rows, spec.matrix.columns) + 3

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self._spec
        pads, accs = spec.scratchpad.banks, spec.accumulator.banks
        engines = [getattr(self, engine.name.lower()) for engine in Engine]
        headers = [data.View(HEADER, e.header) for e in engines]
        trackers, unknown = [], []
        for engine in Engine:
            tracker = Tracker(2 * pads + accs, NUM_ENGINES, self._in_flight(engine))
            m.submodules[f"tracker_{engine.name.lower()}"] = tracker
            trackers.append(tracker)
        for port, header, tracker in zip(engines, headers, trackers, strict=True):
            banks = Cat(header.read_banks[:pads], header.write_banks[:pads], header.accumulator_banks[:accs])
            beyond = Cat(header.read_banks[pads:], header.write_banks[pads:], header.accumulator_banks[accs:])
            unknown.append(port.start & beyond.any())
            m.d.comb += [
                tracker.start.eq(port.start), tracker.start_banks.eq(banks), tracker.start_signal.eq(header.signal),
                tracker.complete.eq(port.complete), port.busy.eq(tracker.busy),
            ]
        enough, overflow = self._semaphores(m, engines, headers, trackers)
        store = engines[Engine.STORE]
        for engine in Engine:
            mine, tracker = engines[engine], trackers[engine]
            others = reduce(or_, (t.held for i, t in enumerate(trackers) if i != engine))
            taken = reduce(or_, (Mux(engines[i].start, trackers[i].start_banks, 0) for i in range(engine)), 0)
            free = ((others | taken) & tracker.start_banks) == 0
            port_free = ~(store.start & self.load_needs_port) if engine is Engine.LOAD else 1
            m.d.comb += [mine.tokens.eq(enough[engine]), mine.banks.eq(free)]
            room = tracker.room if engine in (Engine.STORE, Engine.LOAD) else 1
            m.d.comb += mine.start.eq(mine.valid & mine.ready & enough[engine] & free & port_free & room & ~self.stop)
        m.d.comb += [
            self.busy.eq(Cat(*(t.busy for t in trackers), *(e.valid for e in engines)).any()),
            self.in_flight.eq(Cat(t.busy for t in trackers).any()),
            self.unknown_bank.eq(Cat(unknown)), self.overflow.eq(Cat(overflow)),
            *(self.locks[engine].eq(trackers[engine].locks) for engine in Engine),
        ]
        return m

    @staticmethod
    def _semaphores(m: Module, engines: list, headers: list, trackers: list) -> tuple[list, list]:
        """One counter for every ordered pair of engines; tokens that arrive in a cycle can be used in it."""
        enough, overflow = [], []
        for destination in Engine:
            header, held, over = headers[destination], [], []
            for source in Engine:
                tokens = Signal(SEMAPHORE_BITS, name=f"tokens_{source.name.lower()}_{destination.name.lower()}")
                now = Signal(SEMAPHORE_BITS + 1, name=f"now_{source.name.lower()}_{destination.name.lower()}")
                wanted = header[f"wait_{source.name.lower()}"]
                m.d.comb += now.eq(tokens + trackers[source].signal[destination])
                m.d.sync += tokens.eq(now - Mux(engines[destination].start, wanted, 0))
                held.append(now >= wanted)
                over.append(now[-1])
            enough.append(Cat(*held).all())
            overflow.append(Cat(over).any())
        return enough, overflow
