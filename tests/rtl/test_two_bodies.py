"""One device, two bodies: the same call runs on the simulator and on the hardware, with the same answers and report."""

import dataclasses
import signal
import sys
import threading

import numpy as np
import pytest
from chips import NANO
from trial_networks import perceptron as network
from typer.testing import CliRunner

from seedchip import InferenceSession
from seedchip.build import BuildOptions
from seedchip.cli.main import app
from seedchip.device import DeviceError, check_body
from seedchip.isa import Halt, Load, encode_program
from seedchip.report import to_json
from seedchip.rtl.simulation.compilation import BuildError
from seedchip.rtl.simulation.lockstep import SLICE_CYCLES, run_lockstep
from seedchip.rtl.simulation.verilator import build
from seedchip.spec import SpecError, load

BODIES = ("sim", "rtl")


@pytest.fixture(scope="module")
def model():
    return network(np.random.default_rng(0))


def feeds(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"x": rng.standard_normal((4, 32), np.float32)}


@pytest.fixture
def options():
    samples = [feeds(np.random.default_rng(1))]
    return BuildOptions(calibration=lambda inputs: samples)


@pytest.mark.parametrize("body", BODIES)
def test_a_session_answers_on_both_bodies(body, model, options):
    session, x = InferenceSession(model, NANO, options=options, device=body), feeds(np.random.default_rng(2))
    first, again = session.run(None, x)[0], session.run(None, x)[0]
    np.testing.assert_array_equal(first.view(np.uint32), again.view(np.uint32))
    other = InferenceSession(model, NANO, options=options).run(None, x)[0]
    np.testing.assert_array_equal(first.view(np.uint32), other.view(np.uint32))


def test_both_bodies_give_the_same_report(model, options):
    reports = [to_json(InferenceSession(model, NANO, options=options, device=body).report()) for body in BODIES]
    assert reports[0] == reports[1]


def test_the_command_prints_the_same_for_both_bodies(model, tmp_path):
    path = tmp_path / "small.onnx"
    path.write_bytes(model.SerializeToString())
    np.savez(tmp_path / "samples.npz", x=feeds(np.random.default_rng(1))["x"][None])
    printed = [CliRunner().invoke(app, ["run", str(path), "--chip", "nano", "--device", body, "--calibration",
                                        str(tmp_path / "samples.npz")]) for body in BODIES]
    assert [p.exit_code for p in printed] == [0, 0], printed
    assert printed[0].stdout == printed[1].stdout and "Where every cycle went" in printed[0].stdout


def test_a_long_run_says_what_it_does(model, options):
    said: list[str] = []
    session = InferenceSession(model, NANO, options=options, device="rtl", say=said.append)
    session.run(None, feeds(np.random.default_rng(2)))
    cycles = f"{session.timeline.cycles:,}"
    assert said == ["building the hardware of nano (once, less than a minute)", "computing on the simulator",
                    f"hardware: {cycles} of {cycles} cycles"]


def test_a_long_run_can_be_interrupted():
    """A fill of 2.6 million cycles, which take seconds; the signal comes in the middle."""
    code = encode_program([Load(fill=1, run_bytes=32, count0=0xFFFF, count1=40, write_banks=1), Halt()])
    alarm = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
    seen = []

    def watch(*now: int) -> None:
        if not seen:
            alarm.start()
        seen.append(now)

    with pytest.raises(KeyboardInterrupt):
        run_lockstep(NANO, np.zeros(4096, np.uint8), code, 0, watch)
    alarm.join()
    assert 0 < len(seen) < 2_600_000 // SLICE_CYCLES


def test_a_chip_that_no_hardware_can_have_is_refused_before_anything_else(model, tmp_path):
    wide = dataclasses.replace(NANO, memory=dataclasses.replace(NANO.memory, channels=2))
    with pytest.raises(SpecError, match=r"^the hardware moves one granule a cycle: memory\.channels x "):
        InferenceSession(model, wide, device="rtl")


def test_a_missing_compiler_is_named(monkeypatch, tmp_path, model):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    sentence = (r"^the hardware's simulation is compiled with a C\+\+ compiler, and g\+\+ is not to be found: install "
                r"g\+\+ \(Debian: apt install g\+\+\), or name another one in the variable CXX$")
    with pytest.raises(BuildError, match=sentence):
        check_body("rtl", NANO)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "small.onnx"
    path.write_bytes(model.SerializeToString())
    result = CliRunner().invoke(app, ["run", str(path), "--chip", "nano", "--device", "rtl"])
    assert result.exit_code == 1 and result.stderr.startswith("seedchip: the hardware's simulation is compiled with")


def test_a_compiler_can_be_named(monkeypatch, tmp_path):
    own = tmp_path / "own-compiler"
    own.write_text("#!/bin/sh\nexit 3\n")
    own.chmod(0o755)
    monkeypatch.setenv("CXX", str(own))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("seedchip.rtl.simulation.verilator.convert", lambda spec, top: "module core; endmodule")
    with pytest.raises(BuildError, match=r"^own-compiler ended with code 3: $"):
        build(load("nano"))


@pytest.mark.parametrize("module", ["verilator", "amaranth"])
def test_a_missing_package_is_named(monkeypatch, module):
    for name in [n for n in sys.modules if n.startswith("seedchip.rtl.") or n.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DeviceError) as error:
        check_body("rtl", NANO)
    assert str(error.value) == (f"the hardware needs the module {module}, which is not installed: "
                                "pip install 'seedchip[rtl]'")


def test_a_device_of_another_name_is_refused():
    with pytest.raises(DeviceError, match=r"^device must be one of sim, rtl, not 'fpga'$"):
        check_body("fpga", NANO)
