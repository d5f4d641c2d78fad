"""Proofs about the memory port and the engines behind it: fetch, load and store, wired as in the core."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from amaranth import Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from prover import Bench, Elaborated, Mutant, Proof
from sequencer_proofs import SMALL

from seedchip.rtl.core import Core
from seedchip.rtl.sequencer.fetch import Fetch
from seedchip.rtl.signatures import PAGE_BYTES, MemoryBus
from seedchip.rtl.transfer import gather_rows, load_engine, store_engine
from seedchip.rtl.transfer.gather_rows import GatherRows
from seedchip.rtl.transfer.load_engine import LoadEngine
from seedchip.rtl.transfer.run_walker import LOOPS, RunWalker
from seedchip.rtl.transfer.store_engine import StoreEngine

GRANULE_BYTES = SMALL.memory.granule_bytes
FATES = 1 << SMALL.memory.latency_cycles.bit_length()


class WalkerModel(wiring.Component):
    """What the proof ``walker`` says of one: it is active from its start to the step of a last beat, whenever that is,
    or of one with ``stop``; and a beat, whatever it is, stays until it is taken."""

    def __init__(self, bench: Bench, granule_bytes: int, line_bytes: int) -> None:
        super().__init__(RunWalker(granule_bytes, line_bytes).signature)
        self._final, self._ends = Signal(), bench.free()
        beat = (self._final, self.run_last, self.memory_address, self.local_address, self.offset, self.count, self.more,
                self.beyond)
        self._next = [(value, bench.free(value.shape())) for value in beat]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.start):
            m.d.sync += self.active.eq(1)
        with m.Elif(self.step & (self.last | (self.stop & self._ends))):
            m.d.sync += self.active.eq(0)
        with m.If(self.start | self.step):
            m.d.sync += [value.eq(following) for value, following in self._next]
        m.d.comb += self.last.eq(self.active & self._final)
        return m


class RowsModel(wiring.Component):
    """What the proof ``rows`` says of `GatherRows`: a row is there at any time and stays until it is taken."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(GatherRows().signature)
        self._comes, self._row = bench.free(), bench.free(len(self.row.as_value()))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(~self.valid | self.take):
            m.d.sync += [self.valid.eq(self._comes), self.row.eq(self._row)]
        return m


class PortBench(Bench):
    """The three users of the memory port between free starts of free instructions and a memory that answers whatever
    it was asked, any number of cycles later. Walkers are their models.

    A load and a store may start whenever they are ready, but for the rule that a store goes first (proof ``starts``).
    """

    def __init__(self) -> None:
        super().__init__()
        self.fetch, self.load, self.store = Fetch(SMALL), LoadEngine(SMALL), StoreEngine(SMALL)
        self.unit("fetch", self.fetch, "take stop memory_limit")
        self.load_walker = self._engine("load", self.load, load_engine)
        self.store_walker = self._engine("store", self.store, store_engine)
        self.bus: Any = MemoryBus(GRANULE_BYTES).create()
        Core._connect_port(SimpleNamespace(memory=self.bus), self.m, self.fetch, self.load, self.store)  # type: ignore
        bus, m = self.bus, self.m
        m.d.comb += [
            self.fetch.program_address.eq(self.constant(40, "address")),
            self.fetch.program_words.eq(self.constant(32, "words")),
            self.store.start.eq(self.free() & self.store.ready),
            self.load.start.eq(self.free() & self.load.ready & ~(self.store.start & self.load.needs_port)),
            bus.read_ready.eq(self.free()), bus.write_ready.eq(self.free()), bus.reply_tag.eq(self.free()),
            bus.reply_data.eq(self.free(len(bus.reply_data))),
            self.store.scratchpad.data.eq(self.free(len(self.store.scratchpad.data))),
        ]
        taken = bus.read_valid & bus.read_ready
        self.asked = [self.outstanding(f"asked_{tag}", taken & (bus.read_tag == tag),
                                       bus.reply_valid & (bus.reply_tag == tag)) for tag in range(2)]
        self.unanswered = self.outstanding("unanswered", bus.write_valid & bus.write_ready & bus.write_last,
                                           bus.write_done)
        self.loads = self.outstanding("loads", self.load.start, self.load.complete, 4)
        m.d.comb += [
            bus.reply_valid.eq(self.free() & (Mux(bus.reply_tag, self.asked[1], self.asked[0]) != 0)),
            bus.write_done.eq(self.free() & (self.unanswered != 0)),
        ]

    def assume_busy(self) -> None:
        """A load that walks is in flight (proof ``completions``); any other may be."""
        self.m.d.comb += self.load.busy.eq(self.free() | self.load_walker.active)

    def _engine(self, name: str, engine: Any, module: Any) -> WalkerModel:
        with (mock.patch.object(module, "RunWalker", partial(WalkerModel, self)),
              mock.patch.object(load_engine, "GatherRows", partial(RowsModel, self))):
            elaborated = engine.elaborate(None)
        self.unit(name, Elaborated(elaborated))
        self.m.d.comb += [engine.instruction.eq(self.free(len(engine.instruction))), engine.stop.eq(self.free()),
                          engine.memory_limit.eq(self.free(len(engine.memory_limit)))]
        return elaborated.submodules.walker

    def outstanding(self, name: str, more: Value, less: Value, bits: int = 12) -> Signal:
        count = Signal(bits, name=name)
        self.m.d.sync += count.eq(count + more - less)
        return count


