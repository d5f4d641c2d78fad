"""Why a core stops: the causes, and the register that keeps the first one."""

from __future__ import annotations

from enum import IntEnum
from functools import reduce
from operator import or_

from amaranth import Array, Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from seedchip.isa import Engine

NO_ENGINE = len(Engine)
"""In the place of an engine: the sequencer itself."""
INSTRUCTION_BITS = 32


class Fault(IntEnum):
    """Bits of the fault register: why the core has stopped. ``doc`` says what each means."""

    doc: str

    def __new__(cls, value: int, doc: str) -> Fault:
        member = int.__new__(cls, value)
        member._value_, member.doc = value, doc
        return member

    OPCODE = 0, "no instruction has this opcode, or bits that no field has are set"
    END = 1, "the program ends without a halt"
    FIELD = 2, "a field has a value that the instruction does not allow, such as a loop of length 0"
    BANK = 3, "an instruction names a bank that the chip does not have"
    SEMAPHORE = 4, "a semaphore got more tokens than it can count"
    DEADLOCK = 5, "every instruction waits for tokens that nothing will send"
    MICROPROGRAM = 6, "a word of a micro-program is no operation, or reads what is not there"
    SCRATCHPAD = 7, "an address outside of the scratchpad"
    PARAMETER = 8, "an address outside of the parameter memory"
    ACCUMULATOR = 9, "a row outside of the accumulators"
    MEMORY = 10, "an address outside of the memory that the program was given"
    LOCK = 11, "a bank was touched that the instruction does not name"
    CONFLICT = 12, "a matmul's weights and activations were wanted from the same part of a bank in the same cycle"
    BUS = 13, "memory answered a transfer with an error"


class FaultRegister(wiring.Component):
    """Keeps the causes of the first cycle in which there is one, until reset.

    ``causes`` are bits of `Fault` for every engine, the sequencer's own in the last place (`NO_ENGINE`). ``engine`` is
    the first of those with a cause, ``instruction`` the number of instructions that it had started by then, the one
    that starts in the same cycle included: the fault is that one's, or of one before it that is not complete.
    """

    def __init__(self) -> None:
        super().__init__({
            "causes": In(data.ArrayLayout(len(Fault), len(Engine) + 1)),
            "started": In(len(Engine)),
            "fault": Out(len(Fault)),
            "engine": Out(range(len(Engine) + 1), init=NO_ENGINE),
            "instruction": Out(INSTRUCTION_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        counts = [Signal(INSTRUCTION_BITS, name=f"started_{engine.name.lower()}") for engine in Engine]
        now = [Signal(INSTRUCTION_BITS, name=f"now_{engine.name.lower()}") for engine in Engine]
        for engine in Engine:
            m.d.comb += now[engine].eq(counts[engine] + self.started[engine])
            m.d.sync += counts[engine].eq(now[engine])
        first = Signal(range(len(Engine) + 1), init=NO_ENGINE)
        for engine in reversed(Engine):
            with m.If(self.causes[engine].any()):
                m.d.comb += first.eq(engine)
        causes = [self.causes[i] for i in range(len(Engine) + 1)]
        with m.If(~self.fault.any() & Cat(causes).any()):
            m.d.sync += [self.fault.eq(reduce(or_, causes)), self.engine.eq(first),
                         self.instruction.eq(Array([*now, 0])[first])]
        return m
