"""`seedchip bench`: measures rows one after the other; each is written down as soon as it is known."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from seedchip.bench.document import MARKS, checkout, circumstances, read_records, write_records
from seedchip.bench.record import record
from seedchip.bench.rows import GROUPS, ROWS


def main(arguments: Sequence[str]) -> int:
    """Measures the rows named (all without any) and merges them into the files. Returns 0 when they are measured,
    whether or not they reach what they must; raises the errors of the steps, and `SystemExit` on wrong usage."""
    options = _parser().parse_args(arguments)
    folder = options.output or checkout() / "docs"
    if options.render:
        write_records(folder, read_records(folder))
        return 0
    names = list(dict.fromkeys(name for names in options.rows for name in names)) or list(ROWS)
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(names))

        def say(text: str) -> None:
            progress.update(task, description=text)
            if not console.is_terminal:
                console.print(text, highlight=False)

        for name in names:
            begun = time.perf_counter()
            found = ROWS[name].measure(say)
            seconds = time.perf_counter() - begun
            records = read_records(folder)
            records[name] = record(ROWS[name], found, circumstances(seconds))
            write_records(folder, records)
            progress.advance(task)
            print(f"{name} ({seconds:.0f} s): {found.figure} -> {MARKS[found.met].strip('*')}", flush=True)
    print(f"written to {folder / 'benchmarks.md'} and {folder / 'benchmarks.json'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    rows = "\n".join([*(f"  {name:16s}{row.what}" for name, row in ROWS.items()),
                      *(f"  {name:16s}{', '.join(members)}" for name, members in GROUPS.items())])
    parser = argparse.ArgumentParser(prog="seedchip bench", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Measure the project's figures.", epilog=f"rows:\n{rows}")
    parser.add_argument("rows", metavar="ROW", nargs="*", type=_rows, help="what to measure; everything without any")
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where the files go; the checkout's docs")
    parser.add_argument("--render", action="store_true", help="write the page from the JSON file; measure nothing")
    return parser


def _rows(name: str) -> tuple[str, ...]:
    if name in GROUPS:
        return GROUPS[name]
    if name not in ROWS:
        raise argparse.ArgumentTypeError(f"a row must be one of {', '.join(ROWS)}, not {name!r}")
    return (name,)
