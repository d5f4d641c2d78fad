"""The board's side of the serial protocol (`seedchip.fpga.protocol`)."""

from __future__ import annotations

from enum import IntEnum

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.fpga.block_memory import BytePort
from seedchip.fpga.protocol import (
    ADDRESS_BYTES,
    COUNT_BYTES,
    CYCLES_BYTES,
    FAULT_BYTES,
    IDENTIFICATION_BYTES,
    WORDS_BYTES,
    Command,
    identification,
)
from seedchip.isa.causes import COUNTER_BITS
from seedchip.rtl.sequencer.faults import Fault
from seedchip.rtl.sequencer.fetch import PROGRAM_WORD_BITS
from seedchip.rtl.signatures import MEMORY_ADDRESS_BITS
from seedchip.spec import ChipSpec

ARGUMENT_BYTES = ADDRESS_BYTES + max(COUNT_BYTES, WORDS_BYTES)
MESSAGE_BYTES = 1 + max(IDENTIFICATION_BYTES, FAULT_BYTES + CYCLES_BYTES)
_ARGUMENTS = {Command.WRITE: ADDRESS_BYTES + COUNT_BYTES, Command.READ: ADDRESS_BYTES + COUNT_BYTES,
              Command.START: ADDRESS_BYTES + WORDS_BYTES}


class State(IntEnum):
    """What the host is expected to send, or what is done for it."""

    COMMAND = 0
    ARGUMENTS = 1
    WRITE = 2
    """bytes for memory are awaited"""
    STORE = 3
    """a byte waits for the memory"""
    READ = 4
    FETCH = 5
    """a byte is awaited from the memory"""
    RUN = 6
    ANSWER = 7


class SerialHost(wiring.Component):
    """Bytes from the receiver and to the transmitter; memory, and the run control of the core.

    A command that comes while an answer is being sent is lost: the host waits for the answer.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({
            "received": In(1),
            "received_byte": In(8),
            "send": Out(1),
            "send_byte": Out(8),
            "send_ready": In(1),
            "memory": Out(BytePort(spec.memory.bytes)),
            "program_address": Out(MEMORY_ADDRESS_BITS),
            "program_words": Out(PROGRAM_WORD_BITS),
            "start": Out(1),
            "give_up": Out(1),
            "done": In(1),
            "fault": In(len(Fault)),
            "cycles": In(COUNTER_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        now = _Registers()
        m.d.comb += [
            self.send_byte.eq(now.message[:8]), self.send.eq((now.state == State.ANSWER) & (now.length != 0)),
            self.memory.address.eq(now.address), self.memory.data.eq(now.message[:8]),
            self.memory.write.eq(now.state == State.STORE),
            self.memory.valid.eq((now.state == State.STORE) | (now.state == State.READ)),
        ]
        with m.Switch(now.state):
            with m.Case(State.COMMAND), m.If(self.received):
                self._accept(m, now)
            with m.Case(State.ARGUMENTS):
                with m.If(now.missing == 0):
                    self._begin(m, now)
                with m.Elif(self.received):
                    m.d.sync += [now.arguments.eq(Cat(now.arguments[8:], self.received_byte)),
                                 now.missing.eq(now.missing - 1)]
            with m.Case(State.RUN):
                with m.If(self.received & (self.received_byte == Command.GIVE_UP)):
                    m.d.comb += self.give_up.eq(1)
                    m.d.sync += now.answer(Const(Command.GIVE_UP, 8))
                with m.Elif(self.done):
                    m.d.sync += now.answer(Const(Command.START, 8), _widened(self.fault, FAULT_BYTES),
                                           _widened(self.cycles, CYCLES_BYTES))
            with m.Case(State.ANSWER):
                with m.If(now.length == 0):
                    reads_on = (now.command == Command.READ) & (now.count != 0)
                    m.d.sync += now.state.eq(Mux(reads_on, State.READ, State.COMMAND))
                with m.Elif(self.send_ready):
                    m.d.sync += [now.message.eq(now.message >> 8), now.length.eq(now.length - 1)]
            self._move_bytes(m, now)
        return m

    def _accept(self, m: Module, now: _Registers) -> None:
        """A command has come."""
        m.d.sync += now.command.eq(self.received_byte)
        with m.Switch(self.received_byte):
            for code, num_bytes in _ARGUMENTS.items():
                with m.Case(code):
                    m.d.sync += [now.state.eq(State.ARGUMENTS), now.missing.eq(num_bytes)]
            with m.Case(Command.IDENTIFY):
                said = int.from_bytes(identification(self._spec).pack(), "little")
                m.d.sync += now.answer(Const(Command.IDENTIFY, 8), Const(said, 8 * IDENTIFICATION_BYTES))
            with m.Default():
                m.d.sync += now.answer(Const(Command.UNKNOWN, 8))

    def _begin(self, m: Module, now: _Registers) -> None:
        """All arguments have come, at the top: where there are fewer than for a start, they do not reach the bottom."""
        m.d.sync += [now.address.eq(now.arguments[8 * (ARGUMENT_BYTES - ADDRESS_BYTES - COUNT_BYTES):]),
                     now.count.eq(now.arguments[-8 * COUNT_BYTES:])]
        with m.Switch(now.command):
            with m.Case(Command.START):
                m.d.comb += self.start.eq(1)
                m.d.sync += [now.state.eq(State.RUN), self.program_address.eq(now.arguments[:8 * ADDRESS_BYTES]),
                             self.program_words.eq(now.arguments[8 * ADDRESS_BYTES:])]
            with m.Case(Command.READ):
                m.d.sync += now.answer(Const(Command.READ, 8))
            with m.Default():
                m.d.sync += now.state.eq(State.WRITE)

    def _move_bytes(self, m: Module, now: _Registers) -> None:
        """Cases of the states in which bytes go to memory and come from it."""
        moved = [now.address.eq(now.address + 1), now.count.eq(now.count - 1)]
        with m.Case(State.WRITE):
            with m.If(now.count == 0):
                m.d.sync += now.answer(Const(Command.WRITE, 8))
            with m.Elif(self.received):
                m.d.sync += [now.message.eq(self.received_byte), now.state.eq(State.STORE)]
        with m.Case(State.STORE), m.If(self.memory.ready):
            m.d.sync += [*moved, now.state.eq(State.WRITE)]
        with m.Case(State.READ), m.If(self.memory.ready):
            m.d.sync += [*moved, now.state.eq(State.FETCH)]
        with m.Case(State.FETCH), m.If(self.memory.reply_valid):
            m.d.sync += now.answer(self.memory.reply_data)


class _Registers:
    """All that the board's side remembers of the conversation."""

    def __init__(self) -> None:
        self.state, self.command = Signal(State, name="state"), Signal(8, name="command")
        self.arguments = Signal(8 * ARGUMENT_BYTES, name="arguments")
        self.missing = Signal(range(ARGUMENT_BYTES + 1), name="missing")
        self.address, self.count = Signal(8 * ADDRESS_BYTES, name="address"), Signal(8 * COUNT_BYTES, name="count")
        self.message = Signal(8 * MESSAGE_BYTES, name="message")
        self.length = Signal(range(MESSAGE_BYTES + 1), name="length")

    def answer(self, *parts: Value) -> list:
        """Send these, the first one first."""
        whole = Cat(*parts)
        return [self.message.eq(whole), self.length.eq(len(whole) // 8), self.state.eq(State.ANSWER)]


def _widened(value: Value, num_bytes: int) -> Value:
    return Cat(value, Const(0, 8 * num_bytes - len(value)))
