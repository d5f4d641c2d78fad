"""The reference page of the JSON report, written from the schema: ``python -m seedchip.report.manual``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seedchip.report.file import schema
from seedchip.report.report import SOURCES

_HEAD = """# The JSON report

`seedchip run MODEL --json FILE` writes one JSON object. Its schema is [report.schema.json](report.schema.json) (JSON
Schema, draft 2020-12), from which this page is written (`python -m seedchip.report.manual`). Cycles are clock cycles,
bytes are bytes, seconds are seconds of chip time; utilisations are fractions of the peak. *Source* is `counted` (the
simulator counts it, and the RTL counts the same), `specified` (the chip description says so), `computed` (from those),
or `measured` (against a reference implementation, on the inputs of this run).

| key | type | meaning | source |
|---|---|---|---|
"""
_CAUSES = """
## Causes

| cause | the engine ... |
|---|---|
"""


def render_manual() -> str:
    """The text of docs/03_reference/report.md."""
    rows = "".join(f"| `{key}` | {kind} | {text} | {SOURCES.get(key, '')} |\n"
                   for key, kind, text in _rows("", schema()))
    causes = schema()["$defs"]["causes"]["properties"]
    return _HEAD + rows + _CAUSES + "".join(f"| `{name}` | {c['description']} |\n" for name, c in causes.items())


def _rows(prefix: str, part: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, value in part.get("properties", {}).items():
        target = _resolve(value)
        yield prefix + name, _kind(value), value.get("description", target.get("description", "")).replace("|", "\\|")
        if target is not schema()["$defs"]["causes"]:
            inner = _resolve(target.get("items", {})) if target.get("type") == "array" else target
            marker = "[]." if target.get("type") == "array" else "."
            yield from _rows(prefix + name + marker, inner)


def _resolve(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in value:
        return schema()["$defs"][value["$ref"].rpartition("/")[2]]
    if "anyOf" in value:
        return _resolve(value["anyOf"][-1])
    return value


def _kind(value: Mapping[str, Any]) -> str:
    target = _resolve(value)
    if "anyOf" in target:
        return " or ".join(_kind(choice) for choice in reversed(target["anyOf"]))
    kind = target.get("type", "constant" if "const" in target else "")
    return f"{kind} or null" if "anyOf" in value else kind


if __name__ == "__main__":
    print(render_manual(), end="")
