"""The host's side of the serial protocol: a program with its tensors on a board, real or simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from seedchip.fpga.protocol import (
    ADDRESS_BYTES,
    COUNT_BYTES,
    CYCLES_BYTES,
    FAULT_BYTES,
    IDENTIFICATION_BYTES,
    MAX_COUNT,
    WORDS_BYTES,
    Command,
    Identification,
    identification,
)
from seedchip.isa import WORD_BYTES
from seedchip.program import verify_program
from seedchip.simulator.driver import check_feeds, read_output, write_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedchip.program import Program
    from seedchip.spec import ChipSpec


class BoardError(RuntimeError):
    """A board or its serial line did not do what was asked; the sentence says what."""


class Line(Protocol):
    """A serial port: ``serial.Serial`` of pyserial, or `seedchip.fpga.simulation.SimulatedLine`."""

    def write(self, data: bytes, /) -> object: ...

    def read(self, size: int, /) -> bytes: ...


class RunResult(NamedTuple):
    """What a run has left: bits of `seedchip.rtl.sequencer.faults.Fault`, and its cycles."""

    fault: int
    cycles: int


class BoardHost:
    """The commands of `seedchip.fpga.protocol`, one call each. All raise `BoardError` when another answer comes."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def identify(self) -> Identification:
        return Identification.unpack(self._ask(Command.IDENTIFY, b"", IDENTIFICATION_BYTES))

    def write(self, address: int, data: bytes) -> None:
        for start in range(0, len(data), MAX_COUNT):
            part = data[start:start + MAX_COUNT]
            self._ask(Command.WRITE, _place(address + start, len(part)) + part, 0)

    def read(self, address: int, count: int) -> bytes:
        return b"".join(self._ask(Command.READ, _place(address + start, part), part)
                        for start in range(0, count, MAX_COUNT) if (part := min(MAX_COUNT, count - start)))

    def run(self, address: int, num_words: int) -> RunResult:
        """Run the program of ``num_words`` words at ``address`` to its end or its fault."""
        place = address.to_bytes(ADDRESS_BYTES, "little") + num_words.to_bytes(WORDS_BYTES, "little")
        found = self._ask(Command.START, place, FAULT_BYTES + CYCLES_BYTES)
        return RunResult(int.from_bytes(found[:FAULT_BYTES], "little"), int.from_bytes(found[FAULT_BYTES:], "little"))

    def _ask(self, command: Command, arguments: bytes, num_bytes: int) -> bytes:
        self._line.write(bytes([command]) + arguments)
        found = self._line.read(1 + num_bytes)
        if len(found) != 1 + num_bytes or found[0] != command:
            raise BoardError(f"the board must answer {chr(command)!r} with that letter and {num_bytes} bytes, not with "
                             f"{found[:16].hex(' ') or 'nothing'}; is it the right port, and is the board configured?")
        return found[1:]


def _place(address: int, count: int) -> bytes:
    return address.to_bytes(ADDRESS_BYTES, "little") + count.to_bytes(COUNT_BYTES, "little")


class BoardDevice:
    """A program on a board: inputs over the line, a run, outputs over the line. A `seedchip.device.Device` but for the
    time line, which is the simulator's to know."""

    def __init__(self, program: Program, spec: ChipSpec, line: Line, *, loaded: bool = False) -> None:
        """``loaded``: the bitstream had the program in memory already; it is sent otherwise. Raises `BoardError` when
        the board has another chip, and `seedchip.program.ProgramError` when the program is for another one."""
        verify_program(program, spec)
        check_memory(program, spec)
        self.program, self.spec, self._host = program, spec, BoardHost(line)
        self.cycles: int | None = None
        """of the latest run"""
        found, wanted = self._host.identify(), identification(spec)
        if found != wanted:
            raise BoardError(f"the board must have the chip {spec.name} ({wanted}), not {found}: write the bitstream "
                             "of that chip to it")
        if not loaded:
            for address, data in loads(program):
                self._host.write(address, data)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name. Raises `FeedError`, and `BoardError` when the run ends with a fault."""
        program = self.program
        arrays = check_feeds(program.inputs, feeds)
        memory = np.zeros(program.memory_bytes, np.uint8)
        for place in program.inputs:
            write_input(memory, place, arrays[place.name])
            self._host.write(place.address, memory[place.address:place.address + place.num_bytes].tobytes())
        result = self._host.run(program.code_address, len(program.code) // WORD_BYTES)
        self.cycles = result.cycles
        if result.fault:
            raise BoardError(f"the core stopped at cycle {result.cycles} with fault register {result.fault:#x}")
        for place in program.outputs:
            found = self._host.read(place.address, place.num_bytes)
            memory[place.address:place.address + place.num_bytes] = np.frombuffer(found, np.uint8)
        return {place.name: read_output(memory, place) for place in program.outputs}


def loads(program: Program) -> list[tuple[int, bytes]]:
    """Addresses and bytes of all that must be in memory before a run, but for inputs: code and constants."""
    return [(program.code_address, program.code), *((s.address, s.data.tobytes()) for s in program.segments)]


def memory_image(program: Program, spec: ChipSpec) -> bytes:
    """Memory with code and constants. Raises `BoardError` when the program does not fit into the FPGA's memory."""
    check_memory(program, spec)
    memory = bytearray(spec.memory.bytes)
    for address, data in loads(program):
        memory[address:address + len(data)] = data
    return bytes(memory)


def check_memory(program: Program, spec: ChipSpec) -> None:
    """Raise `BoardError` when the program does not fit into the FPGA's memory."""
    if program.memory_bytes > spec.memory.bytes:
        raise BoardError(f"program {program.name} must fit in the FPGA's memory of {spec.memory.bytes} bytes, "
                         f"but it uses {program.memory_bytes}")
