"""The board in simulation: compiled, and driven bit by bit through its serial line."""

from __future__ import annotations

import ctypes
import tempfile
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from seedchip.fpga.verilog import TOP, board_verilog, image_hex
from seedchip.rtl.simulation.compilation import Design, build_library

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

HARNESS = Path(__file__).with_name("line_harness.cpp")
LIMIT = 50_000_000
"""Cycles that an answer may take."""


class LineError(RuntimeError):
    """The simulated board did not answer, or said what it was not asked."""


class SimulatedLine:
    """The host's end of the serial line of a simulated board; a context. Its `write` and `read` are those of a serial
    port, but time passes only inside them."""

    def __init__(self, spec: ChipSpec, clocks_per_bit: int, image: bytes = b"") -> None:
        """``image``: what memory holds when the board is switched on. Raises the errors of
        `seedchip.rtl.simulation.compilation.build_library`, and `SpecError`."""
        design = Design(TOP, board_verilog(spec, clocks_per_bit), HARNESS)
        self._library = _load(build_library(design, f"{spec.name}-board"))
        with tempfile.NamedTemporaryFile("w", suffix=".hex") as file:
            file.write(image_hex(image, spec))
            file.flush()
            self._bench = self._library.line_new(clocks_per_bit, f"+image={file.name}".encode())
        self._waiting = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._library.line_free(self._bench)
        self._bench = None

    def write(self, data: bytes) -> int:
        """Sends bytes; they are on the line at the next `read`."""
        self._waiting += data
        return len(data)

    def read(self, size: int) -> bytes:
        """Sends what waits and listens until ``size`` bytes have come. Raises `LineError`."""
        found = np.zeros(size, np.uint8)
        sent, self._waiting = np.frombuffer(self._waiting, np.uint8), b""
        count = self._library.line_exchange(self._bench, sent.ctypes.data, len(sent), found.ctypes.data, size, LIMIT)
        if count != size or self._library.line_broken(self._bench):
            raise LineError(f"the board must answer with {size} bytes, not {count}, of which "
                            f"{self._library.line_broken(self._bench)} had no stop bit")
        return found.tobytes()

    def pass_time(self, cycles: int) -> bytes:
        """Sends what waits and listens for so many cycles; what the board said, at most 64 bytes."""
        found = np.zeros(64, np.uint8)
        sent, self._waiting = np.frombuffer(self._waiting, np.uint8), b""
        count = self._library.line_exchange(self._bench, sent.ctypes.data, len(sent), found.ctypes.data, 64, cycles)
        return found[:count].tobytes()

    def press_reset(self, pressed: bool) -> None:
        """The board's reset button."""
        self._library.line_press(self._bench, int(pressed))

    @property
    def cycles(self) -> int:
        """Clocks since the board was switched on."""
        return int(self._library.line_cycles(self._bench))

    @property
    def leds(self) -> int:
        """A bit for every light."""
        return int(self._library.line_leds(self._bench))


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    pointer, u32, u64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64
    for name, result, arguments in (("new", pointer, [u32, ctypes.c_char_p]), ("free", None, [pointer]),
                                    ("exchange", u64, [pointer, pointer, u64, pointer, u64, u64]),
                                    ("press", None, [pointer, u32]), ("cycles", u64, [pointer]),
                                    ("broken", u64, [pointer]), ("leds", u32, [pointer])):
        function = getattr(library, f"line_{name}")
        function.restype, function.argtypes = result, arguments
    return library
