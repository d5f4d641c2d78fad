"""The JSON report: written by `to_json`, checked against the shipped schema and read by `from_json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from seedchip.report.report import (
    FORMAT_VERSION,
    Accuracy,
    Activity,
    HostOp,
    LayerAccuracy,
    LayerCost,
    OutputAccuracy,
    Report,
    ReportError,
)

FORMAT = "seedchip-report"
MAX_FILE_BYTES = 1 << 28
_COMPUTED = ("seconds", "mac_utilisation", "bandwidth_utilisation")


@cache
def schema() -> Mapping[str, Any]:
    """The JSON schema (draft 2020-12) of a report."""
    return json.loads((resources.files("seedchip.report") / "report.schema.json").read_text("utf-8"))


def to_dict(report: Report) -> dict[str, Any]:
    """The report in JSON's types, keys in the order of the schema."""
    content = {"format": FORMAT, "version": FORMAT_VERSION, **asdict(report)}
    content.update({name: getattr(report, name) for name in _COMPUTED})
    return {key: content[key] for key in schema()["properties"]}


def to_json(report: Report) -> str:
    """The report as JSON text; equal reports give equal text."""
    return json.dumps(to_dict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Report:
    """The report in JSON text. Raises `ReportError`."""
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ReportError(f"the report must be JSON, but {str(error)[:200]}") from None
    _check(content)
    accuracy = content["accuracy"]
    values = {k: v for k, v in content.items() if k not in ("format", "version", *_COMPUTED)}
    values.update(
        layers=tuple(LayerCost(**v) for v in content["layers"]),
        host_ops=tuple(HostOp(**v) for v in content["host_ops"]),
        timeline=Activity(content["timeline"]["bin_cycles"],
                          {k: tuple(v) for k, v in content["timeline"]["busy"].items()}),
        accuracy=None if accuracy is None else Accuracy(
            accuracy["reference"],
            tuple(OutputAccuracy(**{**v, "shape": tuple(v["shape"])}) for v in accuracy["outputs"]),
            tuple(LayerAccuracy(**v) for v in accuracy["layers"])))
    return Report(**values)


def read_report(path: str | Path) -> Report:
    """The report in a JSON file. Raises `ReportError` and `OSError`."""
    if Path(path).stat().st_size > MAX_FILE_BYTES:
        raise ReportError(f"{path}: a report must have at most {MAX_FILE_BYTES} bytes")
    try:
        return from_json(Path(path).read_text("utf-8"))
    except UnicodeDecodeError:
        raise ReportError(f"{path}: the report must be UTF-8 text") from None
    except ReportError as error:
        raise ReportError(f"{path}: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _check(content: object) -> None:
    import jsonschema

    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(content))
    if error is not None:
        place = error.json_path.removeprefix("$.")
        where = "the report" if place == "$" else place
        raise ReportError(f"{where} breaks the schema: {' '.join(error.message.split())[:200]}")
