"""From ONNX to clock edges: what the compiler makes of a small network runs on the hardware as on the simulator."""

import numpy as np
from chips import NANO
from onnx import ModelProto, TensorProto, helper, numpy_helper

from seedchip.build import BuildOptions, build
from seedchip.rtl.simulation.device import HardwareDevice
from seedchip.simulator.device import SimulatedDevice


def network(rng: np.random.Generator) -> ModelProto:
    """Two fully connected layers with ReLU between them; every row of ``x`` is an item of a batch of 4."""
    weights = {"w1": rng.normal(0, 0.2, (32, 24)), "b1": rng.normal(0, 0.5, 24), "w2": rng.normal(0, 0.2, (24, 10))}
    make = helper.make_node
    nodes = [make("MatMul", ["x", "w1"], ["h1"]), make("Add", ["h1", "b1"], ["h2"]), make("Relu", ["h2"], ["h3"]),
             make("MatMul", ["h3", "w2"], ["y"])]
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 10])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def test_a_compiled_network_gives_the_same_bits_in_the_same_cycles():
    rng = np.random.default_rng(0)
    model, x = network(rng), rng.standard_normal((4, 32), np.float32)
    program = build(model, NANO, BuildOptions(calibration=lambda inputs: [{"x": x}])).program
    simulated, hardware = SimulatedDevice(program, NANO), HardwareDevice(program, NANO)
    expected, found = simulated.run({"x": x})["y"], hardware.run({"x": x})["y"]
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
    assert hardware.last is not None and hardware.last.cycles == simulated.timeline.cycles
    w1, b1, w2 = (numpy_helper.to_array(t) for t in model.graph.initializer)
    exact = np.maximum(x @ w1 + b1, 0) @ w2
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
