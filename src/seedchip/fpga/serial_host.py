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
        state, command = Signal(State), Signal(8)
        arguments, missing = Signal(8 * ARGUMENT_BYTES), Signal(range(ARGUMENT_BYTES + 1))
        address, count = Signal(8 * ADDRESS_BYTES), Signal(8 * COUNT_BYTES)
        message, length = Signal(8 * MESSAGE_BYTES), Signal(range(MESSAGE_BYTES + 1))
        m.d.comb += [
            self.send_byte.eq(message[:8]), self.send.eq((state == State.ANSWER) & (length != 0)),
            self.memory.address.eq(address), self.memory.data.eq(message[:8]),
            self.memory.write.eq(state == State.STORE),
            self.memory.valid.eq((state == State.STORE) | (state == State.READ)),
        ]

        def answer(*parts: Value) -> list:
            whole = Cat(*parts)
            return [message.eq(whole), length.eq(len(whole) // 8), state.eq(State.ANSWER)]

        with m.Switch(state):
            with m.Case(State.COMMAND), m.If(self.received):
                m.d.sync += command.eq(self.received_byte)
                with m.Switch(self.received_byte):
                    for code, num_bytes in _ARGUMENTS.items():
                        with m.Case(code):
                            m.d.sync += [state.eq(State.ARGUMENTS), missing.eq(num_bytes)]
                    with m.Case(Command.IDENTIFY):
                        said = identification(self._spec).pack()
                        value = Const(int.from_bytes(said, "little"), 8 * IDENTIFICATION_BYTES)
                        m.d.sync += answer(Const(Command.IDENTIFY, 8), value)
                    with m.Default():
                        m.d.sync += answer(Const(Command.UNKNOWN, 8))
            with m.Case(State.ARGUMENTS):
                # Arguments come in at the top: where there are fewer than for a start, they do not reach the bottom.
                with m.If(missing == 0):
                    m.d.sync += [address.eq(arguments[8 * (ARGUMENT_BYTES - ADDRESS_BYTES - COUNT_BYTES):]),
                                 count.eq(arguments[-8 * COUNT_BYTES:])]
                    with m.Switch(command):
                        with m.Case(Command.START):
                            m.d.comb += self.start.eq(1)
                            m.d.sync += [state.eq(State.RUN),
                                         self.program_address.eq(arguments[:8 * ADDRESS_BYTES]),
                                         self.program_words.eq(arguments[8 * ADDRESS_BYTES:])]
                        with m.Case(Command.READ):
                            m.d.sync += answer(Const(Command.READ, 8))
                        with m.Default():
                            m.d.sync += state.eq(State.WRITE)
                with m.Elif(self.received):
                    m.d.sync += [arguments.eq(Cat(arguments[8:], self.received_byte)), missing.eq(missing - 1)]
            with m.Case(State.WRITE):
                with m.If(count == 0):
                    m.d.sync += answer(Const(Command.WRITE, 8))
                with m.Elif(self.received):
                    m.d.sync += [message.eq(self.received_byte), state.eq(State.STORE)]
            with m.Case(State.STORE), m.If(self.memory.ready):
                m.d.sync += [address.eq(address + 1), count.eq(count - 1), state.eq(State.WRITE)]
            with m.Case(State.READ), m.If(self.memory.ready):
                m.d.sync += [address.eq(address + 1), count.eq(count - 1), state.eq(State.FETCH)]
            with m.Case(State.FETCH), m.If(self.memory.reply_valid):
                m.d.sync += answer(self.memory.reply_data)
            with m.Case(State.RUN):
                with m.If(self.received & (self.received_byte == Command.GIVE_UP)):
                    m.d.comb += self.give_up.eq(1)
                    m.d.sync += answer(Const(Command.GIVE_UP, 8))
                with m.Elif(self.done):
                    m.d.sync += answer(Const(Command.START, 8), _widened(self.fault, FAULT_BYTES),
                                       _widened(self.cycles, CYCLES_BYTES))
            with m.Case(State.ANSWER):
                with m.If(length == 0):
                    m.d.sync += state.eq(Mux((command == Command.READ) & (count != 0), State.READ, State.COMMAND))
                with m.Elif(self.send_ready):
                    m.d.sync += [message.eq(message >> 8), length.eq(length - 1)]
        return m


def _widened(value: Value, num_bytes: int) -> Value:
    return Cat(value, Const(0, 8 * num_bytes - len(value)))
