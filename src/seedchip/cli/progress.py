"""Progress of long work on stderr: one line that says what is being done; silent when stderr is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Steps:
    """A bar over a known number of steps."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._begun = False

    def __call__(self, text: str) -> None:
        """The next step begins."""
        self._progress.update(self._task, description=text, advance=1 if self._begun else 0)
        self._begun = True

    def say(self, text: str) -> None:
        """How far the present step is."""
        self._progress.update(self._task, description=text)


@contextmanager
def steps(total: int) -> Iterator[Steps]:
    """A progress bar that disappears when the work is done."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Steps(progress, total)
