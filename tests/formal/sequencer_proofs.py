"""Proofs about queues, dispatch, trackers and the start logic."""

from __future__ import annotations

import dataclasses
import itertools
from functools import reduce
from operator import or_
from unittest import mock

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2
from prover import Bench, Elaborated, Mutant, Proof

from seedchip.isa import Engine
from seedchip.isa.instruction import OPCODE_BITS, WORD_BITS
from seedchip.rtl.layout import HEADER, used_bits
from seedchip.rtl.sequencer import issue as issue_module
from seedchip.rtl.sequencer.dispatch import CLASSES, MAX_WORDS, Dispatch
from seedchip.rtl.sequencer.instruction_queue import InstructionQueue
from seedchip.rtl.sequencer.tracker import Tracker
from seedchip.spec import load

NANO = load("nano")
SMALL = dataclasses.replace(
    NANO, name="small", scratchpad=dataclasses.replace(NANO.scratchpad, banks=2),
    accumulator=dataclasses.replace(NANO.accumulator, banks=2),
    memory=dataclasses.replace(NANO.memory, latency_cycles=4))
"""Few banks and short latency: the start logic is the same for each bank and for each place of a tracker."""
TRANSFERS = (Engine.STORE, Engine.LOAD)
QUEUE_DEPTH, TRACKER_DEPTH = 8, 3


def queue() -> Bench:
    """Follows one item, whichever and whenever pushed: it waits behind those before it and comes out as it went in."""
    b = Bench()
    q = InstructionQueue(2, QUEUE_DEPTH)
    b.unit("queue", q, "instruction")
    b.m.d.comb += [q.push.eq(b.free() & q.room), q.pop.eq(b.free() & q.valid)]
    held, ahead = Signal(range(QUEUE_DEPTH + 1)), Signal(range(QUEUE_DEPTH + 1))
    follows, item = Signal(), Signal(2)
    b.m.d.sync += held.eq(held + q.push - q.pop)
    with b.m.If(~follows & q.push & b.free()):
        b.m.d.sync += [follows.eq(1), item.eq(q.instruction), ahead.eq(held - q.pop)]
    with b.m.If(follows & q.pop):
        b.m.d.sync += ahead.eq(ahead - 1)
        with b.m.If(ahead == 0):
            b.m.d.sync += follows.eq(0)
    b.always(held <= QUEUE_DEPTH)
    b.always(q.room == (held < QUEUE_DEPTH))
    b.always(q.valid == (held != 0))
    b.always(~(follows & (ahead == 0)) | (q.head == item))
    return b


def dispatch_bench() -> tuple[Bench, Dispatch]:
    b = Bench()
    d = Dispatch()
    b.unit("dispatch", d, "word_valid word room stop exhausted")
    return b, d


def dispatch_room() -> Bench:
    b, d = dispatch_bench()
    b.always((d.push & ~d.room) == 0)
    b.always((d.push & (d.push - 1)[:len(Engine)]) == 0)
    b.always(~d.push.any() | (d.dispatched & d.take))
    b.always(~d.take | (d.word_valid & ~d.stop & ~d.unknown))
    return b


def dispatch_words() -> Bench:
    """Words counted outside of the unit: an instruction is dispatched with its last word, all words side by side."""
    b, d = dispatch_bench()
    taken, kept = Signal(range(MAX_WORDS)), Signal(WORD_BITS)
    opcode = Mux(taken, kept[:OPCODE_BITS], d.word[:OPCODE_BITS])
    words = reduce(or_, (Mux(opcode == cls.opcode, cls.num_words, 0) for cls in CLASSES))
    engine = reduce(or_, (Mux(opcode == cls.opcode, 1 << cls.engine, 0) for cls in CLASSES if cls.engine is not None))
    with b.m.If(d.take):
        b.m.d.sync += [taken.eq(Mux(d.dispatched, 0, 1)), kept.eq(d.word)]
    last = taken + 1 == words
    spare = reduce(or_, (Mux(opcode == cls.opcode, (Mux(taken, Cat(kept, d.word), d.word) >> used_bits(cls)) != 0, 0)
                         for cls in CLASSES))
    with b.m.If(d.dispatched):
        b.always(last & (d.push == engine))
        b.always(d.instruction[:2 * WORD_BITS] == Mux(taken, Cat(kept, d.word), d.word))
    runs = ~d.stop & ~d.halted
    with b.m.If(d.word_valid & runs & (words != 0)):
        b.always(d.take == (~last | (((engine & ~d.room) == 0) & ~spare)))
        b.always(d.dispatched == (d.take & last))
    b.always(d.unknown == (d.word_valid & runs & ((words == 0) | (last & spare))))
    b.always(d.unfinished == (d.exhausted & runs))
    return b


