"""FPGA boards: device, pins and clock. One `Board` for each; its constraints are derived."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass


class BoardNameError(ValueError):
    """No board has that name."""


@dataclass(frozen=True)
class Pin:
    """A pin of the FPGA, its name in the package, and the pull resistor inside the FPGA."""

    site: str
    pull: str = "NONE"


@dataclass(frozen=True)
class Board:
    """A board with an ECP5. ``device`` and ``package`` are nextpnr's options, ``speed`` the grade on the FPGA."""

    name: str
    doc: str
    device: str
    package: str
    speed: int
    clock_hz: int
    clock: Pin
    reset: Pin
    receive: Pin
    transmit: Pin
    awake: Pin
    """must be high, or the rest of the board takes the FPGA away"""
    leds: tuple[Pin, ...]

    def clocks_per_bit(self, baud: int) -> int:
        """The divisor of the serial line, rounded."""
        return round(self.clock_hz / baud)

    def constraints(self) -> str:
        """Lattice preferences (.lpf) for `seedchip.fpga.board.BoardTop`."""
        return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        yield f'FREQUENCY PORT "clock" {self.clock_hz / 1e6:g} MHZ;'
        ports = {"clock": self.clock, "reset": self.reset, "receive": self.receive, "transmit": self.transmit,
                 "awake": self.awake, **{f"leds[{i}]": pin for i, pin in enumerate(self.leds)}}
        for port, pin in ports.items():
            yield f'LOCATE COMP "{port}" SITE "{pin.site}";'
            yield f'IOBUF PORT "{port}" IO_TYPE=LVCMOS33 PULLMODE={pin.pull};'


ULX3S_85F = Board(
    name="ulx3s-85f", doc="Radiona ULX3S with LFE5U-85F: 25 MHz oscillator, serial line over USB (FT231X)",
    device="85k", package="CABGA381", speed=6, clock_hz=25_000_000, clock=Pin("G2"), reset=Pin("R1", "DOWN"),
    receive=Pin("M1", "UP"), transmit=Pin("L4"), awake=Pin("L2", "UP"),
    leds=tuple(Pin(site) for site in ("B2", "C2", "C1", "D2", "D1", "E2", "E1", "H3")))
"""Pins from the board's published constraints (github.com/emard/ulx3s, doc/constraints/ulx3s_v20.lpf): ftdi_txd is what
the host sends, ftdi_rxd what it receives; reset is the button FIRE1, awake the ESP32's GPIO0."""

BOARDS = {board.name: board for board in (ULX3S_85F,)}


def find_board(name: str) -> Board:
    """The board of that name. Raises `BoardNameError`."""
    if name not in BOARDS:
        near = difflib.get_close_matches(name, BOARDS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BoardNameError(f"board must be one of {', '.join(BOARDS)}, not {name!r}{hint}")
    return BOARDS[name]
