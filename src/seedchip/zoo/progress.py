"""Progress lines on stderr for what takes a while: downloads by bytes, training and generation by fraction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

POLL_SECONDS = 0.1


@contextmanager
def downloading(label: str, size_bytes: int, folder: Path) -> Iterator[None]:
    """A bar of the bytes that have arrived in ``folder``; one plain line where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        console.print(f"fetching {label} ({size_bytes / 1e6:.1f} MB)", highlight=False)
    done = threading.Event()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"fetching {label}", total=size_bytes)

        def watch() -> None:
            while not done.wait(POLL_SECONDS):
                progress.update(task, completed=min(size_bytes, _bytes_in(folder)))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


@contextmanager
def working(label: str) -> Iterator[Callable[[float], None]]:
    """A bar over work whose fraction done, 0 to 1, is told by the work itself."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    if not console.is_terminal:
        console.print(label, highlight=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)


def _bytes_in(folder: Path) -> int:
    """Files may vanish while they are counted."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
