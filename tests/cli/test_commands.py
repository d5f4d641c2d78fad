"""The commands: what they print and write, and the exit code and sentence when they cannot."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import seedchip as package
from seedchip.program import load as load_program
from seedchip.report import read_report
from seedchip.spec import load as load_chip
from seedchip.spec import presets


def test_chips_lists_every_shipped_chip(seedchip):
    lines = seedchip("chips").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(presets())
    assert lines[1 + list(presets()).index("micro")].split() == [
        "micro", "16x16", "512", "GOP/s", "256", "KiB", "4.00", "GiB", "16.0", "GB/s", "1.00", "GHz"]


def test_chips_show_gives_every_figure_with_its_meaning(seedchip, tmp_path):
    text = seedchip("chips", "show", "nano").stdout
    assert re.search(r"matrix\.rows +8 +array rows", text) and load_chip("nano").hash[:16] in text
    own = tmp_path / "own.toml"
    nano = Path(presets()["nano"]).read_text()
    own.write_text(nano.replace('"nano"', '"own"').replace("queue_depth = 16", "queue_depth = 8"))
    assert re.search(r"sequencer\.queue_depth +8 ", seedchip("chips", "show", own).stdout)


def test_run_shows_answers_beside_onnx_runtime_and_costs(seedchip, mlp, tmp_path):
    x = np.random.default_rng(0).standard_normal((1, 32), np.float32)
    np.save(tmp_path / "x.npy", x)
    result = seedchip("run", mlp, "--input", f"x={tmp_path / 'x.npy'}", "--json", tmp_path / "r.json", "--html",
                      tmp_path / "r.html", "--trace", tmp_path / "r.trace", "--report-accuracy")
    assert result.exit_code == 0, result.output
    for text in ("Outputs beside ONNX Runtime", "Where every cycle went", "MAC utilisation", "SQNR dB"):
        assert text in result.stdout
    report = read_report(tmp_path / "r.json")
    assert (report.model, report.chip, report.macs) == ("mlp", "micro", 32 * 64 + 64 * 10)
    assert report.accuracy.outputs[0].cosine > 0.999 and len(report.accuracy.layers) == 2
    assert (tmp_path / "r.html").read_text().startswith("<!DOCTYPE html>")
    assert len(json.loads((tmp_path / "r.trace").read_text())["traceEvents"]) > 9


def test_more_limbs_bring_the_answers_closer_to_binary32(seedchip, mlp, tmp_path):
    errors = []
    for precision in ("int8", "int16", "int24"):
        seedchip("run", mlp, "--precision", precision, "--json", tmp_path / "r.json")
        errors.append(read_report(tmp_path / "r.json").accuracy.outputs[0].max_abs_difference)
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_timing_only_counts_the_same_cycles_without_answers(seedchip, mlp, tmp_path):
    assert seedchip("run", mlp, "--json", tmp_path / "values.json").exit_code == 0
    result = seedchip("run", mlp, "--timing-only", "--json", tmp_path / "timing.json")
    assert "Outputs" not in result.stdout
    values, timing = read_report(tmp_path / "values.json"), read_report(tmp_path / "timing.json")
    assert timing.accuracy is None and timing.cycles == values.cycles and timing.counters == values.counters


def test_a_symbolic_size_is_bound_by_shape(seedchip, mlp, tmp_path):
    assert seedchip("run", mlp, "--shape", "batch=5", "--json", tmp_path / "r.json").exit_code == 0
    report = read_report(tmp_path / "r.json")
    assert report.accuracy.outputs[0].shape == (5, 10) and report.macs == 5 * (32 * 64 + 64 * 10)


def test_a_program_file_is_compiled_once_and_run_later(seedchip, mlp, tmp_path):
    result = seedchip("compile", mlp, "-o", tmp_path / "mlp.seed", "--chip", "nano")
    assert result.exit_code == 0 and re.search(r"mlp\.seed: \d+ instructions for nano, .* of constants", result.stdout)
    program = load_program(tmp_path / "mlp.seed", load_chip("nano"))
    listing = seedchip("disasm", tmp_path / "mlp.seed")
    assert listing.exit_code == 0 and listing.stdout.count("matmul") == sum(
        i.mnemonic() == "matmul" for i in program.instructions)
    assert seedchip("run", tmp_path / "mlp.seed", "--chip", "nano").exit_code == 0
    wrong = seedchip("run", tmp_path / "mlp.seed", "--chip", "micro")
    assert wrong.exit_code == 1 and "the program was compiled for chip 'nano'" in wrong.stderr


def test_each_level_of_the_pipeline_can_be_printed(seedchip, mlp):
    assert seedchip("compile", mlp, "--until", "graph").stdout.startswith("graph mlp\n")
    assert "matmul" in seedchip("compile", mlp, "--until", "tile").stdout
    assert "halt" in seedchip("compile", mlp, "--until", "program").stdout


def test_a_report_is_shown_again(seedchip, mlp, tmp_path):
    shown = seedchip("run", mlp, "--timing-only", "--json", tmp_path / "r.json").stdout
    assert seedchip("report", tmp_path / "r.json").stdout == shown
    assert seedchip("report", tmp_path / "r.json", "--html", tmp_path / "r.html").exit_code == 0
    assert "<svg" in (tmp_path / "r.html").read_text()


def test_calibration_fixes_scales_and_keeps_the_answers(seedchip, mlp, tmp_path):
    np.savez(tmp_path / "c.npz", x=np.random.default_rng(1).standard_normal((8, 32), np.float32))
    result = seedchip("run", mlp, "--calibration", tmp_path / "c.npz", "--json", tmp_path / "static.json")
    assert result.exit_code == 0, result.output
    seedchip("run", mlp, "--json", tmp_path / "dynamic.json")
    static, dynamic = read_report(tmp_path / "static.json"), read_report(tmp_path / "dynamic.json")
    assert static.accuracy.outputs[0].cosine > 0.99 and static.cycles < dynamic.cycles


def test_every_calibration_method_gives_answers(seedchip, mlp, tmp_path):
    np.savez(tmp_path / "c.npz", x=np.random.default_rng(1).standard_normal((32, 32), np.float32))
    for method in ("minmax", "percentile", "mse"):
        arguments = ["--calibration", tmp_path / "c.npz", "--method", method, "--json", tmp_path / "r.json"]
        assert seedchip("run", mlp, *arguments).exit_code == 0
        assert read_report(tmp_path / "r.json").accuracy.outputs[0].cosine > 0.99


def test_a_file_that_is_neither_model_nor_program_is_one_sentence(seedchip, tmp_path):
    for content in (b"", b"hello", b"\x02" + bytes(7) + b"{}", b"\x08\x0a\x12\x07{{{{{{{{{{", bytes(100)):
        (tmp_path / "f").write_bytes(content)
        result = seedchip("run", tmp_path / "f")
        assert result.exit_code == 1 and result.stderr.startswith(f"seedchip: {tmp_path / 'f'}: ")
        assert result.stderr.count("\n") == 1


CANNOT = {
    "a missing model": (["run", "none.onnx"],
                        "seedchip: none.onnx: the model file must be readable, but no such file or directory; check "
                        "the path\n"),
    "an unknown chip": (["run", "MLP", "--chip", "mikro"],
                        "seedchip: chip must be a preset or a .toml file, not 'mikro'; did you mean 'micro'?"),
    "a missing input file": (["run", "MLP", "--input", "x=none.npy"],
                             "seedchip: none.npy: the array cannot be read: No such file or directory\n"),
    "an unknown input": (["run", "MLP", "--input", "z=none.npy"],
                         "seedchip: --input must be NAME=FILE or NAME=TEXT with one of the inputs x, not "
                         "'z=none.npy'\n"),
    "text without a tokenizer": (["run", "MLP", "--input", "x=hello"],
                                 "seedchip: input 'x' needs a tokenizer to read text; pass --tokenizer "
                                  "tokenizer.json\n"),
    "no calibration data": (["run", "MLP", "--calibration", "none.npz"],
                            "seedchip: none.npz: the calibration data cannot be read: No such file or directory\n"),
    "auto without calibration": (["run", "MLP", "--precision", "auto"],
                                 "seedchip: precision 'auto' must have calibration data"),
    "a missing report": (["report", "none.json"], "seedchip: none.json: No such file or directory\n"),
    "a folder as output": (["compile", "MLP", "-o", "/"], "seedchip: "),
    "a model as program": (["disasm", "MLP"], "seedchip: MLP: the file must be a safetensors container, but "),
}


@pytest.mark.parametrize("name", CANNOT)
def test_exit_code_1_and_one_sentence_for(name, seedchip, mlp, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, sentence = CANNOT[name]
    result = seedchip(*[mlp if a == "MLP" else a for a in arguments])
    assert result.exit_code == 1
    assert result.stderr.replace(str(mlp), "MLP").startswith(sentence) and result.stderr.count("\n") == 1


WRONG_USAGE = [["run"], ["fly"], ["run", "MLP", "--precision", "int9"], ["run", "MLP", "--shape", "batch"],
               ["run", "MLP", "--mean", "a"], ["run", "MLP", "--timing-only", "--input", "x=x.npy"], ["compile", "MLP"],
               ["compile", "MLP", "-o", "f", "--until", "tile"], ["compile", "MLP", "--until", "moon"]]


@pytest.mark.parametrize("arguments", WRONG_USAGE, ids=" ".join)
def test_wrong_usage_has_exit_code_2(arguments, seedchip):
    result = seedchip(*arguments)
    assert result.exit_code == 2 and "Usage" in result.stderr


def test_the_script_is_installed_and_says_its_version():
    found = subprocess.run([sys.executable, "-c", "from seedchip.cli.main import main; main()", "--version"],
                           capture_output=True, text=True, check=True)
    assert found.stdout == f"seedchip {package.__version__}\n"


def test_an_interrupt_gives_one_line_and_code_130():
    code = ("import time, seedchip.cli.chips as c\n"
            "def wait():\n    print('waiting', flush=True)\n    time.sleep(30)\n    return {}\n"
            "c.presets = wait\nfrom seedchip.cli.main import main\nmain()")
    process = subprocess.Popen([sys.executable, "-c", code, "chips"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "seedchip: interrupted\n")


def test_answers_of_the_session_are_those_of_the_command(mlp):
    x = np.random.default_rng(0).standard_normal((1, 32), np.float32)
    session = package.InferenceSession(mlp, chip="nano")
    assert [(i.name, i.shape, i.type) for i in session.get_inputs()] == [("x", [1, 32], "tensor(float)")]
    reference = onnxruntime.InferenceSession(mlp).run(None, {"x": x})[0]
    ours = session.run(["y"], {"x": x})[0]
    assert ours.shape == reference.shape and np.abs(ours - reference).max() < 0.05 * np.abs(reference).max()
