"""The cycles in docs/benchmarks.json are those that compiler and simulator give today."""

from __future__ import annotations

from pathlib import Path

import pytest

from seedchip.bench.document import read_records
from seedchip.bench.rows.counted import counted_values, measure_report

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("row", "model"), [("gemm2048", "gemm2048"), ("matvec4096", "matvec4096"),
                                            ("resnet50-micro", "resnet50")])
def test_counted_figures_are_todays(row, model):
    kept = read_records(DOCS)[row]["values"]
    today = counted_values(measure_report(model, "micro", lambda text: None))
    assert {name: kept[name] for name in today} == today, (
        f"the compiler, the chip or the timing changed since docs/benchmarks.json was written; run `seedchip bench "
        f"{row} resnet50-nvdla encoders` and commit the files")
