"""`seedchip run --host-fallback`: the same from the command line, with all its files."""

import json

import numpy as np
import onnx
import pytest
from test_partition import X, determinant_in_the_middle
from typer.testing import CliRunner

from seedchip.cli.main import app
from seedchip.report import read_report


@pytest.fixture
def path(tmp_path):
    onnx.save(determinant_in_the_middle(), tmp_path / "partial.onnx")
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "partial.onnx"


def run(*arguments):
    return CliRunner().invoke(app, ["run", *map(str, arguments)], catch_exceptions=False)


def test_without_the_flag_the_command_stops_with_one_sentence(path):
    result = run(path)
    assert result.exit_code == 1 and "node 'volume' (Det) can't run on the chip" in result.stderr
    assert result.stderr.endswith("; --host-fallback runs such nodes in ONNX Runtime\n")


def test_host_nodes_are_listed_in_every_kind_of_report(path):
    files = {kind: path.with_suffix(f".{kind}") for kind in ("json", "html", "trace")}
    options = [text for kind, file in files.items() for text in (f"--{kind}", file)]
    result = run(path, "--host-fallback", "--input", f"x={path.parent / 'x.npy'}", "--precision", "int24", *options)
    assert result.exit_code == 0
    assert "Computed on the host: 1 nodes" in result.stdout and "host operations        1" in result.stdout
    report = read_report(files["json"])
    assert [(op.node, op.operator) for op in report.host_ops] == [("volume", "Det")]
    assert report.accuracy.outputs[0].cosine > 0.99999
    assert "the chip has no way to compute Det" in files["html"].read_text("utf-8")
    trace = json.loads(files["trace"].read_text("utf-8"))
    ends = [e["ts"] + e["dur"] for e in trace["traceEvents"] if e["ph"] == "X"]
    assert trace["otherData"]["cycles"] == report.cycles and max(ends) <= 1e6 * report.seconds + 1e-6


def test_timing_alone_lists_host_nodes_without_times(path):
    result = run(path, "--host-fallback", "--timing-only", "--json", path.with_suffix(".json"))
    assert result.exit_code == 0
    assert [op.seconds for op in read_report(path.with_suffix(".json")).host_ops] == [None]


@pytest.mark.parametrize("level", ["graph", "tile", "program"])
def test_compile_prints_the_parts_with_the_host_nodes_between(path, level):
    arguments = ["compile", str(path), "--host-fallback", "--until", level]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    before, host, after = result.stdout.partition("host volume (Det): the chip has no way to compute Det")
    assert before and host and len(after.splitlines()) > 1


def test_a_program_file_of_a_model_with_host_nodes_is_wrong_usage(path, tmp_path):
    result = CliRunner().invoke(app, ["compile", str(path), "--host-fallback", "-o", str(tmp_path / "p.seed")])
    assert result.exit_code == 2 and "a program file holds no nodes" in " ".join(result.stderr.split())
