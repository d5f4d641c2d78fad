"""`seedchip synth`: cells, area, memories and longest paths of a chip, block by block."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from seedchip.synthesis.result import Synthesis
    from seedchip.synthesis.timing import LongestPath


def synth(
    chip: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped chip or a .toml file.")],
    block: Annotated[str | None, typer.Option("--block", metavar="NAME", help="One block, with its longest path.")]
    = None,
    liberty: Annotated[Path | None, typer.Option("--liberty", metavar="FILE", help="The standard cells; without it an "
                                                 "installed library is used, or generic gates.")] = None,
    generic: Annotated[bool, typer.Option("--generic", help="Generic gates, even if a library is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not use an earlier result.")] = False,
) -> None:
    """Synthesise a chip with Yosys: cells, area, memories, longest paths."""
    import json

    from seedchip.cli.progress import steps
    from seedchip.spec import load
    from seedchip.synthesis.blocks import block_names
    from seedchip.synthesis.library import find_library
    from seedchip.synthesis.synthesize import NUM_STEPS, SynthesisOptions, synthesize

    if block is not None and block not in block_names():
        raise typer.BadParameter(f"a block must be one of {', '.join(block_names())}, not {block!r}")
    if generic and liberty is not None:
        raise typer.BadParameter("--generic and --liberty exclude each other")
    with steps(NUM_STEPS) as say:
        library = None if generic else liberty or find_library()
        result = synthesize(load(chip), SynthesisOptions(library, not fresh), say)
    if as_json:
        typer.echo(json.dumps(result.to_json(), indent=1))
        return
    _show(result, block)


def _show(result: Synthesis, block: str | None) -> None:
    from seedchip.cli.console import output_console

    console = output_console()
    console.print(_block_table(result, block))
    console.print(_memory_table(result, block))
    shown = next((b for b in result.blocks if b.name == block), result.total)
    if shown.path is not None:
        console.print(Text(_describe(shown.path)))
    console.print(Text("; ".join(f"{name}: {value}" for name, value in result.conditions.items()), style="dim"))


def _block_table(result: Synthesis, only: str | None) -> Table:
    from seedchip.synthesis.manual import block_cells

    table = _table("block", "cells", "flip-flops", "area, um2", "longest path, ns", "gates", "from", "to")
    for b in [*(b for b in result.blocks if only in (None, b.name)), *([] if only else [result.total])]:
        table.add_row(*(Text(cell.strip("`")) for cell in block_cells(b)))
    return table


def _memory_table(result: Synthesis, only: str | None) -> Table:
    from seedchip.synthesis.manual import memory_cells

    table = _table("memories of", "kind", "count", "words x bits", "ports", "write enables", "bits")
    for m in result.memories:
        if only in (None, m.block):
            table.add_row(*map(Text, memory_cells(m)))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, heading in enumerate(headings):
        left = index == 0 or heading in ("from", "to", "kind", "ports")
        table.add_column(heading, justify="left" if left else "right", no_wrap=heading not in ("from", "to"),
                         overflow="fold")
    return table


def _describe(path: LongestPath) -> str:
    if path.period_ns is None:
        return f"deepest path: {path.gates} gates from {path.start} to {path.end}"
    parts = ", ".join(f"{part} {ns:.2f}" for part, ns in path.parts)
    return (f"longest path: {path.period_ns:.2f} ns ({1000 / path.period_ns:.0f} MHz) from {path.start} to {path.end}; "
            f"ns in each part: {parts}")
