"""One matrix product from the ONNX node to the clock cycle: what each step of the way makes of it."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from seedchip.build import BuildOptions, import_graph, quantise_graph
from seedchip.compiler import compile_levels
from seedchip.isa.assembler import disassemble
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import load

weights = np.random.default_rng(0).integers(-9, 10, (16, 8)).astype(np.int8)
node = helper.make_node("MatMulInteger", ["x", "w"], ["y"], "product")
model = helper.make_model(helper.make_graph(
    [node], "walk", [helper.make_tensor_value_info("x", TensorProto.INT8, [4, 16])],
    [helper.make_tensor_value_info("y", TensorProto.INT32, [4, 8])], [numpy_helper.from_array(weights, "w")]),
    opset_imports=[helper.make_opsetid("", 17)], ir_version=10)

graph = import_graph(model, BuildOptions())
print(f"1. the network\n{graph}\n")
quantised = quantise_graph(graph, BuildOptions())
print(f"2. in the chip's numbers\n{quantised}\n")
spec = load("nano")
made = compile_levels(quantised, spec)
print("3. cut to the chip's size\n" + "\n".join(made.tiles) + "\n")
print(f"4. instructions\n{disassemble(made.program.code)}")

device = SimulatedDevice(made.program, spec)
x = np.random.default_rng(1).integers(-9, 10, (4, 16)).astype(np.int8)
y = device.run({"x": x})["y"]
print("5. when each ran")
line = device.timeline
for index, instruction in enumerate(made.program.instructions[:-1]):
    print(f"   {instruction.mnemonic():7}cycles {line.started[index]:5} to {line.completed[index]:5}")
print(f"   the run: {line.cycles} cycles\n")
print("6. the answer, equal to NumPy's:", np.array_equal(y, x.astype(np.int32) @ weights.astype(np.int32)))
