"""The report as one HTML file: no network, no other files, readable without JavaScript (which only sorts the table)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedchip.quantities import format_bytes, format_count, format_optional, format_percent, format_si, printable
from seedchip.report.charts import draw_roofline, draw_timeline, stack_counters
from seedchip.report.report import layer_bound, layer_utilisation
from seedchip.report.terminal import summary_rows, used_causes

if TYPE_CHECKING:
    from seedchip.report.report import Report


def render_html(report: Report) -> str:
    """The page's text. Every name that comes from a model is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("seedchip.report", "."), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=format_count, bytes=format_bytes, percent=format_percent, name=printable,
                               optional=format_optional)
    return environment.get_template("page.html").render(
        report=report, tiles=_tiles(report), summary=summary_rows(report), causes=used_causes(report),
        counters=stack_counters(report), roofline=draw_roofline(report), timeline=draw_timeline(report),
        rows=_rows(report))


def _tiles(report: Report) -> list[tuple[str, str]]:
    return [("latency", format_si(report.seconds, "s")), ("runs a second", format_si(report.runs_per_second, "")),
            ("cycles", format_count(report.cycles)), ("MAC utilisation", format_percent(report.mac_utilisation)),
            ("bandwidth utilisation", format_percent(report.bandwidth_utilisation))]


def _rows(report: Report) -> list[dict[str, Any]]:
    return [{"layer": layer, "number": number, "share": layer.cycles / max(1, report.cycles),
             "utilisation": layer_utilisation(layer, report), "bound": layer_bound(layer, report)}
            for number, layer in enumerate(report.layers, start=1)]
