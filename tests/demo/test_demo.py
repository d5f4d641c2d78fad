"""The demonstration shows a model's answers beside ONNX Runtime's, writes reports, and fails where answers differ."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seedchip.demo import main
from seedchip.demo.showing import judge_digits, showings
from seedchip.report import read_report
from seedchip.zoo.classified import digits


def test_one_model_is_run_shown_and_reported(tmp_path, capsys):
    assert main(["digits-cnn", "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "true label" in shown
    assert "100.0 % of the answers are ONNX Runtime's (200 digits" in shown
    assert "Every model gives ONNX Runtime's answers" in shown
    report = read_report(tmp_path / "report.json")
    assert report.model == "digits-cnn"
    assert f"{report.cycles:,}" in shown
    assert "<html" in (tmp_path / "report.html").read_text("utf-8")
    assert json.loads((tmp_path / "trace.json").read_text("utf-8"))["otherData"]["cycles"] == report.cycles


def test_an_unknown_model_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["digits"])
    assert stop.value.code == 2
    assert "a model must be one of digits-cnn, ocr-cls, ocr-rec, minilm, not 'digits'" in capsys.readouterr().err


def test_answers_that_differ_do_not_agree():
    labels = digits()[1].labels[:100]
    right = [{"logits": np.eye(10, dtype=np.float32)[label][None]} for label in labels]
    wrong = [{"logits": np.roll(run["logits"], int(i < 2), axis=1)} for i, run in enumerate(right)]
    assert judge_digits(right, right).agrees
    verdict = judge_digits(wrong, right)
    assert verdict.agreement == 0.98
    assert not verdict.agrees


def test_every_showing_is_a_trained_model():
    assert [s.entry.name for s in showings() if s.entry.trained] == ["digits-cnn", "ocr-cls", "ocr-rec", "minilm"]
