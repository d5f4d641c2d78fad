"""`seedchip demo`: real trained models through every door, their answers beside ONNX Runtime's, and what they cost."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from seedchip.bench.trial import Trial, compile_trial, quantise_entry, reference
from seedchip.demo.showing import MIN_AGREEMENT, Showing, Verdict, showings
from seedchip.quantities import format_bytes, format_count, format_percent, format_si
from seedchip.report import render_html, render_terminal, to_chrome_trace, to_json
from seedchip.spec import load

if TYPE_CHECKING:
    from seedchip.bench.trial import Outputs
    from seedchip.spec import ChipSpec
    from seedchip.zoo.entry import Feeds

CHIP = "micro"
DETAILED = "minilm"
"""The model whose every cycle is shown and whose report is written."""
PIPE_COLUMNS = 160
STEPS = 3
"""Of each model, besides one for each sample: front end and quantisation, compiler, timing."""


@dataclass(frozen=True)
class Shown:
    """A model that has been run."""

    showing: Showing
    trial: Trial
    verdict: Verdict
    seconds: float


def main(arguments: Sequence[str]) -> int:
    """Shows every model. Returns 0 when all answers agree with ONNX Runtime's as stated, else 1.

    Raises the errors of every step, and `SystemExit` on wrong usage.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    known = [showing.entry.name for showing in showings()]
    for name in options.models:
        if name not in known:
            parser.error(f"a model must be one of {', '.join(known)}, not {name!r}")
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_COLUMNS)
    spec = load(CHIP)
    console.print(Text(f"Trained models on the chip {CHIP!r}: {spec.matrix.rows} x {spec.matrix.columns} INT8 "
                       f"multipliers, {format_bytes(spec.scratchpad.bytes)} scratchpad, {spec.memory.bytes_per_cycle} "
                       f"B/cycle memory, {format_si(spec.clock.hz, 'Hz')}", style="bold"))
    shown = [_show(showing, spec, console) for showing in showings() if showing.entry.name in options.models]
    console.print(Text("\nWhat they cost (one run each; cycles are exact)", style="bold"))
    console.print(render_costs(shown))
    detailed = next((s for s in shown if s.showing.entry.name == DETAILED), shown[-1])
    console.print()
    console.print(render_terminal(detailed.trial.report, num_layers=5))
    console.print()
    for what, path in write_reports(detailed.trial, options.output):
        console.print(Text(f"{what}: {path}"))
    bad = [s.showing.entry.name for s in shown if not s.verdict.agrees]
    console.print(Text(f"\n{', '.join(bad)}: fewer than {MIN_AGREEMENT:.0%} of the answers are ONNX Runtime's"
                       if bad else f"\nEvery model gives ONNX Runtime's answers (at least {MIN_AGREEMENT:.0%} of each "
                       "model's).", style="bold red" if bad else "bold green"))
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    names = [showing.entry.name for showing in showings()]
    parser = argparse.ArgumentParser(prog="seedchip demo", description="Compile, run and report real trained models.")
    parser.add_argument("models", metavar="MODEL", nargs="*", default=names,
                        help=f"which of {', '.join(names)}; all without any")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=Path("build/demo"),
                        help="where reports are written (build/demo)")
    return parser


def _show(showing: Showing, spec: ChipSpec, console: Console) -> Shown:
    """Runs a model and prints its answers. What it needs is fetched first, with its own progress."""
    begun = time.perf_counter()
    showing.entry.model()
    samples = showing.samples()
    progress_console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=progress_console, transient=True,
                  disable=not progress_console.is_terminal) as progress:
        task = progress.add_task("", total=STEPS + len(samples))

        def step(text: str) -> None:
            progress.update(task, description=f"{showing.entry.name}: {text}", advance=1)
            if not progress_console.is_terminal and not text.startswith("sample"):
                progress_console.print(f"{showing.entry.name}: {text}", highlight=False)

        trial, outputs, references = _run(showing, spec, samples, step)
    verdict = showing.judge(outputs, references)
    shown = Shown(showing, trial, verdict, time.perf_counter() - begun)
    entry = showing.entry
    console.print(Text(f"\n{entry.name}: {entry.description}", style="bold"))
    console.print(verdict.answers)
    console.print(Text(f"{format_percent(verdict.agreement)} of the answers are ONNX Runtime's ({verdict.note}); "
                       f"{showing.precision}: {showing.why}; {shown.seconds:.0f} s", style="dim"))
    return shown


def _run(showing: Showing, spec: ChipSpec, samples: Sequence[Feeds],
         step: Callable[[str], None]) -> tuple[Trial, list[Outputs], list[Outputs]]:
    step("front end and quantisation")
    graph = quantise_entry(showing.entry, showing.precision, showing.num_feeds)
    step("compiling")
    trial = compile_trial(graph, spec)
    step("timing")
    _ = trial.report
    compare = reference(showing.entry)
    outputs, references = [], []
    for index, feeds in enumerate(samples):
        step(f"sample {index + 1} of {len(samples)}")
        outputs.append(trial.run(feeds))
        references.append(compare(feeds))
    return trial, outputs, references


def render_costs(shown: Sequence[Shown]) -> Table:
    """A row for each model: precision, agreement, and the counted costs of one run."""
    table = Table(header_style="bold")
    for index, heading in enumerate(("model", "precision", "agreement", "cycles", "latency", "MAC utilisation",
                                     "memory in use", "read", "written", "bandwidth use")):
        table.add_column(heading, justify="right" if index > 1 else "left")
    for item in shown:
        report, style = item.trial.report, "green" if item.verdict.agrees else "bold red"
        table.add_row(item.showing.entry.name, item.showing.precision,
                      Text(format_percent(item.verdict.agreement), style=style), format_count(report.cycles),
                      f"{1e3 * report.seconds:.3f} ms", format_percent(report.mac_utilisation),
                      format_bytes(report.memory_bytes), format_bytes(report.memory_bytes_read),
                      format_bytes(report.memory_bytes_written), format_percent(report.bandwidth_utilisation))
    return table


def write_reports(trial: Trial, folder: Path) -> list[tuple[str, Path]]:
    """The report as a page, as JSON and as a trace; what each file is, and where."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = (("web page", "report.html", render_html(trial.report)), ("JSON", "report.json", to_json(trial.report)),
                ("trace for https://ui.perfetto.dev", "trace.json",
                 to_chrome_trace(trial.program, trial.device.timeline, trial.spec)))
    written = []
    for what, name, text in contents:
        (folder / name).write_text(text, "utf-8")
        written.append((what, folder / name))
    return written
