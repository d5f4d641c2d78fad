"""Memories that synthesis leaves whole: SRAM macros, and arrays inside modules that a register file stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"(sram|array)_(\d+)x(\d+)_(\d+)r(\d+)w_(\d+)e_(clocked|direct)")


@dataclass(frozen=True, order=True)
class Macro:
    """``words`` of ``width`` bits with separate read and write ports.

    ``enables``: write enables a word has. ``clocked``: data come one cycle after the address; otherwise in the same.
    """

    kind: str
    words: int
    width: int
    read_ports: int
    write_ports: int
    enables: int
    clocked: bool

    @property
    def is_sram(self) -> bool:
        return self.kind == "sram"

    @property
    def bits(self) -> int:
        return self.words * self.width

    @property
    def name(self) -> str:
        """Name of its cell, from which `macro_named` reads it again."""
        return (f"{self.kind}_{self.words}x{self.width}_{self.read_ports}r{self.write_ports}w_{self.enables}e_"
                f"{'clocked' if self.clocked else 'direct'}")


def macro_named(name: str) -> Macro | None:
    """The macro whose cell is called ``name``; None for every other cell."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    words, width, reads, writes, enables = (int(n) for n in found.groups()[1:6])
    return Macro(found.group(1), words, width, reads, writes, enables, found.group(7) == "clocked")
