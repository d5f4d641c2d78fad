"""Runs of programs on the compiled core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seedchip.isa import Engine
from seedchip.rtl.core import Fault
from seedchip.rtl.simulation.verilator import build, load_library
from seedchip.spec import ChipSpec

BAD_ADDRESS = 32
"""Bit of the harness beside the core's `Fault`: a transfer left the memory."""


class HardwareFault(RuntimeError):
    """The core stopped, or did not come to an end; the sentence says why."""


@dataclass(frozen=True, eq=False)
class HardwareRun:
    """What the hardware did. Events are in the order of cycles."""

    cycles: int
    dispatched: list[int]
    """cycle of every instruction's dispatch, in program order"""
    started: dict[Engine, list[int]]
    """cycles of the engine's starts; engines are in order, so entry i belongs to the engine's i-th instruction"""
    completed: dict[Engine, list[int]]
    granules_read: int
    granules_fetched: int
    granules_written: int
    scratchpad: np.ndarray
    """uint8 [scratchpad.bytes]"""
    accumulator: np.ndarray
    """int32 [accumulator rows, matrix.columns]"""


def run_hardware(spec: ChipSpec, memory: np.ndarray, code_address: int, num_words: int, limit: int) -> HardwareRun:
    """Run the ``num_words`` program words at ``code_address`` of ``memory`` (uint8, whole granules, changed in place).

    Raises `HardwareFault` when the core stops with a fault or has not ended after ``limit`` cycles.
    """
    if memory.dtype != np.uint8 or len(memory) % spec.memory.granule_bytes or code_address % spec.memory.granule_bytes:
        raise HardwareFault(f"memory must be uint8 and whole granules of {spec.memory.granule_bytes} bytes, and the "
                            f"code must begin at one, not {memory.dtype}, {len(memory)} bytes and byte {code_address}")
    library = load_library(build(spec))
    trace, result = np.zeros(4 * num_words + 16, np.uint64), np.zeros(6, np.uint64)
    scratchpad = np.zeros(spec.scratchpad.bytes, np.uint8)
    sums = np.zeros((spec.accumulator_rows, spec.matrix.columns), np.int32)
    bench = library.bench_new()
    try:
        fault = library.bench_run(bench, memory.ctypes.data, len(memory), code_address, num_words, limit,
                                  trace.ctypes.data, len(trace), result.ctypes.data)
        cycles, num_events, read, fetched, written, done = map(int, result)
        if fault:
            names = [f.name.lower() for f in Fault if fault >> f & 1] + ["address"] * (fault >> BAD_ADDRESS & 1)
            raise HardwareFault(f"the core stopped at cycle {cycles} with fault {', '.join(names)}")
        if not done:
            raise HardwareFault(f"the core has not ended after {limit} cycles")
        library.bench_read(bench, scratchpad.ctypes.data, spec.scratchpad.bytes // spec.line_bytes,
                           sums.ctypes.data, len(sums))
    finally:
        library.bench_free(bench)
    events = trace[:num_events].astype(np.int64)

    def cycles_of(bit: int) -> list[int]:
        return [int(c) for c in events[events >> bit & 1 == 1] >> 16]

    started, completed = ({e: cycles_of(first + e) for e in Engine} for first in (0, 4))
    return HardwareRun(cycles, cycles_of(8), started, completed, read, fetched, written, scratchpad, sums)


