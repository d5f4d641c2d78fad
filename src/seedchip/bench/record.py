"""What one row of the benchmarks is, and what measuring it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Progress = Callable[[str], None]
"""Told in a few words what is being measured."""


@dataclass(frozen=True)
class Detail:
    """A table under the summary: a title, column headings, rows of cells, and remarks below."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()


@dataclass(frozen=True)
class Measurement:
    """A figure, whether it reaches what the row demands (None: not measured here), and under which conditions.

    ``values`` are the bare numbers, for machines; ``details`` are tables for readers.
    """

    figure: str
    met: bool | None
    conditions: str
    values: Mapping[str, Any] = field(default_factory=dict)
    details: Sequence[Detail] = ()


@dataclass(frozen=True)
class Row:
    """A row of the table: its name on the command line, what it shows, what it must reach, and what stands beside."""

    name: str
    what: str
    must: str
    reference: str
    measure: Callable[[Progress], Measurement]


def record(row: Row, measurement: Measurement, circumstances: Mapping[str, Any]) -> dict[str, Any]:
    """The row as it is kept in the JSON file; ``circumstances`` are date, commit, machine and wall seconds."""
    return {"what": row.what, "must": row.must, "reference": row.reference, **asdict(measurement),
            "measured": dict(circumstances)}
