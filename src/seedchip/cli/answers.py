"""What `seedchip run` says about a network's outputs: their values, and how they compare with ONNX Runtime's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

from seedchip.report import Accuracy, LayerAccuracy, Report, compare_outputs, layer_name, printable, score_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedchip.session import InferenceSession

NUM_SHOWN = 5


def render_outputs(outputs: Mapping[str, np.ndarray]) -> Table:
    """A row for each output: range, mean and the places of the largest elements of its first row."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    headings = ("output", "type", "shape", "least", "mean", "largest", "largest of the first row at")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if 2 < index < 6 else "left", no_wrap=index < 6)
    for name, value in outputs.items():
        shape = "x".join(map(str, value.shape)) or "scalar"
        if value.size:
            figures = [f"{f:.5g}" for f in (value.min(), value.mean(dtype=np.float64), value.max())]
        else:
            figures = ["-"] * 3
        table.add_row(Text(printable(name, 44)), value.dtype.name, shape, *figures, Text(_largest(value)))
    return table


def _largest(value: np.ndarray) -> str:
    rows = score_rows(value)
    if rows is None:
        return ""
    row = rows[0].astype(np.float64)
    order = np.argsort(-row, kind="stable")[:NUM_SHOWN]
    return ", ".join(f"{i} ({row[i]:.4g})" for i in order)


def add_accuracy(report: Report, session: InferenceSession,
                 values: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]], model: Path, *,
                 layers: bool) -> Report:
    """The report with the outputs beside ONNX Runtime's (when the model is ONNX) and, with ``layers``, every layer's
    signal to quantisation noise. ``values`` are the feeds and our outputs."""
    if session.build is None and session.partitioned is None:
        return report
    feeds, ours = values
    reference = _run_reference(model, feeds, list(ours))
    noise: tuple[LayerAccuracy, ...] = ()
    if layers and session.build is not None:
        from seedchip.quantise import report_accuracy

        found = report_accuracy(session.build.graph, session.build.quantised, [feeds])
        noise = tuple(LayerAccuracy(layer_name(layer.source) or layer.layer, layer.sqnr_db) for layer in found.layers)
    name, outputs = reference or ("", {})
    if not outputs and not noise:
        return report
    return replace(report, accuracy=Accuracy(name, compare_outputs(ours, outputs), noise))


def _run_reference(model: Path, feeds: Mapping[str, np.ndarray],
                   names: list[str]) -> tuple[str, dict[str, np.ndarray]] | None:
    """ONNX Runtime's outputs in binary32; None where it cannot run the model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        values = session.run(names, dict(feeds))
    except Exception:  # the library raises unrelated types for models that it does not support
        return None
    return f"ONNX Runtime {onnxruntime.__version__}", dict(zip(names, values, strict=True))
