"""`seedchip bench`: measures what the project states; arguments go to `seedchip.bench`."""

from __future__ import annotations

import typer

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def bench(context: typer.Context) -> None:
    """Measure the project's figures and write them down."""
    from seedchip.bench import main

    raise typer.Exit(main(context.args) or 0)
