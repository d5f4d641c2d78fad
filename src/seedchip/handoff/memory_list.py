"""The memories of the chip: what the memory compiler has to make."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from seedchip.handoff.verilog_files import SRAM, VerilogModule, instances

REGISTER_FILE_BITS = 1024
"""Smaller arrays become flip-flops and are not listed."""
COLUMNS = ("kind", "words", "bits", "read_ports", "write_ports", "write_enable_bits", "count", "instances")


@dataclass(frozen=True)
class MemoryShape:
    """All instances of one shape. ``kind``: sram, or array for what is described inside a module; ``enable_bits``:
    bits that share a write enable."""

    kind: str
    words: int
    width: int
    read_ports: int
    enable_bits: int
    paths: tuple[str, ...]


def list_memories(modules: dict[str, VerilogModule], top: str) -> list[MemoryShape]:
    """SRAMs first, large before small."""
    found: dict[tuple[str, int, int, int, int], list[str]] = {}
    for path, module, parameters in instances(modules, top):
        if module.name == SRAM:
            shape = (SRAM, parameters["DEPTH"], parameters["WIDTH"], 1, parameters["GRAIN"])
            found.setdefault(shape, []).append(path)
            continue
        for array in module.arrays:
            if array.words * array.width >= REGISTER_FILE_BITS:
                shape = ("array", array.words, array.width, array.read_ports, array.width)
                found.setdefault(shape, []).append(f"{path}.{array.name}")
    order = sorted(found.items(), key=lambda item: (item[0][0] != SRAM, -item[0][1] * item[0][2], item[0]))
    return [MemoryShape(*shape, tuple(sorted(paths))) for shape, paths in order]


def write_csv(memories: list[MemoryShape]) -> str:
    """The list as CSV."""
    to = io.StringIO()
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(COLUMNS)
    for m in memories:
        writer.writerow([m.kind, m.words, m.width, m.read_ports, 1, m.enable_bits, len(m.paths), " ".join(m.paths)])
    return to.getvalue()
