"""`seedchip demo`: the main job on real trained models; arguments go to `seedchip.demo`."""

from __future__ import annotations

import typer

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def demo(context: typer.Context) -> None:
    """Compile, run and report real trained models."""
    from seedchip.demo import main

    raise typer.Exit(main(context.args) or 0)
