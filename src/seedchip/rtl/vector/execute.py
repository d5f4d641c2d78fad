"""The executing side of the vector engine: micro-program, registers, lanes."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.isa.vector import (
    BATCH,
    MAX_CONSTANTS,
    MAX_OPERATIONS,
    NUM_REGISTERS,
    SOURCE_A,
    SOURCE_B,
    SOURCE_C,
    SOURCE_CONSTANT,
    SOURCE_PARAMETER,
)
from seedchip.rtl import hierarchy
from seedchip.rtl.vector.combine import CombineStep
from seedchip.rtl.vector.lane import CYCLES, OPCODE, VectorLane
from seedchip.rtl.vector.plan import OPERANDS, PLAN
from seedchip.rtl.vector.reader import OperandWrite, ParameterWrite
from seedchip.rtl.vector.walk import PLACE, VectorWalk
from seedchip.spec import ChipSpec

MICRO_OP = data.StructLayout({"opcode": 6, "register": 5, "a": 7, "b": 7, "c": 7})
SOURCES = ("a", "b", "c")
READABLE = ("000----", SOURCE_A, SOURCE_B, SOURCE_C, "0011---", "1------")
"""Patterns of source codes: registers, operands, parameters, constants."""


class ProgramWrite(wiring.Signature):
    """A line of micro-operations and constants."""

    def __init__(self, lanes: int) -> None:
        lines = (MAX_OPERATIONS + MAX_CONSTANTS) // lanes
        super().__init__({"valid": Out(1), "line": Out(ceil_log2(lines)), "data": Out(32 * lanes)})


class VectorExecute(wiring.Component):
    """From the cycle after ``begin`` walks the slots that the reader walked: fetch in the first cycle, registers,
    operands and constants are read in the next one, the lanes work in the five that follow, and the result is
    written (and shown as ``result`` after the last operation) in the cycle after those: eight in all, so that the
    next slot can use it. In a reduction ``partial`` says how the result joins its row, and when rows are folded.
    ``stop`` ends the last group's slots in which nothing executes: what they ask of the next instruction is wrong."""

    def __init__(self, spec: ChipSpec) -> None:
        self._spec, self._lanes = spec, spec.vector.lanes
        super().__init__({
            "begin": In(1),
            "stop": In(1),
            "plan": In(PLAN),
            "columns": In(20),
            "implied_move": In(1),
            "reader_first_slot": In(1),
            "reader_place": In(PLACE),
            "reader_valid": In(1),
            "reader_last": In(1),
            "program": In(ProgramWrite(self._lanes)),
            **{name: In(OperandWrite(self._lanes)) for name in OPERANDS},
            "parameters": In(ParameterWrite(self._lanes)),
            "result_valid": Out(1),
            "result": Out(32 * self._lanes),
            "partial": Out(CombineStep(spec)),
            "fault": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk, executes, finishes = self._walk(m)
        op, program = self._fetch(m, walk.slot)
        later = [Signal(PLACE, reset_less=True), Signal(name="executes_1"), Signal(name="finishes_1")]
        m.d.sync += [later[0].eq(walk.place), later[1].eq(executes), later[2].eq(finishes)]
        partial = self._partial(m, walk, executes, finishes)
        place, executes, finishes = later
        known = Cat(op.opcode == code for code in OPCODE.values()).any()
        readable = Cat(s.matches(*READABLE) for s in (op.a, op.b, op.c)).all()
        m.d.comb += self.fault.eq(executes & (~known | ~readable | (finishes & (op.register != 0))
                                              | (op.register >= NUM_REGISTERS)))
        registers_write, values = self._sources(m, op, place, program)
        opcode = Signal(6, reset_less=True)
        m.d.sync += opcode.eq(op.opcode)
        results = []
        for i in range(self._lanes):
            lane = hierarchy.place(m, platform, f"lane_{i}", VectorLane)
            part = slice(32 * i, 32 * i + 32)
            m.d.comb += [lane.opcode.eq(opcode), *(getattr(lane, s).eq(values[s][part]) for s in SOURCES)]
            results.append(lane.result)
        stage = Signal(data.StructLayout({"executes": 1, "finishes": 1, "register": 4,
                                          "partial": partial.shape()}))
        m.d.comb += [stage.executes.eq(executes), stage.finishes.eq(finishes), stage.register.eq(op.register),
                     stage.partial.eq(partial)]
        for i in range(CYCLES + 1):
            delayed = Signal(stage.shape(), name=f"stage_{i}")
            m.d.sync += delayed.eq(stage)
            stage = delayed
        m.d.comb += [
            registers_write.en.eq(stage.executes),
            registers_write.addr.eq(Cat(stage.partial.place.index, stage.register)),
            registers_write.data.eq(Cat(*results)),
            self.result_valid.eq(stage.executes & stage.finishes), self.result.eq(Cat(*results)),
            self.partial.eq(stage.partial),
        ]
        return m

    def _walk(self, m: Module) -> tuple[VectorWalk, Value, Value]:
        """The slot, whether a group executes in it, and whether its operation is the last one."""
        m.submodules.walk = walk = VectorWalk(self._spec)
        valid, last = Signal(2 * BATCH), Signal(2 * BATCH)
        with m.If(self.reader_first_slot):
            m.d.sync += [valid.bit_select(self.reader_place.as_value(), 1).eq(self.reader_valid),
                         last.bit_select(self.reader_place.as_value(), 1).eq(self.reader_last)]
        group_valid = valid.bit_select(walk.place.as_value(), 1)
        working = walk.active & ~walk.fold
        m.d.comb += [
            walk.begin.eq(self.begin), walk.stop.eq(self.stop), walk.plan.eq(self.plan), walk.columns.eq(self.columns),
            walk.group_last.eq(working & (walk.slot == 0) & last.bit_select(walk.place.as_value(), 1)),
        ]
        return (walk, working & group_valid & (walk.slot < self.plan.num_operations),
                walk.slot + 1 == self.plan.num_operations)

    def _partial(self, m: Module, walk: VectorWalk, executes: Value, finishes: Value) -> data.View:
        """What a reduction does with the slot's result, a cycle later."""
        now, partial = Signal(CombineStep(self._spec)), Signal(CombineStep(self._spec))
        m.d.comb += [
            now.valid.eq(self.plan.reduce & walk.active & (walk.fold | finishes)), now.place.eq(walk.place),
            now.vector.eq(walk.vector), now.fresh.eq(walk.fresh), now.live.eq(executes), now.fold.eq(walk.fold),
            now.count.eq(Mux(walk.left < self._lanes, walk.left, self._lanes)), now.step.eq(walk.step),
        ]
        m.d.sync += partial.eq(now)
        return partial

    def _fetch(self, m: Module, slot: Value) -> tuple[data.View, Memory]:
        """The slot's operation, a cycle later; the memory of the micro-program, for its constants."""
        lanes = self._lanes
        lane_bits = ceil_log2(lanes)
        lines = (MAX_OPERATIONS + MAX_CONSTANTS) // lanes
        m.submodules.program_memory = memory = Memory(shape=32 * lanes, depth=lines, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.program.valid), write.addr.eq(self.program.line), write.data.eq(self.program.data),
            read.addr.eq(slot >> lane_bits),
        ]
        lane = Signal(lane_bits, reset_less=True)
        m.d.sync += lane.eq(slot)
        op = Signal(MICRO_OP)
        with m.If(self.implied_move):
            m.d.comb += [op.opcode.eq(OPCODE["mov"]), op.a.eq(SOURCE_A)]
        with m.Else():
            m.d.comb += op.eq(read.data.word_select(lane, 32))
        return op, memory

    def _sources(self, m: Module, op: data.View, place: data.View, program: Memory) -> tuple:
        """All lanes' values of the three sources, a cycle later."""
        lanes = self._lanes
        width, lane_bits = 32 * lanes, ceil_log2(lanes)
        m.submodules.registers = registers = Memory(shape=width, depth=NUM_REGISTERS * BATCH, init=[])
        operands = [self._operand_memory(m, name) for name in OPERANDS]
        pairs = []
        for name in ("even", "odd"):
            m.submodules[f"parameters_{name}"] = memory = Memory(shape=width, depth=8 * BATCH, init=[])
            pairs.append(memory)
        for i, memory in enumerate(pairs):
            write = memory.write_port()
            m.d.comb += [write.en.eq(self.parameters.valid),
                         write.addr.eq(Cat(self.parameters.place.as_value(), self.parameters.pair)),
                         write.data.eq(self.parameters.data[width * i:width * (i + 1)])]
        values = {}
        for name in SOURCES:
            source = op[name]
            ports = [registers.read_port(), program.read_port(), *(p.read_port() for p in [*pairs, *operands])]
            constant = Signal(7, name=f"constant_{name}")
            addresses = [Cat(place.index, source[:4]), constant >> lane_bits,
                         *[Cat(place.as_value(), source[1:3])] * len(pairs), *[place.as_value()] * len(operands)]
            m.d.comb += [constant.eq(source[:6] + self.plan.num_operations),
                         *(p.addr.eq(a) for p, a in zip(ports, addresses, strict=True))]
            code = Signal(7, name=f"code_{name}", reset_less=True)
            lane = Signal(lane_bits, name=f"lane_{name}", reset_less=True)
            m.d.sync += [code.eq(source), lane.eq(constant)]
            value = Signal(width, name=f"value_{name}")
            with m.If(code >= SOURCE_CONSTANT):
                m.d.comb += value.eq(ports[1].data.word_select(lane, 32).replicate(lanes))
            with m.Elif(code >= SOURCE_PARAMETER):
                m.d.comb += value.eq(Mux(code[0], ports[3].data, ports[2].data))
            for place_of, port in zip((SOURCE_A, SOURCE_B, SOURCE_C), ports[4:], strict=True):
                with m.Elif(code == place_of):
                    m.d.comb += value.eq(port.data)
            with m.Else():
                m.d.comb += value.eq(ports[0].data)
            values[name] = value
        return registers.write_port(), values

    def _operand_memory(self, m: Module, name: str) -> Memory:
        """One operand of the groups of two batches."""
        m.submodules[f"operand_{name}"] = memory = Memory(shape=32 * self._lanes, depth=2 * BATCH, init=[])
        port, write = getattr(self, name), memory.write_port()
        m.d.comb += [write.en.eq(port.valid), write.addr.eq(port.place.as_value()), write.data.eq(port.data)]
        return memory
