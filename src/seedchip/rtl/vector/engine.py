"""The vector engine: one instruction at a time through reader, lanes and result path."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from seedchip.rtl import hierarchy
from seedchip.rtl.memory.accumulator import AccumulatorRead
from seedchip.rtl.signatures import OCCUPATION, ReadPort, WritePort
from seedchip.rtl.vector.combine import VectorCombine
from seedchip.rtl.vector.execute import VectorExecute
from seedchip.rtl.vector.plan import LEAD_BITS, PLAN, VECTOR, malformed, plan
from seedchip.rtl.vector.reader import EXECUTE_AFTER, READ_CYCLES, VectorReader
from seedchip.rtl.vector.result import VectorResult
from seedchip.spec import ChipSpec


class VectorEngine(wiring.Component):
    """An instruction that starts at t reads its micro-program from t + 1 on, a parameter line a cycle; then slots
    follow slots, the executing side a fixed number of cycles behind the reading side. A window's taps are combined on
    their way to operand A, a reduction's elements on their way to the result."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({
            "instruction": In(VECTOR.size),
            "start": In(1),
            "ready": Out(1),
            "complete": Out(1),
            "fault": Out(1),
            "occupation": Out(OCCUPATION),
            "scratchpad_read": Out(ReadPort(spec.line_bytes)),
            "scratchpad_write": Out(WritePort(spec.line_bytes)),
            "parameter": Out(ReadPort(2 * spec.line_bytes)),
            "accumulator": Out(AccumulatorRead(spec.matrix.columns)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self._spec
        m.submodules.reader = reader = VectorReader(spec)
        m.submodules.execute = execute = VectorExecute(spec)
        combine = VectorCombine(spec)
        m.submodules.result = result = VectorResult(spec)
        connect(m, flipped(self.scratchpad_read), reader.scratchpad)
        connect(m, flipped(self.accumulator), reader.accumulator)
        connect(m, flipped(self.scratchpad_write), result.scratchpad)
        for name in ("b", "c"):
            connect(m, getattr(reader, name), getattr(execute, name))
        connect(m, reader.parameters, execute.parameters)

        # The instruction: from its queue in the cycle of its start, from the register afterwards.
        kept, now = Signal(VECTOR.size, reset_less=True), Signal(VECTOR.size)
        instruction = data.View(VECTOR, now)
        facts = Signal(PLAN)
        m.d.comb += now.eq(Mux(self.start, self.instruction, kept))
        plan(m, instruction, spec, facts)
        hierarchy.gate(m, platform, "combine", combine, facts.window | facts.reduce)
        with m.If(self.start):
            m.d.sync += kept.eq(self.instruction)
        for part in (reader, result):
            m.d.comb += [part.instruction.eq(now), part.plan.eq(facts)]
        m.d.comb += [execute.plan.eq(facts), execute.implied_move.eq(instruction.num_operations == 0),
                     execute.columns.eq(instruction.columns)]

        begin = self._setup(m, instruction, facts, reader, execute)
        self._combine(m, instruction, facts, (reader, combine, execute, result))
        self._follow(m, facts, begin, reader, execute)
        m.d.comb += [
            reader.start.eq(self.start), reader.begin.eq(begin), result.begin.eq(begin),
            execute.reader_first_slot.eq(reader.first_slot), execute.reader_place.eq(reader.place),
            execute.reader_valid.eq(reader.group_valid), execute.reader_last.eq(reader.group_last),
            self.fault.eq((self.start & malformed(instruction)) | execute.fault),
        ]
        return m

    def _setup(self, m: Module, instruction: data.View, facts: data.View, reader: VectorReader,
               execute: VectorExecute) -> Signal:
        """Read the micro-program; the cycle in which the reader may begin."""
        line_bytes = self._spec.line_bytes
        waiting, line, begin, reading = Signal(), Signal(7), Signal(), Signal()
        last = line + 1 == facts.setup_cycles
        m.d.comb += [begin.eq(Mux(self.start, facts.setup_cycles == 0, waiting & last)),
                     reading.eq(waiting & (line < facts.program_lines))]
        with m.If(waiting):
            m.d.sync += [line.eq(line + 1), waiting.eq(~last)]
        with m.If(self.start):
            m.d.sync += [line.eq(0), waiting.eq(facts.setup_cycles != 0)]
        shown = Mux(reading, instruction.program_address + line, reader.parameter_line)
        m.d.comb += [
            self.parameter.valid.eq(reading | reader.parameter_valid),
            self.parameter.address.eq(shown << ceil_log2(line_bytes)),
            self.parameter.count.eq(Mux(reading | reader.parameter_single, line_bytes, 2 * line_bytes)),
            reader.parameter_data.eq(self.parameter.data),
        ]
        arrived, arrived_line = reading, line
        for i in range(READ_CYCLES):
            later = [Signal(name=f"arrived_{i}"), Signal(7, name=f"arrived_line_{i}", reset_less=True)]
            m.d.sync += [later[0].eq(arrived), later[1].eq(arrived_line)]
            arrived, arrived_line = later
        m.d.comb += [execute.program.valid.eq(arrived), execute.program.line.eq(arrived_line),
                     execute.program.data.eq(self.parameter.data)]
        return begin

    def _combine(self, m: Module, instruction: data.View, facts: data.View,
                 parts: tuple[VectorReader, VectorCombine, VectorExecute, VectorResult]) -> None:
        """In front of the micro-program for a window, behind it for a reduction, else aside."""
        reader, combine, execute, result = parts
        m.d.comb += [combine.kind.eq(facts.combine), combine.columns.eq(instruction.columns)]
        with m.If(facts.window):
            m.d.comb += [combine.step.eq(reader.tap), combine.elements.eq(reader.a.data),
                         execute.a.valid.eq(combine.valid), execute.a.place.eq(combine.place),
                         execute.a.data.eq(combine.result)]
        with m.Else():
            m.d.comb += [combine.step.eq(execute.partial), combine.elements.eq(execute.result),
                         execute.a.valid.eq(reader.a.valid), execute.a.place.eq(reader.a.place),
                         execute.a.data.eq(reader.a.data)]
        m.d.comb += [result.valid.eq(execute.result_valid), result.result.eq(execute.result)]
        with m.If(facts.reduce):
            m.d.comb += [result.valid.eq(combine.finished), result.result[:32].eq(combine.result[:32])]

    def _follow(self, m: Module, facts: data.View, begin: Signal, reader: VectorReader, execute: VectorExecute) -> None:
        """Start the executing side behind the reading side, and complete when the pipeline has run empty."""
        busy, behind, drain = Signal(), Signal(LEAD_BITS), Signal(9)
        m.d.comb += [execute.begin.eq(behind == 1), execute.stop.eq(drain == 2), self.complete.eq(drain == 1),
                     self.ready.eq(~busy | self.complete)]
        with m.If(behind != 0):
            m.d.sync += behind.eq(behind - 1)
        with m.If(drain != 0):
            m.d.sync += drain.eq(drain - 1)
        with m.If(begin):
            m.d.sync += behind.eq(facts.lead + EXECUTE_AFTER)
        with m.If(reader.ending):
            m.d.sync += drain.eq(facts.drain)
        # Slots are taken from the cycle after the start to the reader's end, parameter lines included.
        taking = Signal()
        m.d.comb += [self.occupation.active.eq(taking), self.occupation.drain.eq(busy & ~taking)]
        with m.If(self.start):
            m.d.sync += taking.eq(1)
        with m.Elif(reader.ending):
            m.d.sync += taking.eq(0)
        with m.If(self.start):
            m.d.sync += busy.eq(1)
        with m.Elif(self.complete):
            m.d.sync += busy.eq(0)
