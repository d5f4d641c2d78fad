"""Rows are measured one by one, merged into one file, and marked as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seedchip.bench import main
from seedchip.bench.document import MARKS, read_records, render_markdown, write_records
from seedchip.bench.node_tests import Outcome, load_cases, run_case
from seedchip.bench.record import Detail, Measurement, record
from seedchip.bench.rows import ROWS
from seedchip.bench.rows.accuracy import TASKS, agreements, is_met
from seedchip.bench.rows.conformance import reason_group, run_on_chip, run_reference, summarise
from seedchip.bench.rows.determinism import equal_bits, joined
from seedchip.spec import load

CIRCUMSTANCES = {"date": "2026-11-23 22:00 UTC", "commit": "abc1234", "machine": "a machine", "seconds": 1.0}
ISSUE_ORDER = ["node-tests", "resnet50-nvdla", "resnet50-micro", "gemm2048", "matvec4096", "encoders", "accuracy",
               "simulator", "compile", "determinism", "rtl-programs", "rtl-networks", "rtl-speed", "rtl-ratio",
               "binary32", "synthesis", "fpga"]


def measured(name: str, met: bool | None, figure: str = "42 | 43") -> dict[str, object]:
    details = [Detail("A title", ["a", "b"], [["1", "2"]], ["A remark."])]
    return record(ROWS[name], Measurement(figure, met, "conditions", {"n": 1}, details), CIRCUMSTANCES)


def test_rows_stand_in_the_order_of_what_must_be_shown():
    assert list(ROWS) == ISSUE_ORDER


def test_a_row_that_is_measured_again_keeps_the_others(tmp_path):
    write_records(tmp_path, {"gemm2048": measured("gemm2048", True)})
    records = read_records(tmp_path)
    records["node-tests"] = measured("node-tests", False)
    write_records(tmp_path, records)
    content = json.loads((tmp_path / "benchmarks.json").read_text("utf-8"))
    assert content["format"] == "seedchip-benchmarks"
    assert list(content["rows"]) == ["node-tests", "gemm2048"]
    assert content["rows"]["gemm2048"]["figure"] == "42 | 43"


def test_the_page_marks_every_row_as_it_is():
    page = render_markdown({name: measured(name, met) for name, met in
                            (("gemm2048", True), ("node-tests", None), ("compile", False))})
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in page.split("## Conditions")[0].splitlines()}
    assert f"| 42 \\| 43 | {MARKS[True]} | > 92 % (MTIA 2i, ISCA'25) |" in lines["gemm2048"]
    assert f"| {MARKS[None]} |" in lines["node-tests"]
    assert "| **falls short** | - |" in lines["compile"]
    assert "not measured yet" in lines["accuracy"]
    assert "## A title\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\nA remark.\n" in page


def test_no_file_means_no_rows(tmp_path):
    assert read_records(tmp_path) == {}


def test_an_unknown_row_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["gemm2049"])
    assert stop.value.code == 2
    assert f"a row must be one of {', '.join(ROWS)}, not 'gemm2049'" in capsys.readouterr().err


def test_a_single_row_is_measured_and_written(tmp_path, capsys):
    assert main(["matvec4096", "--output", str(tmp_path)]) == 0
    kept = read_records(tmp_path)["matvec4096"]
    # 4096 x 4096 weights at 16 bytes a cycle take 1,048,576 cycles at least.
    assert 1_048_576 < kept["values"]["cycles"] < 1.05 * 1_048_576
    assert kept["met"] is True
    assert kept["measured"]["commit"]
    assert "matvec4096" in capsys.readouterr().out


def test_refusals_are_grouped_by_rule():
    first = "test_a: tensor data has no elements (float32[0, 3]); bind the dimensions to sizes above 0"
    second = "tensor x has no elements (float32[4, 0]); bind the dimensions to sizes above 0"
    assert reason_group(first) == reason_group(second)
    other = "m.onnx: node 'a' (Grid): can't run on the chip: the number of trips is known at run time only"
    assert reason_group(other) == "can't run on the chip: the number of trips is known at run time only"


def test_conformance_counts_and_names_what_failed():
    outcomes = [Outcome("test_a", "node", "passed"), Outcome("test_b", "node", "refused", "no"),
                Outcome("test_c", "simple", "failed", "output 'y' differs by up to 1")]
    found = summarise(outcomes, {"passed": 3})
    assert found.met is False
    assert found.figure.startswith("1 passed, 1 refused with a reason, 1 failed; ONNX Runtime on the same list: 3")
    assert found.values["failed_tests"] == {"test_c": "output 'y' differs by up to 1"}
    assert [d.title for d in found.details][-1] == "Backend tests that failed"


@pytest.mark.parametrize("name", ["test_matmul_2d", "test_layer_normalization_2d_axis1"])
def test_a_backend_test_passes_on_the_chip_and_in_onnx_runtime(name):
    case = next(c for c in load_cases(["node"], name) if c.name == name)
    assert run_case(case, run_on_chip(load("micro"))).status == "passed"
    assert run_reference(case) == "passed"


def test_onnx_runtime_is_told_apart_when_its_values_differ():
    case = next(c for c in load_cases(["node"], "test_relu") if c.name == "test_relu")
    [[inputs, [wanted]]] = case.data
    wrong = type(case)(case.name, case.kind, case.model, ((inputs, [np.asarray(wanted) + 1]),), case.rtol, case.atol)
    assert run_reference(wrong) == "failed"


def test_accuracy_is_reached_by_cosine_or_by_the_task():
    minilm = next(t for t in TASKS if t.model == "minilm")
    scores = {"cosine": 0.99, "paraphrases_found": 0.9, "reference_paraphrases_found": 1.0}
    assert agreements(minilm, scores) == {"paraphrases_found": 0.9}
    assert not is_met(minilm, scores)
    assert is_met(minilm, scores | {"cosine": 0.9991})
    assert is_met(minilm, scores | {"paraphrases_found": 0.995})


def test_bits_are_compared_with_the_sign_of_zero():
    zero, minus = {"y": np.zeros(2, np.float32)}, {"y": -np.zeros(2, np.float32)}
    assert equal_bits(zero, zero)
    assert not equal_bits(zero, minus)
    assert not equal_bits(joined([zero, zero]), zero)
