"""The page of synthesis results; ``python -m seedchip.synthesis.manual`` synthesises the presets and renews it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from seedchip.spec import load
from seedchip.synthesis.library import find_library
from seedchip.synthesis.result import Block, MemoryKind, Synthesis
from seedchip.synthesis.synthesize import SynthesisOptions, synthesize

PAGE = Path("docs/03_reference/synthesis.md")
PRESETS = ("nano", "micro")

_INTRODUCTION = """\
# Synthesis

<!-- Written by `python -m seedchip.synthesis.manual`; do not edit. -->

What Yosys makes of the whole chip (core, host registers, AXI), as `seedchip synth` prints it. Elements and lanes are
mapped once and counted as often as they are used. SRAMs and arrays of 1,024 bits and more are left whole: they are
listed, and have neither area nor delay here. Paths go from register or memory to register or memory.

These are estimates before layout: no wires, an ideal clock, the typical corner of an open 45 nm library. They serve to
compare blocks and changes; a process of today is several times faster and denser.
"""


def write_manual(results: list[Synthesis]) -> str:
    """The page as Markdown."""
    lines = [_INTRODUCTION]
    for result in results:
        lines += [f"## {result.chip}", "", *synthesis_lines(result), ""]
    return "\n".join(lines)


def synthesis_lines(result: Synthesis) -> Iterator[str]:
    """The tables of one chip."""
    yield "; ".join(f"{name}: {value}" for name, value in result.conditions.items()) + "."
    yield ""
    yield "| block | cells | flip-flops | area, um2 | longest path, ns | gates | from | to |"
    yield "|---|---:|---:|---:|---:|---:|---|---|"
    yield from (_row(block_cells(b)) for b in (*result.blocks, result.total))
    yield ""
    yield "| memories of | kind | count | words x bits | ports | write enables | bits |"
    yield "|---|---|---:|---:|---|---:|---:|"
    yield from (_row(memory_cells(m)) for m in result.memories)
    yield _row(["all", "", str(sum(m.count for m in result.memories)), "", "", "", f"{result.memory_bits:,}"])
    path = result.total.path
    if path is not None and path.parts:
        yield ""
        yield (f"The longest path, {path.period_ns:.2f} ns ({1000 / (path.period_ns or 1):.0f} MHz), spends "
               + ", ".join(f"{ns:.2f} ns in `{part}`" for part, ns in path.parts) + ".")


def block_cells(b: Block) -> list[str]:
    """One block's row."""
    area = "" if b.area_um2 is None else f"{b.area_um2:,.0f}"
    figures = [b.name, f"{b.cells:,}", f"{b.registers:,}", area]
    if b.path is None:
        return [*figures, "", "", "", ""]
    period = "" if b.path.period_ns is None else f"{b.path.period_ns:.2f}"
    return [*figures, period, str(b.path.gates), f"`{b.path.start}`", f"`{b.path.end}`"]


def memory_cells(m: MemoryKind) -> list[str]:
    """The row of one kind of memory."""
    kind = "SRAM" if m.kind == "sram" else "register file" + ("" if m.clocked else ", read without a clock")
    return [m.block, kind, str(m.count), f"{m.words} x {m.width}", f"{m.read_ports}R {m.write_ports}W",
            str(m.enables), f"{m.bits:,}"]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    PAGE.write_text(write_manual([synthesize(load(name), SynthesisOptions(find_library()), _say) for name in PRESETS]),
                    "utf-8")
