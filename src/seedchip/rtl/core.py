"""The core: sequencer, engines, on-chip memories and the memory port, wired together."""

from __future__ import annotations

from enum import IntEnum

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect

from seedchip.isa import Engine
from seedchip.isa.causes import COUNTER_BITS
from seedchip.isa.dma import INDEX_BYTES
from seedchip.rtl.counters.engine_counter import COUNTS, EngineCounter
from seedchip.rtl.limits import check_slice
from seedchip.rtl.matrix.engine import MatrixEngine
from seedchip.rtl.memory.accumulator import ROW_BITS, Accumulator
from seedchip.rtl.memory.line_memory import LineMemory
from seedchip.rtl.sequencer.dispatch import Dispatch
from seedchip.rtl.sequencer.fetch import PROGRAM_WORD_BITS, Fetch
from seedchip.rtl.sequencer.instruction_queue import InstructionQueue
from seedchip.rtl.sequencer.issue import Issue
from seedchip.rtl.signatures import ADDRESS_BITS, MEMORY_ADDRESS_BITS, MemoryBus
from seedchip.rtl.transfer.load_engine import LoadEngine
from seedchip.rtl.transfer.store_engine import StoreEngine
from seedchip.rtl.vector.engine import VectorEngine
from seedchip.spec import ChipSpec


class Fault(IntEnum):
    """Bits of the fault register: why the core has stopped."""

    OPCODE = 0
    ISSUE = 1
    """a semaphore overflowed, or a bank is named that the chip does not have"""
    LOAD = 2
    """a gather, or a loop of length 0"""
    STORE = 3
    MATRIX = 4
    VECTOR = 5
    """an operand, reduction, window or micro-operation outside of the slice"""
    SCRATCHPAD = 6
    """two readers or two writers in one bank"""
    PARAMETER = 7
    ACCUMULATOR = 8
    MEMORY = 9
    """memory answered a transfer with an error"""


GRANULES = data.StructLayout(dict.fromkeys(("read", "fetched", "written"), COUNTER_BITS))
"""Granules of memory: read by loads, by instruction fetches, and written."""


