"""From ONNX to clock edges: what the compiler makes of networks runs on the hardware as on the simulator."""

import numpy as np
import onnxruntime
import pytest
from chips import NANO
from trial_networks import LENGTH, TOKENS, encoder, perceptron

from seedchip import zoo
from seedchip.build import BuildOptions, build
from seedchip.rtl.simulation.device import HardwareDevice
from seedchip.simulator.device import SimulatedDevice


def run_both(program, feeds):
    """The hardware's outputs, which are the simulator's to the last bit, in as many cycles."""
    simulated, hardware = SimulatedDevice(program, NANO), HardwareDevice(program, NANO)
    expected, found = simulated.run(feeds), hardware.run(feeds)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].view(np.uint8), value.view(np.uint8))
    assert hardware.last is not None and hardware.last.cycles == simulated.timeline.cycles
    return found


FEEDS = {perceptron: lambda rng: {"x": rng.standard_normal((4, 32), np.float32)},
         encoder: lambda rng: {"ids": rng.integers(0, TOKENS, (1, LENGTH))}}


@pytest.mark.parametrize("calibrated", [True, False], ids=["calibrated", "scales at run time"])
@pytest.mark.parametrize("network", FEEDS)
def test_a_compiled_network_gives_the_same_bits_in_the_same_cycles(network, calibrated):
    rng = np.random.default_rng(0)
    model, feeds = network(rng), FEEDS[network](rng)
    program = build(model, NANO, BuildOptions(calibration=(lambda inputs: [feeds]) if calibrated else None)).program
    found = run_both(program, feeds)["y"]
    exact = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], feeds)[0]
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()


def test_a_trained_network_reads_a_digit_on_the_hardware():
    """Every layer of the residual network that was trained on handwritten digits, on one of its test pictures."""
    entry = zoo.entry("digits-cnn")
    program = build(entry.model(), NANO,
                    BuildOptions(shapes=entry.shapes, calibration=lambda _: entry.calibration()[:2])).program
    feeds = entry.samples()[0]
    found = run_both(program, feeds)["logits"]
    exact = onnxruntime.InferenceSession(str(entry.model())).run(["logits"], feeds)[0]
    assert found.argmax() == exact.argmax()
