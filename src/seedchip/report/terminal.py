"""The report in a terminal: summary, where the cycles went (as in TPU v1's Table 3), the costliest layers, accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from seedchip.quantities import (
    format_bytes,
    format_count,
    format_optional,
    format_percent,
    format_si,
    printable,
)
from seedchip.report.report import ENGINES, layer_bound, layer_utilisation
from seedchip.simulator.counters import CAUSES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from seedchip.report.report import Accuracy, Report

BAR_CELLS = 16


def render_terminal(report: Report, num_layers: int = 10) -> RenderableType:
    """Something that `rich.console.Console.print` shows."""
    tables = [_summary(report), _counters(report)]
    if report.layers and num_layers:
        tables.append(_layers(report, num_layers))
    if report.host_ops:
        tables.append(_host_ops(report))
    if report.accuracy is not None and report.accuracy.outputs:
        tables.append(_outputs(report.accuracy))
    if report.accuracy is not None and report.accuracy.layers:
        tables.append(_layer_accuracy(report.accuracy, num_layers))
    parts: list[RenderableType] = []
    for title, table in tables:
        parts += [Text(title, style="bold"), table, Text()]
    return Group(*parts[:-1])


_Titled = tuple[str, Table]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=index > 0)
    return table


def _name(text: str) -> Text:
    """A name that may be cut to make room for the figures."""
    return Text(printable(text, 60), no_wrap=True, overflow="ellipsis")


def _summary(report: Report) -> _Titled:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value, source in summary_rows(report):
        table.add_row(name, Text.assemble(value, "  ", (source, "dim italic")))
    return f"{printable(report.model)} on {printable(report.chip)}", table


def summary_rows(report: Report) -> list[tuple[str, str, str]]:
    """Name, value and source of each figure of the summary."""
    source = report.sources
    moved = f"{format_bytes(report.memory_bytes_read)} read, {format_bytes(report.memory_bytes_written)} written"
    return [
        ("cycles", format_count(report.cycles), source.get("cycles", "")),
        ("latency", f"{format_si(report.seconds, 's')} at {format_si(report.clock_hz, 'Hz')}"
                    f" ({format_si(report.runs_per_second, '')} runs/s)".replace("  ", " "), source.get("seconds", "")),
        ("work", format_si(report.macs, "MAC"), source.get("macs", "")),
        ("MAC utilisation", f"{format_percent(report.mac_utilisation)} of {report.peak_macs_per_cycle} MAC/cycle",
         source.get("mac_utilisation", "")),
        ("memory traffic", moved, source.get("memory_bytes_read", "")),
        ("bandwidth utilisation",
         f"{format_percent(report.bandwidth_utilisation)} of {report.peak_bytes_per_cycle} B/cycle",
         source.get("bandwidth_utilisation", "")),
        ("memory in use", format_bytes(report.memory_bytes), source.get("memory_bytes", "")),
        ("host operations", format_count(len(report.host_ops)), source.get("host_ops", "")),
    ]


def _counters(report: Report) -> _Titled:
    causes = used_causes(report)
    table = _table("engine", *causes, "sum")
    for engine in ENGINES:
        cycles = report.counters[engine]
        shares = [100 * cycles[cause] / max(1, report.cycles) for cause in causes]
        cells = [Text(f"{share:.1f}", style="bold green" if cause == "active" else "" if share >= 0.05 else "dim")
                 for cause, share in zip(causes, shares, strict=True)]
        table.add_row(engine, *cells, Text(f"{sum(shares):.1f}", style="dim"))
    return "Where every cycle went (per cent of the run)", table


def used_causes(report: Report) -> list[str]:
    """The causes that some engine has, active first and idle last."""
    return [c for c in CAUSES if c in ("active", "idle") or any(report.counters[e][c] for e in ENGINES)]


def _layers(report: Report, num_layers: int) -> _Titled:
    ranked = sorted(report.layers, key=lambda layer: -layer.cycles)[:num_layers]
    share = sum(layer.cycles for layer in ranked) / max(1, report.cycles)
    title = f"Costliest {len(ranked)} of {len(report.layers)} layers ({format_percent(share)} of the cycles)"
    table = _table("layer", "operation", "cycles", "share", "", "MAC use", "read", "written", "bound by")
    table.columns[1].justify = table.columns[4].justify = "left"
    most = max(1, ranked[0].cycles)
    for layer in ranked:
        bar = "█" * round(BAR_CELLS * layer.cycles / most)
        table.add_row(_name(layer.name), Text(printable(layer.operation, 16)), format_count(layer.cycles),
                      format_percent(layer.cycles / max(1, report.cycles)), Text(bar, style="blue"),
                      format_percent(layer_utilisation(layer, report)) if layer.macs else "-",
                      format_bytes(layer.memory_bytes_read), format_bytes(layer.memory_bytes_written),
                      layer_bound(layer, report))
    return title, table


def _host_ops(report: Report) -> _Titled:
    table = _table("node", "operator", "wall ms", "refused because")
    table.columns[1].justify = table.columns[3].justify = "left"
    table.columns[3].no_wrap = False
    for op in report.host_ops:
        table.add_row(_name(op.node), Text(printable(op.operator)),
                      "-" if op.seconds is None else f"{1e3 * op.seconds:.3f}", Text(printable(op.rule, 200)))
    return f"Computed on the host: {len(report.host_ops)} nodes", table


def _outputs(accuracy: Accuracy) -> _Titled:
    table = _table("output", "shape", "cosine", "max |difference|", "SQNR dB", "top-1 agreement")
    for output in accuracy.outputs:
        top1 = "-" if output.top1 is None else format_percent(output.top1)
        table.add_row(_name(output.name), "x".join(map(str, output.shape)) or "scalar",
                      format_optional(output.cosine, 6), format_optional(output.max_abs_difference, 6),
                      format_optional(output.sqnr_db, 1), top1)
    return f"Outputs beside {printable(accuracy.reference)}", table


def _layer_accuracy(accuracy: Accuracy, num_layers: int) -> _Titled:
    known = [(layer.sqnr_db, layer.name) for layer in accuracy.layers if layer.sqnr_db is not None]
    table = _table("layer", "SQNR dB")
    for sqnr, name in sorted(known)[:num_layers]:
        table.add_row(_name(name), f"{sqnr:.1f}")
    return f"Lowest signal to quantisation noise of {len(accuracy.layers)} layers", table