class Core(wiring.Component):
    """Runs the program at ``program_address``, which is given before reset ends, from the first cycle after reset:
    cycle 0.

    ``done`` comes with the run's ``cycles``, or with ``fault`` (bits of `Fault`); ``counts`` (which add up to
    ``cycles`` for every engine) and ``granules`` are whole one cycle later. ``dispatched``, ``started`` and
    ``completed`` (a bit for every engine) are strobes for the comparison with the simulator. After ``done`` the debug
    port reads scratchpad lines and accumulator rows, three cycles after their address.
    """

    def __init__(self, spec: ChipSpec) -> None:
        check_slice(spec)
        self._spec = spec
        super().__init__({
            "program_address": In(MEMORY_ADDRESS_BITS),
            "program_words": In(PROGRAM_WORD_BITS),
            "memory": Out(MemoryBus(spec.memory.granule_bytes)),
            "memory_error": In(1),
            "done": Out(1),
            "cycles": Out(COUNTER_BITS),
            "fault": Out(len(Fault)),
            "counts": Out(COUNTS),
            "granules": Out(GRANULES),
            "dispatched": Out(1),
            "started": Out(len(Engine)),
            "completed": Out(len(Engine)),
            "debug_address": In(ADDRESS_BITS),
            "debug_line": Out(8 * spec.line_bytes),
            "debug_row": In(ROW_BITS),
            "debug_sums": Out(data.ArrayLayout(signed(32), spec.matrix.columns)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self._spec
        m.submodules.fetch = fetch = Fetch(spec)
        m.submodules.dispatch = dispatch = Dispatch()
        m.submodules.issue = issue = Issue(spec)
        m.submodules.load = load = LoadEngine(spec)
        m.submodules.store = store = StoreEngine(spec)
        m.submodules.matrix = matrix = MatrixEngine(spec)
        m.submodules.vector = vector = VectorEngine(spec)
        engines = {Engine.STORE: store, Engine.LOAD: load, Engine.VECTOR: vector, Engine.MATRIX: matrix}
        self._connect_sequencer(m, fetch, dispatch, issue, engines)
        self._connect_port(m, fetch, load, store)
        m.d.comb += [issue.load_needs_port.eq(load.needs_port), load.busy.eq(issue.load.busy)]
        conflicts = self._connect_memories(m, load, store, matrix, vector)
        faults = {Fault.OPCODE: dispatch.fault, Fault.ISSUE: issue.fault, Fault.LOAD: load.fault,
                  Fault.STORE: store.fault, Fault.MATRIX: matrix.fault, Fault.VECTOR: vector.fault,
                  Fault.MEMORY: self.memory_error, **conflicts}
        fault, done, cycles = Signal(len(Fault)), Signal(), Signal(COUNTER_BITS)
        ended = dispatch.halted & ~issue.busy
        m.d.sync += fault.eq(fault | Cat(faults[f] for f in Fault))
        with m.If(~self.done):
            m.d.sync += cycles.eq(cycles + 1)
        m.d.sync += done.eq(self.done)
        self._count(m, issue, engines)
        m.d.comb += [
            self.done.eq(done | ended | fault.any()), self.cycles.eq(cycles), self.fault.eq(fault),
            dispatch.stop.eq(self.done), issue.stop.eq(fault.any()), self.dispatched.eq(dispatch.dispatched),
        ]
        return m

    def _connect_sequencer(self, m: Module, fetch: Fetch, dispatch: Dispatch, issue: Issue, engines: dict) -> None:
        address, words = Signal(MEMORY_ADDRESS_BITS, reset_less=True), Signal(PROGRAM_WORD_BITS, reset_less=True)
        m.d.sync += [address.eq(self.program_address), words.eq(self.program_words)]
        m.d.comb += [
            fetch.program_address.eq(address), fetch.program_words.eq(words),
            dispatch.word_valid.eq(fetch.word_valid), dispatch.word.eq(fetch.word), fetch.take.eq(dispatch.take),
        ]
        for engine, unit in engines.items():
            name = engine.name.lower()
            queue = InstructionQueue(len(unit.instruction), self._spec.sequencer.queue_depth)
            m.submodules[f"{name}_queue"] = queue
            start = getattr(issue, name)
            m.d.comb += [
                queue.push.eq(dispatch.push[engine]), queue.pop.eq(start.start),
                queue.instruction.eq(dispatch.instruction), dispatch.room[engine].eq(queue.room),
                start.valid.eq(queue.valid), start.header.eq(queue.head), start.ready.eq(unit.ready),
                start.complete.eq(unit.complete), unit.start.eq(start.start), unit.instruction.eq(queue.head),
                self.started[engine].eq(start.start), self.completed[engine].eq(unit.complete),
            ]

    def _count(self, m: Module, issue: Issue, engines: dict) -> None:
        """Cycles by engine and cause, and granules."""
        for engine, unit in engines.items():
            name = engine.name.lower()
            m.submodules[f"{name}_counter"] = counter = EngineCounter(engine)
            start = getattr(issue, name)
            m.d.comb += [
                counter.counting.eq(~self.done), counter.queued.eq(start.valid), counter.tokens.eq(start.tokens),
                counter.banks.eq(start.banks), counter.busy.eq(start.busy), counter.occupation.eq(unit.occupation),
                self.counts[name].eq(counter.counts),
            ]
        bus, granules = self.memory, Signal(GRANULES)
        read, fetched = (bus.read_valid & bus.read_ready & (bus.read_tag == tag) for tag in range(2))
        m.d.sync += [
            granules.read.eq(granules.read + read), granules.fetched.eq(granules.fetched + fetched),
            granules.written.eq(granules.written + (bus.write_valid & bus.write_ready)),
        ]
        m.d.comb += self.granules.eq(granules)

    def _connect_port(self, m: Module, fetch: Fetch, load: LoadEngine, store: StoreEngine) -> None:
        """Who holds the memory port: fetch before store before load (the last two are told apart by the issue logic).
        """
        bus = self.memory
        free = ~(fetch.port_held | load.port_held | store.port_held)
        for unit in (load, store):
            m.d.comb += unit.port_free.eq(free & ~fetch.start)
        m.d.comb += [
            fetch.port_free.eq(free),
            bus.read_valid.eq(fetch.request_valid | load.request_valid), bus.read_tag.eq(fetch.request_valid),
            bus.read_granule.eq(Mux(fetch.request_valid, fetch.request_granule, load.request_granule)),
            fetch.reply_valid.eq(bus.reply_valid & bus.reply_tag),
            load.reply_valid.eq(bus.reply_valid & ~bus.reply_tag),
            fetch.reply_data.eq(bus.reply_data), load.reply_data.eq(bus.reply_data),
            bus.read_more.eq(Mux(fetch.request_valid, fetch.request_more, load.request_more)),
            fetch.request_ready.eq(bus.read_ready), load.request_ready.eq(bus.read_ready),
            *(getattr(bus, name).eq(getattr(store, name))
              for name in ("write_valid", "write_granule", "write_data", "write_mask", "write_last", "write_more")),
            store.write_ready.eq(bus.write_ready), store.write_done.eq(bus.write_done),
        ]

    def _connect_memories(self, m: Module, load: LoadEngine, store: StoreEngine, matrix: MatrixEngine,
                          vector: VectorEngine) -> dict:
        spec = self._spec
        line = spec.line_bytes
        longest = max(spec.matrix.rows, spec.matrix.columns)
        m.submodules.scratchpad = scratchpad = LineMemory(
            spec.scratchpad.bytes, line, spec.scratchpad.banks,
            {"store": spec.memory.granule_bytes, "vector": line, "activations": spec.matrix.rows, "weights": longest,
             "indices": INDEX_BYTES, "debug": line}, ["load", "result"])
        m.submodules.parameter = parameter = LineMemory(spec.parameter.bytes, line, 1, {"vector": 2 * line}, ["load"])
        m.submodules.accumulator = accumulator = Accumulator(spec)
        for unit, port in ((store.scratchpad, scratchpad.store), (vector.scratchpad_read, scratchpad.vector),
                           (matrix.activations, scratchpad.activations), (matrix.weights, scratchpad.weights),
                           (load.indices, scratchpad.indices), (load.scratchpad, scratchpad.load),
                           (vector.scratchpad_write, scratchpad.result),
                           (vector.parameter, parameter.vector), (load.parameter, parameter.load)):
            connect(m, unit, port)
        reader = vector.accumulator
        done = Signal()
        debug_address, debug_row = Signal(ADDRESS_BITS, reset_less=True), Signal(ROW_BITS, reset_less=True)
        m.d.sync += [done.eq(self.done), debug_address.eq(self.debug_address), debug_row.eq(self.debug_row)]
        m.d.comb += [
            scratchpad.debug.valid.eq(done), scratchpad.debug.address.eq(debug_address),
            scratchpad.debug.count.eq(line), self.debug_line.eq(scratchpad.debug.data),
            accumulator.row.eq(matrix.row), accumulator.sums.eq(matrix.sums),
            accumulator.vector.valid.eq(Mux(done, 1, reader.valid)),
            accumulator.vector.row.eq(Mux(done, debug_row, reader.row)),
            reader.sums.eq(accumulator.vector.sums), self.debug_sums.eq(accumulator.vector.sums),
        ]
        return {Fault.SCRATCHPAD: scratchpad.conflict, Fault.PARAMETER: parameter.conflict,
                Fault.ACCUMULATOR: accumulator.conflict}
