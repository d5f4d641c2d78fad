"""`seedchip chips`: the chips that are shipped, and one chip in full."""

from __future__ import annotations

import typer
from rich.table import Table
from rich.text import Text

from seedchip.cli.console import output_console
from seedchip.quantities import format_bytes, format_si, printable
from seedchip.spec import ChipSpec, load, presets

app = typer.Typer(help="List the shipped chips, or show one.")


@app.callback(invoke_without_command=True)
def chips(context: typer.Context) -> None:
    """List the shipped chips."""
    if context.invoked_subcommand is not None:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, heading in enumerate(("chip", "array", "peak", "scratchpad", "memory", "bandwidth", "clock")):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    for name in presets():
        spec = load(name)
        table.add_row(name, f"{spec.matrix.rows}x{spec.matrix.columns}", _peak(spec),
                      format_bytes(spec.scratchpad.bytes), format_bytes(spec.memory.bytes), _bandwidth(spec),
                      format_si(spec.clock.hz, "Hz"))
    output_console().print(table)


@app.command("show")
def show(chip: str = typer.Argument(metavar="NAME|FILE", help="A shipped chip or a .toml file.")) -> None:
    """Show every figure of one chip, with its meaning."""
    from dataclasses import fields

    spec = load(chip)
    table = Table(title=printable(spec.name), title_justify="left", title_style="bold", box=None, pad_edge=False,
                  header_style="dim", caption=Text(f"{_peak(spec)}, {_bandwidth(spec)}, sha256 {spec.hash[:16]}"),
                  caption_justify="left")
    table.add_column("key", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    for section in fields(spec):
        part = getattr(spec, section.name)
        for f in fields(part) if hasattr(part, "__dataclass_fields__") else ():
            table.add_row(f"{section.name}.{f.name}", f"{getattr(part, f.name):,}", f.metadata["doc"])
    console = output_console()
    if spec.doc:
        console.print(Text(printable(spec.doc, 400)))
    console.print(table)


def _peak(spec: ChipSpec) -> str:
    return format_si(2 * spec.macs_per_cycle * spec.clock.hz, "OP/s")


def _bandwidth(spec: ChipSpec) -> str:
    return format_si(spec.memory.bytes_per_cycle * spec.clock.hz, "B/s")
