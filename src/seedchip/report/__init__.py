"""What a run cost: a plain value, as JSON, in a terminal, as a web page and as a trace."""

from seedchip.quantities import printable
from seedchip.report.accuracy import compare_output, compare_outputs, score_rows
from seedchip.report.build import build_report, layer_name
from seedchip.report.file import from_json, read_report, schema, to_dict, to_json
from seedchip.report.html import render_html
from seedchip.report.report import (
    Accuracy,
    Activity,
    HostOp,
    LayerAccuracy,
    LayerCost,
    OutputAccuracy,
    Report,
    ReportError,
)
from seedchip.report.sequence import build_sequence_report
from seedchip.report.terminal import render_terminal
from seedchip.report.trace import to_chrome_trace, to_sequence_trace

__all__ = [
    "Accuracy",
    "Activity",
    "HostOp",
    "LayerAccuracy",
    "LayerCost",
    "OutputAccuracy",
    "Report",
    "ReportError",
    "build_report",
    "build_sequence_report",
    "compare_output",
    "compare_outputs",
    "from_json",
    "layer_name",
    "printable",
    "read_report",
    "render_html",
    "render_terminal",
    "schema",
    "score_rows",
    "to_chrome_trace",
    "to_dict",
    "to_json",
    "to_sequence_trace",
]
