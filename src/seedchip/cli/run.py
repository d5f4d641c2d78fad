"""`seedchip run`: compile a model, run it on the simulator or the hardware, show its answers and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedchip.cli.options import (
    Body,
    CalibrationOption,
    ChipOption,
    DeviceOption,
    HostFallbackOption,
    MeanOption,
    Method,
    MethodOption,
    ModelArgument,
    Precision,
    PrecisionOption,
    ShapeOption,
    StdOption,
    TokenizerOption,
    build_options,
    read_options,
)
from seedchip.cli.progress import steps

if TYPE_CHECKING:
    import numpy as np

    from seedchip.report import Report
    from seedchip.session import InferenceSession


@dataclass(frozen=True)
class Files:
    """Where the report goes besides the terminal."""

    json: Path | None
    html: Path | None
    trace: Path | None


def run(
    model: ModelArgument,
    chip: ChipOption = "micro",
    inputs: Annotated[list[str], typer.Option(
        "--input", metavar="NAME=VALUE", help="A .npy file, a picture or a text; random numbers without any.")] = [],  # noqa: B006
    shape: ShapeOption = [],  # noqa: B006
    precision: PrecisionOption = Precision.INT8,
    calibration: CalibrationOption = None,
    method: MethodOption = Method.MINMAX,
    mean: MeanOption = "0",
    std: StdOption = "1",
    tokenizer: TokenizerOption = None,
    host_fallback: HostFallbackOption = False,
    device: DeviceOption = Body.SIM,
    timing_only: Annotated[bool, typer.Option("--timing-only", help="Count cycles; compute no values.")] = False,
    report_accuracy: Annotated[bool, typer.Option(
        "--report-accuracy", help="Signal to quantisation noise of every layer.")] = False,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as a web page.")] = None,
    trace: Annotated[Path | None, typer.Option("--trace", metavar="FILE", help="Write a trace for Perfetto.")] = None,
) -> None:
    """Compile a model, run it on the exact simulator or the hardware, and report what it costs."""
    reading = read_options(mean, std, tokenizer)
    options = build_options(precision, shape, (calibration, method), reading)
    if timing_only and (inputs or report_accuracy or device != Body.SIM):
        raise typer.BadParameter("takes no --input, no --report-accuracy and no --device rtl",
                                 param_hint="'--timing-only'")
    from rich.text import Text

    from seedchip.cli import answers
    from seedchip.cli.console import output_console
    from seedchip.frontend import UnsupportedOperator
    from seedchip.inputs import random_feeds, read_feeds
    from seedchip.report import render_terminal
    from seedchip.session import InferenceSession

    with steps(4) as step:
        step(f"compiling {model.name}")
        try:
            session = InferenceSession(model, chip, options=options, host_fallback=host_fallback,
                                       device=device.value, say=step.say)
        except UnsupportedOperator as refusal:
            raise UnsupportedOperator(str(refusal) if host_fallback else
                                      f"{refusal}; --host-fallback runs such nodes in ONNX Runtime") from None
        feeds = read_feeds(inputs, session.inputs, reading) if inputs else random_feeds(session.inputs)
        step("timing")
        report = session.report()
        ours: dict[str, np.ndarray] = {}
        if not timing_only:
            step("computing")
            ours = dict(zip((o.name for o in session.get_outputs()), session.run(None, feeds), strict=True))
            step("comparing")
            report = session.report()  # with the host's times, if it had a part
            report = answers.add_accuracy(report, session, (feeds, ours), model, layers=report_accuracy)
    console = output_console()
    if ours:
        note = "" if inputs else " of random inputs (seed 0)"
        console.print(Text(f"Outputs{note}", style="bold"), answers.render_outputs(ours), sep="\n")
        console.print()
    console.print(render_terminal(report))
    _write(Files(json, html, trace), report, session)


def _write(files: Files, report: Report, session: InferenceSession) -> None:
    from seedchip.report import render_html, to_json, to_sequence_trace

    if files.json:
        files.json.write_text(to_json(report), "utf-8")
    if files.html:
        files.html.write_text(render_html(report), "utf-8")
    if files.trace:
        files.trace.write_text(to_sequence_trace(report.model, session.runs, session.spec), "utf-8")