class TrackerModel(wiring.Component):
    """What a `Tracker` is to do, with its ports, as a list: started instructions in order, the oldest first."""

    def __init__(self, num_banks: int, num_signals: int, depth: int) -> None:
        self.depth = (1 << ceil_log2(depth + 1)) - 1
        super().__init__({
            "start": In(1), "start_banks": In(num_banks), "start_signal": In(num_signals), "complete": In(1),
            "signal": Out(num_signals), "held": Out(num_banks), "locks": Out(num_banks), "busy": Out(1), "room": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = data.StructLayout({"valid": 1, "banks": len(self.held), "signal": len(self.signal)})
        now = [Signal(layout, name=f"entry_{i}") for i in range(self.depth)]
        empty = Signal(layout)
        left = [Signal(layout, name=f"left_{i}") for i in range(self.depth)]
        for i, entry in enumerate(left):
            m.d.comb += entry.eq(Mux(self.complete, (now[i + 1] if i + 1 < self.depth else empty).as_value(),
                                     now[i].as_value()))
        new = data.StructLayout.cast(layout)
        started = Signal(new)
        m.d.comb += [started.valid.eq(1), started.banks.eq(self.start_banks), started.signal.eq(self.start_signal)]
        for i, entry in enumerate(left):
            first_free = ~entry.valid & (left[i - 1].valid if i else 1)
            m.d.sync += now[i].eq(Mux(self.start & first_free, started.as_value(), entry.as_value()))
        m.d.comb += [
            self.signal.eq(Mux(self.complete, now[0].signal, 0)), self.room.eq(~now[-1].valid),
            self.held.eq(reduce(or_, (Mux(e.valid, e.banks, 0) for e in left))),
            self.locks.eq(reduce(or_, (Mux(e.valid, e.banks, 0) for e in now))), self.busy.eq(left[0].valid),
        ]
        return m


def tracker() -> Bench:
    b = Bench()
    unit, model = Tracker(1, 1, TRACKER_DEPTH), TrackerModel(1, 1, TRACKER_DEPTH)
    start, complete, busy = b.free(), b.free(), Signal()
    for name, part in (("tracker", unit), ("model", model)):
        b.unit(name, part)
        b.m.d.comb += [part.start.eq(start & (model.room | part.complete)), part.complete.eq(complete & busy)]
    banks, signal = b.free(), b.free()
    b.m.d.comb += [unit.start_banks.eq(banks), model.start_banks.eq(banks), unit.start_signal.eq(signal),
                   model.start_signal.eq(signal)]
    in_flight = Signal(range(TRACKER_DEPTH + 1))
    b.m.d.sync += in_flight.eq(in_flight + model.start - model.complete)
    b.m.d.comb += busy.eq(in_flight != 0)
    b.always(in_flight <= TRACKER_DEPTH)
    b.always(unit.held == model.held)
    b.always(unit.locks == model.locks)
    b.always(unit.busy == model.busy)
    b.always(unit.room == model.room)
    b.always(unit.signal == model.signal)
    return b


class StartBench(Bench):
    """`Issue` between free queues and free engines, its trackers replaced by what the proof ``tracker`` shows them to
    be. Vector and matrix engine are never ready while they hold as many instructions as their trackers can."""

    def __init__(self) -> None:
        super().__init__()
        with mock.patch.object(issue_module, "Tracker", TrackerModel):
            self.issue = issue_module.Issue(SMALL)
            self.unit("issue", Elaborated(self.issue.elaborate(None)))
        self.m.d.comb += self.issue.stop.eq(self.free(name="stop"))
        self.m.d.comb += self.issue.load_needs_port.eq(self.free(name="load_needs_port"))
        parts = self.m.submodules.issue.module.submodules
        self.trackers = [getattr(parts, f"tracker_{e.name.lower()}") for e in Engine]
        self.engines = [getattr(self.issue, e.name.lower()) for e in Engine]
        self.fault = self.issue.overflow.any() | self.issue.unknown_bank.any()
        self.headers = [data.View(HEADER, e.header) for e in self.engines]
        for engine, port, tracker in zip(Engine, self.engines, self.trackers, strict=True):
            name, transfer = engine.name.lower(), engine in TRANSFERS
            in_flight = Signal(range(tracker.depth + 1), name=f"in_flight_{name}")
            self.m.d.sync += in_flight.eq(in_flight + port.start - port.complete)
            self.m.d.comb += [
                port.valid.eq(self.free(name=f"{name}_valid")),
                port.header.eq(self.free(HEADER.size, f"{name}_header")),
                port.ready.eq(self.free(name=f"{name}_ready") & (transfer | tracker.room | port.complete)),
                port.complete.eq(self.free(name=f"{name}_complete") & (in_flight != 0)),
            ]

    def banks(self, engine: Engine) -> Value:
        """The banks that the head of an engine's queue names."""
        header, pads, accumulators = self.headers[engine], SMALL.scratchpad.banks, SMALL.accumulator.banks
        return Cat(header.read_banks[:pads], header.write_banks[:pads], header.accumulator_banks[:accumulators])

    def tokens(self, source: Engine, destination: Engine) -> tuple[Signal, Value]:
        """Tokens on the way from one engine to another, counted without bound, and those of this cycle included."""
        name = f"tokens_{source.name.lower()}_{destination.name.lower()}"
        tokens = Signal(issue_module.SEMAPHORE_BITS + 2, name=f"counted_{name}")
        now = tokens + self.trackers[source].signal[destination]
        port, header = self.engines[destination], self.headers[destination]
        self.m.d.sync += tokens.eq(now - Mux(port.start, header[f"wait_{source.name.lower()}"], 0))
        return tokens, now


def locks() -> Bench:
    b = StartBench()
    held = [t.held for t in b.trackers]
    for i in range(len(held)):
        for j in range(i):
            b.always((held[i] & held[j]) == 0)
    for engine in TRANSFERS:
        b.always(~b.engines[engine].start | b.trackers[engine].room)
    return b


def semaphores() -> Bench:
    b = StartBench()
    stopped = Signal()
    b.m.d.sync += stopped.eq(stopped | b.fault)
    for source, destination in itertools.product(Engine, Engine):
        tokens, now = b.tokens(source, destination)
        wanted = b.headers[destination][f"wait_{source.name.lower()}"]
        with b.m.If(~stopped):
            b.always(~b.engines[destination].start | (now >= wanted))
            b.always(tokens < 1 << issue_module.SEMAPHORE_BITS)
    return b


def starts() -> Bench:
    """For each engine the rule of docs/03_reference/timing.md, said again; and that somebody starts who can."""
    b = StartBench()
    stopped = Signal()
    b.m.d.sync += stopped.eq(stopped | b.fault)
    can = []
    for engine in Engine:
        port, header = b.engines[engine], b.headers[engine]
        enough = Cat(*(b.tokens(s, engine)[1] >= header[f"wait_{s.name.lower()}"] for s in Engine)).all()
        others = reduce(or_, (b.trackers[e].held for e in Engine if e is not engine))
        earlier = reduce(or_, (Mux(b.engines[e].start, b.banks(e), 0) for e in Engine if e < engine), 0)
        port_taken = b.engines[Engine.STORE].start & b.issue.load_needs_port & (engine == Engine.LOAD)
        room = b.trackers[engine].room if engine in TRANSFERS else 1
        wants = port.valid & port.ready & enough & room & ~b.issue.stop
        can.append(wants & ((others & b.banks(engine)) == 0))
        with b.m.If(~stopped):
            b.always(port.start == (can[-1] & ((earlier & b.banks(engine)) == 0) & ~port_taken))
    with b.m.If(~stopped):
        b.always(~Cat(*can).any() | Cat(*(e.start for e in b.engines)).any())
        b.always(b.issue.busy == Cat(*(e.valid for e in b.engines), *(t.busy for t in b.trackers)).any())
    return b


def progress() -> Bench:
    """Nothing is in flight, a head has its tokens, and its engine is ready: something starts in this very cycle."""
    b = StartBench()
    heads = []
    for engine in Engine:
        port, header = b.engines[engine], b.headers[engine]
        enough = Cat(*(b.tokens(s, engine)[1] >= header[f"wait_{s.name.lower()}"] for s in Engine)).all()
        heads.append(port.valid & port.ready & enough)
    stopped = Signal()
    b.m.d.sync += stopped.eq(stopped | b.fault | b.issue.stop)
    idle = ~Cat(*(t.busy for t in b.trackers)).any()
    with b.m.If(~stopped & ~b.issue.stop & idle & Cat(*heads).any()):
        b.always(Cat(*(e.start for e in b.engines)).any())
    return b


PROOFS = [
    Proof("queue", "an instruction queue never overflows, loses, repeats or reorders an instruction",
          "rtl/sequencer/instruction_queue.py", queue,
          Mutant(f"{issue_module.__package__}.instruction_queue", "count < self._depth", "count <= self._depth")),
    Proof("dispatch-room", "dispatch never pushes into a full queue, never into two, never without taking a word",
          "rtl/sequencer/dispatch.py", dispatch_room,
          Mutant(f"{issue_module.__package__}.dispatch", "(room & ~spare)", "~spare")),
    Proof("dispatch-words", "an instruction goes to its engine with its last word, whole, as soon as there is room; "
          "an unknown opcode or spare bit is a fault", "rtl/sequencer/dispatch.py", dispatch_words,
          Mutant(f"{issue_module.__package__}.dispatch", "second.eq(~self.dispatched)", "second.eq(~last)")),
    Proof("tracker", "a tracker's locks, tokens and busy are those of the list of instructions in flight: counts never "
          "run below zero or over", "rtl/sequencer/tracker.py", tracker,
          Mutant(f"{issue_module.__package__}.tracker", "(self.complete & banks[bank])", "self.complete")),
    Proof("locks", "no bank is ever held by two engines, and no more transfers are in flight than are remembered",
          "rtl/sequencer/issue.py", locks,
          Mutant(issue_module.__name__, "(others | taken) & tracker", "others & tracker")),
    Proof("semaphores", "a semaphore never goes below zero; where it would overflow, the core faults",
          "rtl/sequencer/issue.py", semaphores,
          Mutant(issue_module.__name__, "held.append(now >= wanted)", "held.append((now >= wanted) | ~now[0])")),
    Proof("starts", "an engine starts exactly when the rules say so, in the order store, load, vector, matrix",
          "rtl/sequencer/issue.py", starts,
          Mutant(issue_module.__name__, "for i in range(engine)), 0)", "for i in range(engine) if i), 0)")),
    Proof("progress", "when nothing is in flight and a queue's head has its tokens, something starts in that cycle",
          "rtl/sequencer/issue.py", progress,
          Mutant(issue_module.__name__, "~(store.start & self.load_needs_port)",
                 "~(store.valid & self.load_needs_port)")),
]
