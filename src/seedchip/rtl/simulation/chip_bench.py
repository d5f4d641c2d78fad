"""The whole chip as its host sees it: programs are run through the registers, memory is behind AXI4."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from seedchip.isa.causes import ENGINE_CAUSES
from seedchip.rtl.chip import Chip
from seedchip.rtl.core import GRANULES, Fault
from seedchip.rtl.host.axi import Response
from seedchip.rtl.host.registers import PAGE_BITS, REGISTERS, Register
from seedchip.rtl.simulation.counts import Counts
from seedchip.rtl.simulation.run import HardwareFault, Stalls
from seedchip.rtl.simulation.verilator import Top, build
from seedchip.simulator.counters import CAUSES

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

CHIP = Top("chip", Chip, Path(__file__).with_name("chip_harness.cpp"))
RULES = ("valid or its payload changed before ready", "a burst is not whole granules inside 4 KiB",
         "WLAST is not with the last beat of a burst", "an output depends on an input of the same cycle",
         "a response was not taken at once")
"""What can go wrong on the AXI channels: bits of `Rule` in chip_harness.cpp."""
BY_NAME = {register.name: register for register in REGISTERS}
START, CLEAR = 1, 2
"""Bits of CONTROL."""
RUNNING, DONE, FAULT, QUIET = 1, 2, 4, 8
"""Bits of STATUS."""


class ProtocolError(AssertionError):
    """The chip broke a rule of AXI; the sentence says which."""


class AccessRefused(RuntimeError):
    """The chip answered an access to a register with an error."""


class Traffic(NamedTuple):
    """What was seen at the memory port so far."""

    cycles: int
    read_bursts: int
    read_beats: int
    write_bursts: int
    write_beats: int
    answers: int
    """to bursts that were written"""
    unanswered: int
    """beats and bursts that memory has taken and not answered"""


class ChipBench:
    """A chip after reset, with its memory (uint8, changed in place) at address ``base``; a context.

    Memory answers bytes in ``errors`` (first, end) with SLVERR and what lies outside of it with DECERR; with ``stalls``
    it comes late, and the host too. Raises the errors of `seedchip.rtl.simulation.verilator.build`.
    """

    def __init__(self, spec: ChipSpec, memory: np.ndarray, *, base: int = 0, errors: tuple[int, int] = (0, 0),
                 stalls: Stalls | None = None) -> None:
        self._library, self.memory = _load_library(build(spec, CHIP)), memory
        late = None if stalls is None else stalls.packed()
        self._chip = self._library.chip_new(memory.ctypes.data, len(memory), base, *errors,
                                            None if late is None else late.ctypes.data)
        self.write("MEMORY_BASE", base >> PAGE_BITS << PAGE_BITS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._library.chip_free(self._chip)
        self._chip = None

    def read(self, name: str, index: int = 0) -> int:
        """The value of a register, both words of a long one. Raises `AccessRefused`, `ProtocolError`."""
        register = BY_NAME[name]
        words = [self.read_word(address) for address in _addresses(register, index)]
        return sum(word << 32 * i for i, word in enumerate(words))

    def write(self, name: str, value: int) -> None:
        """Raises `AccessRefused`, `ProtocolError`."""
        for i, address in enumerate(_addresses(BY_NAME[name], 0)):
            self.write_word(address, value >> 32 * i & 0xFFFFFFFF)

    def read_word(self, address: int) -> int:
        found = self._library.chip_read(self._chip, address)
        self._check(found >> 32, f"reading register address {address:#x}")
        return found & 0xFFFFFFFF

    def write_word(self, address: int, value: int) -> None:
        self._check(self._library.chip_write(self._chip, address, value, 15), f"writing register address {address:#x}")

    def _check(self, response: int, access: str) -> None:
        self.traffic()
        if response != Response.OKAY:
            raise AccessRefused(f"{access} is answered with {Response(response).name}")

    def wait(self, cycles: int) -> bool:
        """Go on until the interrupt, whether it came within ``cycles``."""
        came = self._library.chip_wait(self._chip, cycles)
        self.traffic()
        return bool(came)

    def traffic(self) -> Traffic:
        """Raises `ProtocolError` when a rule was broken so far."""
        counts = np.zeros(len(Traffic._fields), np.uint64)
        broken = self._library.chip_watch(self._chip, counts.ctypes.data)
        if broken:
            raise ProtocolError("; ".join(rule for bit, rule in enumerate(RULES) if broken >> bit & 1))
        return Traffic(*map(int, counts))

    def start(self, code_address: int, num_words: int) -> None:
        """Begin a run, with both interrupts on and what is left of an earlier run forgotten."""
        self.write("PROGRAM_ADDRESS", code_address)
        self.write("PROGRAM_WORDS", num_words)
        self.write("INTERRUPT_STATUS", 0b11)
        self.write("INTERRUPT_ENABLE", 0b11)
        self.write("CONTROL", START)

    def run(self, code_address: int, num_words: int, limit: int) -> int:
        """Run a program to its end; its cycles. Raises `HardwareFault` when it faults or does not end in ``limit``
        cycles, and `ProtocolError`."""
        self.start(code_address, num_words)
        if not self.wait(limit):
            raise HardwareFault(f"the chip has not interrupted after {limit} cycles")
        if self.read("STATUS") & FAULT:
            causes = self.read("FAULT")
            names = [f.name.lower() for f in Fault if causes >> f & 1]
            raise HardwareFault(f"the chip stopped at cycle {self.read('CYCLES')} with fault {', '.join(names)}")
        return self.read("CYCLES")

    def counts(self) -> Counts:
        """The counters, read one by one."""
        counts: Counts = {engine.name.lower(): dict.fromkeys(CAUSES, 0) | {
            cause.name.lower(): self.read(f"{engine.name}_{cause.name}") for cause in causes}
            for engine, causes in ENGINE_CAUSES.items()}
        return counts | {"granules": {name: self.read(f"GRANULES_{name.upper()}") for name in GRANULES.members}}


def _addresses(register: Register, index: int) -> range:
    """Of the register's words, the low one first."""
    first = register.offset + index * register.width // 8
    return range(first, first + register.width // 8, 4)


@cache
def _load_library(path: Path) -> ctypes.CDLL:
    """The library of `build` with the types of its functions; see chip_harness.cpp."""
    library = ctypes.CDLL(str(path))
    pointer, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    library.chip_new.argtypes = [pointer, u64, u64, u64, u64, pointer]
    library.chip_new.restype = pointer
    library.chip_free.argtypes = [pointer]
    library.chip_write.argtypes = [pointer, u32, u32, u32]
    library.chip_write.restype = u32
    library.chip_read.argtypes = [pointer, u32]
    library.chip_read.restype = u64
    library.chip_wait.argtypes = [pointer, u64]
    library.chip_wait.restype = u32
    library.chip_watch.argtypes = [pointer, pointer]
    library.chip_watch.restype = u64
    return library
