"""A compiled product for the tests of the whole chip: it reads nothing on the chip that it has not written."""

import numpy as np
from chips import TINY

from seedchip.compiler import compile_graph
from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import MatMul
from seedchip.isa import WORD_BYTES
from seedchip.rtl.simulation.chip_bench import ChipBench
from seedchip.simulator.driver import write_input

WEIGHTS = np.random.default_rng(0).integers(-128, 128, (24, 20), dtype=np.int8)
PRODUCT = compile_graph(Graph("product", ("x",), {"y": "y"}, {"w": WEIGHTS}, (Node(MatMul(), ("x", "w"), "y"),), {
    "x": TensorType((9, 24), "int8"), "w": TensorType((24, 20), "int8"), "y": TensorType((9, 20), "int32")}), TINY)


def product_memory(x: np.ndarray) -> np.ndarray:
    """What the driver would put into memory for the compiled product."""
    memory = np.zeros(-(-PRODUCT.memory_bytes // 4096) * 4096, np.uint8)
    for segment in PRODUCT.segments:
        memory[segment.address:segment.address + len(segment.data)] = segment.data
    memory[PRODUCT.code_address:PRODUCT.code_address + len(PRODUCT.code)] = np.frombuffer(PRODUCT.code, np.uint8)
    write_input(memory, PRODUCT.inputs[0], x)
    return memory


def run_product(chip: ChipBench) -> int:
    """Its cycles."""
    return chip.run(PRODUCT.code_address, len(PRODUCT.code) // WORD_BYTES, 1_000_000)


def random_x(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, (9, 24), dtype=np.int8)


def exact(x: np.ndarray) -> np.ndarray:
    return x.astype(np.int32) @ WEIGHTS.astype(np.int32)