def one_holder() -> Bench:
    b = PortBench()
    b.assume_busy()
    b.always(~(b.fetch.request_valid & b.load.request_valid))
    b.always(~(b.fetch.request_valid & b.store_walker.active))
    b.always(~(b.load.request_valid & b.store_walker.active))
    return b


def waits(b: PortBench, channel: str, payload: list[Value]) -> Bench:
    """AXI's rule: what is offered stays, unchanged, until it is taken."""
    b.assume_busy()
    valid = getattr(b.bus, f"{channel}_valid")
    waiting = b.before(valid & ~getattr(b.bus, f"{channel}_ready"))
    b.always(~waiting | valid)
    for value in payload:
        b.always(~waiting | (value == b.before(value)))
    return b


def reads_wait() -> Bench:
    b = PortBench()
    return waits(b, "read", [b.bus.read_granule, b.bus.read_tag, b.bus.read_more])


def writes_wait() -> Bench:
    """One bit of the data stands for all: they go the same way."""
    b = PortBench()
    return waits(b, "write", [b.bus.write_granule[0], b.bus.write_data[0], b.bus.write_mask, b.bus.write_last,
                              b.bus.write_more])


def fates() -> Bench:
    b = PortBench()
    b.assume_busy()
    b.always(b.asked[0] <= FATES)
    return b


def completions() -> Bench:
    b = PortBench()
    b.m.d.comb += b.load.busy.eq(b.loads != b.load.complete)
    b.always(~b.load.complete | (b.loads != 0))
    b.always(~b.load_walker.active | b.load.busy)
    return b


def walker_bench(free: str, any_state: bool) -> tuple[Bench, RunWalker]:
    b = Bench(any_state)
    w = RunWalker(GRANULE_BYTES, SMALL.line_bytes)
    loops = " ".join(f"{n}{i}" for i in LOOPS for n in ("count", "memory_stride", "local_stride"))
    b.unit("walker", w, f"start_memory start_local run_bytes step stop {loops} {free}")
    b.m.d.comb += w.limit.eq(b.constant(len(w.limit), "limit"))
    b.m.d.comb += w.start.eq(b.free() & (~w.active | (w.last & w.step)))
    return b, w


def walker() -> Bench:
    """``row`` is a gather's, which stays as long as its run."""
    b, w = walker_bench("fill", any_state=True)
    b.m.d.comb += w.row.eq(b.constant(len(w.row), "row"))
    may_end, ends = b.before(w.last | w.stop), b.before(w.step & w.last)
    active, starts = b.before(w.active), b.before(w.start)
    b.always(~(starts | (active & ~(b.before(w.step) & may_end))) | w.active)
    b.always(~(ends & ~starts) | ~w.active)
    b.always(active | starts | ~w.active)
    waiting = b.before(w.active & ~w.step)
    for value in (w.last, w.run_last, w.beyond, w.memory_address, w.local_address, w.offset, w.count, w.more):
        b.always(~waiting | (value == b.before(value)))
    return b


