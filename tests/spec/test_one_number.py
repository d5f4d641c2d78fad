"""The first rule of the design: a chip's numbers stand in one place. Change one, and everything moves with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seedchip.compiler import compile_graph
from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import MatMul
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import ChipSpec, load

WEIGHTS = np.random.default_rng(0).integers(-127, 128, (200, 160)).astype(np.int8)
X = np.random.default_rng(1).integers(-128, 128, (90, 200)).astype(np.int8)
GRAPH = Graph("one", ("x",), {"y": "y"}, {"w": WEIGHTS}, (Node(MatMul(), ("x", "w"), "y"),),
              {"x": TensorType((90, 200), "int8"), "w": TensorType((200, 160), "int8"),
               "y": TensorType((90, 160), "int32")})
CHANGES = {
    "matrix.columns": 32, "matrix.rows": 32, "vector.lanes": 8, "vector.pipeline_cycles": 40,
    "matrix.pipeline_cycles": 30, "scratchpad.bytes": 16_384, "accumulator.bytes": 4096,
    "memory.channel_bytes_per_cycle": 4, "memory.channels": 2, "memory.latency_cycles": 300,
    "sequencer.queue_depth": 2, "sequencer.fetch_bytes": 256,
}
SAME_CODE = {"vector.pipeline_cycles", "matrix.pipeline_cycles", "memory.latency_cycles", "sequencer.queue_depth",
             "sequencer.fetch_bytes"}
"""Numbers that no instruction holds: only the time moves."""
MAY_KEEP_CODE = {"memory.channel_bytes_per_cycle", "memory.channels"}
"""Numbers that the choice of tiles weighs, and may decide as before."""


def changed(key: str, value: int) -> ChipSpec:
    micro = load("micro")
    section, name = key.split(".")
    return replace(micro, **{section: replace(getattr(micro, section), **{name: value})})


def outcome(spec: ChipSpec) -> tuple[int, str, bytes, np.ndarray]:
    """Cycles, the chip that the program is bound to, its instructions, its result."""
    program = compile_graph(GRAPH, spec)
    device = SimulatedDevice(program, spec)
    return device.timeline.cycles, program.chip_hash, program.code, device.run({"x": X})["y"]


@pytest.fixture(scope="module")
def before():
    return outcome(load("micro"))


@pytest.mark.parametrize(("key", "value"), CHANGES.items(), ids=CHANGES)
def test_one_number_moves_time_and_program_and_leaves_the_result(before, key, value):
    cycles, chip_hash, code, result = outcome(changed(key, value))
    assert cycles != before[0]
    assert chip_hash != before[1]
    if key not in MAY_KEEP_CODE:
        assert (code == before[2]) == (key in SAME_CODE)
    np.testing.assert_array_equal(result, before[3])
    np.testing.assert_array_equal(result, X.astype(np.int64) @ WEIGHTS.astype(np.int64))


def test_the_clock_moves_seconds_and_not_cycles(before):
    cycles, chip_hash, code, _ = outcome(changed("clock.hz", 2 * 10**9))
    assert (cycles, code) == (before[0], before[2])
    assert chip_hash != before[1]
