"""What synthesis found out about one chip: plain values, their JSON, and their table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from seedchip.synthesis.timing import LongestPath


@dataclass(frozen=True)
class Block:
    """A part of the chip: cells (flip-flops among them), flip-flops, and the cells' area in um2 (None without a
    library). Macros are not part of it."""

    name: str
    cells: int
    registers: int
    area_um2: float | None
    path: LongestPath | None = None


@dataclass(frozen=True)
class MemoryKind:
    """``count`` equal memories of a block; see `seedchip.synthesis.macros.Macro` for the rest."""

    block: str
    kind: str
    words: int
    width: int
    read_ports: int
    write_ports: int
    enables: int
    clocked: bool
    count: int

    @property
    def bits(self) -> int:
        return self.count * self.words * self.width


@dataclass(frozen=True)
class Synthesis:
    """``conditions`` are the tools, the library and the settings, as names and values for readers."""

    chip: str
    chip_hash: str
    conditions: Mapping[str, str]
    blocks: tuple[Block, ...]
    memories: tuple[MemoryKind, ...]

    @property
    def total(self) -> Block:
        """The whole chip, with the longest of all paths."""
        paths = [b.path for b in self.blocks if b.path is not None]
        longest = max(paths, key=lambda p: (p.period_ns or 0.0, p.gates), default=None)
        areas = [b.area_um2 for b in self.blocks]
        return Block("chip", sum(b.cells for b in self.blocks), sum(b.registers for b in self.blocks),
                     None if None in areas else sum(a for a in areas if a is not None), longest)

    @property
    def memory_bits(self) -> int:
        return sum(m.bits for m in self.memories)

    def to_json(self) -> dict[str, Any]:
        """A value for `json.dumps`; `from_json` reads it again."""
        return {**asdict(self), "conditions": dict(self.conditions), "total": asdict(self.total),
                "memory_bits": self.memory_bits}


def from_json(content: Mapping[str, Any]) -> Synthesis:
    """The value that `Synthesis.to_json` wrote."""
    blocks = tuple(Block(**{**b, "path": _path(b["path"])}) for b in content["blocks"])
    return Synthesis(content["chip"], content["chip_hash"], content["conditions"], blocks,
                     tuple(MemoryKind(**m) for m in content["memories"]))


def _path(content: Mapping[str, Any] | None) -> LongestPath | None:
    if content is None:
        return None
    return LongestPath(**{**content, "parts": tuple((part, ns) for part, ns in content["parts"])})
