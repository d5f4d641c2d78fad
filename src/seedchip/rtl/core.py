"""The core: sequencer, engines, on-chip memories and the memory port, wired together."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect

from seedchip.isa import Engine
from seedchip.isa.causes import COUNTER_BITS
from seedchip.isa.dma import INDEX_BYTES
from seedchip.rtl import hierarchy
from seedchip.rtl.counters.engine_counter import COUNTS, EngineCounter
from seedchip.rtl.limits import check_slice
from seedchip.rtl.matrix.engine import MatrixEngine
from seedchip.rtl.memory.accumulator import ROW_BITS, Accumulator
from seedchip.rtl.memory.line_memory import LineMemory
from seedchip.rtl.sequencer.dispatch import Dispatch
from seedchip.rtl.sequencer.faults import INSTRUCTION_BITS, NO_ENGINE, Fault, FaultRegister
from seedchip.rtl.sequencer.fetch import PROGRAM_WORD_BITS, Fetch
from seedchip.rtl.sequencer.instruction_queue import InstructionQueue
from seedchip.rtl.sequencer.issue import Issue
from seedchip.rtl.signatures import ADDRESS_BITS, MEMORY_ADDRESS_BITS, MemoryBus
from seedchip.rtl.transfer.load_engine import LoadEngine
from seedchip.rtl.transfer.store_engine import StoreEngine
from seedchip.rtl.vector.engine import VectorEngine
from seedchip.spec import ChipSpec

PATIENCE = 15
"""Cycles without anything under way after which a program counts as stuck; one would do but for what begins in it."""
MEMORY_ERROR = data.StructLayout({"store": 1, "load": 1, "fetch": 1})
"""Whose transfer memory has answered with an error."""
GRANULES = data.StructLayout(dict.fromkeys(("read", "fetched", "written"), COUNTER_BITS))
"""Granules of memory: read by loads, by instruction fetches, and written."""


class Core(wiring.Component):
    """Runs the program at ``program_address`` from the first cycle after reset: cycle 0. Its place and length, and how
    many bytes of memory it may touch (``memory_limit``, at most the chip's), are given before reset ends and stay until
    ``done``.

    ``done`` comes with the run's ``cycles``, or with ``fault`` (bits of `Fault`), ``fault_engine`` and
    ``fault_instruction`` (`FaultRegister`): nothing more starts then and on-chip memories stay as they are, while
    transfers go on to the end of what they have announced (`MemoryBus`). ``counts`` (which add up to
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
            "memory_limit": In(MEMORY_ADDRESS_BITS + 1),
            "memory": Out(MemoryBus(spec.memory.granule_bytes)),
            "memory_error": In(MEMORY_ERROR),
            "done": Out(1),
            "cycles": Out(COUNTER_BITS),
            "fault": Out(len(Fault)),
            "fault_engine": Out(range(len(Engine) + 1)),
            "fault_instruction": Out(INSTRUCTION_BITS),
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
        matrix, vector = MatrixEngine(spec), VectorEngine(spec)
        for name, engine in (("matrix", matrix), ("vector", vector)):
            port = getattr(issue, name)
            hierarchy.gate(m, platform, name, engine, port.start | port.busy)
        engines = {Engine.STORE: store, Engine.LOAD: load, Engine.VECTOR: vector, Engine.MATRIX: matrix}
        self._connect_sequencer(m, fetch, dispatch, issue, engines)
        self._connect_port(m, fetch, load, store)
        m.d.comb += [issue.load_needs_port.eq(load.needs_port), load.busy.eq(issue.load.busy)]
        memories = self._connect_memories(m, issue, engines)
        self._connect_faults(m, (fetch, dispatch, issue), engines, memories)
        done, cycles = Signal(), Signal(COUNTER_BITS)
        with m.If(~self.done):
            m.d.sync += cycles.eq(cycles + 1)
        m.d.sync += done.eq(self.done)
        self._count(m, issue, engines)
        m.d.comb += [
            self.done.eq(done | (dispatch.halted & ~issue.busy) | self.fault.any()), self.cycles.eq(cycles),
            dispatch.stop.eq(self.done), self.dispatched.eq(dispatch.dispatched),
        ]
        return m

    def _connect_faults(self, m: Module, sequencer: tuple[Fetch, Dispatch, Issue], engines: dict,
                        memories: tuple[LineMemory, LineMemory, Accumulator]) -> None:
        """Who can fault for what reason, and who stops."""
        fetch, dispatch, issue = sequencer
        scratchpad, parameter, accumulator = memories
        store, load, vector, matrix = (engines[engine] for engine in Engine)
        m.submodules.fault_register = register = FaultRegister()
        causes: list[dict[Fault, Value]] = [
            {Fault.FIELD: store.malformed, Fault.MEMORY: store.beyond, Fault.SCRATCHPAD: scratchpad.store_beyond,
             Fault.LOCK: scratchpad.store_unlocked},
            {Fault.FIELD: load.malformed, Fault.MEMORY: load.beyond, Fault.PARAMETER: parameter.load_beyond,
             Fault.SCRATCHPAD: scratchpad.load_beyond | scratchpad.indices_beyond,
             Fault.LOCK: scratchpad.load_unlocked | scratchpad.indices_unlocked},
            {Fault.FIELD: vector.fault & issue.vector.start, Fault.MICROPROGRAM: vector.fault & ~issue.vector.start,
             Fault.SCRATCHPAD: scratchpad.vector_beyond | scratchpad.result_beyond,
             Fault.PARAMETER: parameter.vector_beyond, Fault.ACCUMULATOR: accumulator.vector_beyond,
             Fault.LOCK: scratchpad.vector_unlocked | scratchpad.result_unlocked | accumulator.vector_unlocked},
            {Fault.FIELD: matrix.malformed, Fault.ACCUMULATOR: matrix.beyond, Fault.CONFLICT: scratchpad.conflict,
             Fault.SCRATCHPAD: scratchpad.activations_beyond | scratchpad.weights_beyond,
             Fault.LOCK: scratchpad.activations_unlocked | scratchpad.weights_unlocked | accumulator.matrix_unlocked},
            {Fault.OPCODE: dispatch.unknown, Fault.END: dispatch.unfinished, Fault.MEMORY: fetch.beyond,
             Fault.DEADLOCK: self._stuck(m, fetch, dispatch, issue)},
        ]
        for place, who in ((Engine.STORE, "store"), (Engine.LOAD, "load"), (NO_ENGINE, "fetch")):
            causes[place][Fault.BUS] = self.memory_error[who]
        for engine in Engine:
            causes[engine] |= {Fault.BANK: issue.unknown_bank[engine], Fault.SEMAPHORE: issue.overflow[engine]}
        m.d.comb += [
            *(register.causes[place][fault].eq(cause) for place, mine in enumerate(causes)
              for fault, cause in mine.items()),
            register.started.eq(self.started), self.fault.eq(register.fault), self.fault_engine.eq(register.engine),
            self.fault_instruction.eq(register.instruction),
            *(unit.stop.eq(self.fault.any()) for unit in (fetch, issue, store, load, *memories)),
        ]

    def _stuck(self, m: Module, fetch: Fetch, dispatch: Dispatch, issue: Issue) -> Value:
        """Nothing is under way and nothing has begun for so long that nothing ever will."""
        idle = Signal(range(PATIENCE + 1))
        with m.If(issue.in_flight | self.started.any() | dispatch.take | fetch.busy | self.done):
            m.d.sync += idle.eq(0)
        with m.Elif(idle != PATIENCE):
            m.d.sync += idle.eq(idle + 1)
        return idle == PATIENCE

    def _connect_sequencer(self, m: Module, fetch: Fetch, dispatch: Dispatch, issue: Issue, engines: dict) -> None:
        address, words = Signal(MEMORY_ADDRESS_BITS, reset_less=True), Signal(PROGRAM_WORD_BITS, reset_less=True)
        limit, most = Signal(MEMORY_ADDRESS_BITS + 1, reset_less=True), self._spec.memory.bytes
        given = self.memory_limit & -self._spec.memory.granule_bytes
        done = Signal()  # from then on the host may prepare the next run
        m.d.sync += done.eq(self.done)
        with m.If(~done):
            m.d.sync += [address.eq(self.program_address), words.eq(self.program_words),
                         limit.eq(Mux(given > most, most, given))]
        m.d.comb += [
            fetch.program_address.eq(address), fetch.program_words.eq(words), dispatch.exhausted.eq(fetch.exhausted),
            *(unit.memory_limit.eq(limit) for unit in (fetch, engines[Engine.LOAD], engines[Engine.STORE])),
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

    def _connect_memories(self, m: Module, issue: Issue,
                          engines: dict) -> tuple[LineMemory, LineMemory, Accumulator]:
        spec, locks = self._spec, issue.locks
        store, load, vector, matrix = (engines[engine] for engine in Engine)
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
        readers = {"store": Engine.STORE, "vector": Engine.VECTOR, "activations": Engine.MATRIX,
                   "weights": Engine.MATRIX, "indices": Engine.LOAD}
        m.d.comb += [
            *(getattr(scratchpad, f"{name}_banks").eq(locks[engine].read) for name, engine in readers.items()),
            scratchpad.load_banks.eq(locks[Engine.LOAD].write), scratchpad.result_banks.eq(locks[Engine.VECTOR].write),
            accumulator.matrix_banks.eq(locks[Engine.MATRIX].accumulator),
            accumulator.vector_banks.eq(Mux(done, ~0, locks[Engine.VECTOR].accumulator)),
        ]
        return scratchpad, parameter, accumulator