def rows() -> Bench:
    """With a queue of 4 rows: its counters are as long as they need be."""
    b = Bench()
    with mock.patch.object(gather_rows, "QUEUE_DEPTH", 4):
        r = GatherRows()
        b.unit("elaborated", Elaborated(r.elaborate(None)))
    b.inputs(r, "index_address count0 repeats table_rows stride")
    b.m.d.comb += [r.start.eq(b.free()), r.take.eq(b.free() & r.valid), r.scratchpad.data.eq(b.free(32))]
    waiting = b.before(r.valid & ~r.take)
    b.always(~waiting | r.valid)
    b.always(~waiting | (r.row.outside == b.before(r.row.outside)))
    return b


def announced_by_walker() -> Bench:
    """The granules that a beat announces are the next beats'. Fills, which leave memory out, are left out."""
    b, w = walker_bench("", any_state=False)
    follows(b, w.active & w.step, w.memory_address[GRANULE_BYTES.bit_length() - 1:], w.more, w.active)
    return b


def announced_by_fetch() -> Bench:
    """No block is asked for while another one is: replies, which end a block, do not come before their requests."""
    b = Bench()
    f = Fetch(SMALL)
    b.unit("fetch", f, "program_address program_words port_free request_ready reply_valid take stop "
           "memory_limit")
    b.assume(~(f.start & f.request_valid))
    follows(b, f.request_valid & f.request_ready, f.request_granule, f.request_more, f.request_valid)
    return b


def follows(b: Bench, taken: Value, granule: Value, more: Value, valid: Value) -> None:
    """A taken granule that announced more is followed at once by the next one, of the same page."""
    promised, granule_before, more_before = b.before(taken & (more != 0)), b.before(granule), b.before(more)
    with b.m.If(promised):
        b.always(valid)
        b.always(granule == (granule_before + 1)[:len(granule)])
        b.always((more == more_before - 1) | (more == (1 << len(more)) - 1))
        b.always((granule & (PAGE_BYTES // GRANULE_BYTES - 1)) != 0)


TRANSFER = "seedchip.rtl.transfer"
PROOFS = [
    Proof("one-holder", "the memory port has one holder at a time, however late memory is", "rtl/core.py", one_holder,
          Mutant("seedchip.rtl.core", "unit.port_free.eq(free & ~fetch.start)", "unit.port_free.eq(free)")),
    Proof("reads-wait", "a request to memory stays as it is until memory takes it", "rtl/transfer/load_engine.py",
          reads_wait, Mutant(f"{TRANSFER}.load_engine",
                             "walker.step.eq(filling | (self.request_valid & self.request_ready))",
                             "walker.step.eq(filling | self.request_valid)"), apart=True),
    Proof("writes-wait", "a granule to be written stays as it is until memory takes it", "rtl/transfer/store_engine.py",
          writes_wait, Mutant(f"{TRANSFER}.store_engine", "(waiting != 0) & self.write_ready", "(waiting != 0)"),
          apart=True),
    Proof("fates", "no more granules of loads are unanswered than the load engine remembers",
          "rtl/transfer/load_engine.py", fates,
          Mutant(f"{TRANSFER}.load_engine", "asks & ((last - first)[:index_bits + 1] != depth)", "asks")),
    Proof("completions", "a load completes once, after it has started; while it walks it is in flight",
          "rtl/transfer/load_engine.py", completions,
          Mutant(f"{TRANSFER}.load_engine", "ended.eq(self.reply_valid & read.data.last)",
                 "ended.eq(self.reply_valid)"), frames=12),
    Proof("walker", "a walker is active from its start to the step of its last beat, and a beat stays until it is "
          "taken",
          "rtl/transfer/run_walker.py", walker,
          Mutant(f"{TRANSFER}.run_walker", "with m.If(self.active & self.step):", "with m.If(self.active):")),
    Proof("rows", "a gather's row, once it is there, stays as it is until it is taken", "rtl/transfer/gather_rows.py",
          rows, Mutant(f"{TRANSFER}.gather_rows", "read.eq(active & (promised != QUEUE_DEPTH))", "read.eq(active)")),
    Proof("announced", "the granules that a transfer announces come next, in order and inside the page",
          "rtl/transfer/run_walker.py", announced_by_walker,
          Mutant(f"{TRANSFER}.run_walker", "self._more(left - self.count)", "self._more(left)"), frames=20),
    Proof("announced-fetch", "the granules that a fetch announces come next, in order and inside the page",
          "rtl/sequencer/fetch.py", announced_by_fetch,
          Mutant("seedchip.rtl.sequencer.fetch", "Mux(beats_left - 1 < more_of_page, beats_left - 1, more_of_page)",
                 "beats_left - 1"), frames=50),
]
