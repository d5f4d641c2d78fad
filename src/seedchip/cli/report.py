"""`seedchip report`: a JSON report, shown again in the terminal or as a web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report that --json wrote.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a web page.")] = None,
    num_layers: Annotated[int, typer.Option("--layers", min=0, max=100_000, help="Layers to list.")] = 10,
) -> None:
    """Show a report again."""
    from seedchip.cli.console import output_console
    from seedchip.report import read_report, render_html, render_terminal

    content = read_report(file)
    if html is not None:
        html.write_text(render_html(content), "utf-8")
        typer.echo(f"{html} written")
        return
    output_console().print(render_terminal(content, num_layers))
