"""Where tables are printed: a terminal's own width, or a fixed one for files and pipes."""

from __future__ import annotations

from rich.console import Console

PIPE_COLUMNS = 160


def output_console() -> Console:
    """A console on stdout."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_COLUMNS)
