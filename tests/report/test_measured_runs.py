"""Trace, activity and layers of programs whose times follow from docs/03_reference/timing.md."""

import dataclasses
import itertools
import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedchip.isa import Halt, Load, Store, Vector, encode_program
from seedchip.program import Layer, Program
from seedchip.report import build_report, layer_name, to_chrome_trace
from seedchip.report.activity import bin_intervals, measure_activity
from seedchip.report.build import NO_LAYER
from seedchip.simulator.timing import simulate
from seedchip.spec import load

CHIP = load("nano")
TO_STORE, TO_LOAD, TO_VECTOR = 1, 2, 4


def busy_program(steps: int = 20, layers: tuple[Layer, ...] = ()) -> Program:
    """Loads 64 bytes, rewrites them with the vector engine and stores them, again and again."""
    instructions = []
    for step in range(steps):
        instructions += [
            Load(memory_address=64 * step, run_bytes=64, signal=TO_VECTOR, write_banks=1),
            Vector(a_address=0, out_address=4096, columns=64, wait_load=1, signal=TO_STORE, read_banks=1,
                   write_banks=2),
            Store(memory_address=64 * step, local_address=4096, run_bytes=64, wait_vector=1, read_banks=2)]
    code = encode_program([*instructions, Halt()])
    return Program("busy", CHIP.name, CHIP.hash, 1, code, 8192, 8192 + len(code), (), (), (), layers)


def test_lanes_of_the_trace_never_overlap_and_have_names():
    program = busy_program()
    spec = dataclasses.replace(CHIP, clock=dataclasses.replace(CHIP.clock, hz=333_333_333))
    timeline = simulate(program.instructions, spec)
    trace = json.loads(to_chrome_trace(program, timeline, spec), parse_float=Decimal)
    events = trace["traceEvents"]
    assert all(e["tid"] >= 1 and e["pid"] >= 1 for e in events)
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {1: "matrix", 2: "vector", 3: "load", 4: "store"}
    complete = [e for e in events if e["ph"] == "X"]
    assert len(complete) == 60
    for lane in names:
        spans = sorted((Decimal(e["ts"]), Decimal(e["ts"]) + Decimal(e["dur"])) for e in complete if e["tid"] == lane)
        assert all(begin < end for begin, end in spans)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    seconds = timeline.cycles / spec.clock.hz
    assert max(Decimal(e["ts"]) + Decimal(e["dur"]) for e in complete) <= Decimal(seconds * 1e6)


def test_time_stamps_are_microseconds_of_chip_time():
    program = busy_program(1)
    timeline = simulate(program.instructions, CHIP)
    events = json.loads(to_chrome_trace(program, timeline, CHIP))["traceEvents"]
    load_event = next(e for e in events if e.get("cat") == "load")
    assert load_event["ts"] == timeline.started[0] / 100  # 100 MHz: a hundred cycles a microsecond
    assert load_event["args"]["started_cycle"] == timeline.started[0]


@given(st.lists(st.integers(1, 9), max_size=20), st.integers(1, 7))
def test_bins_hold_the_cycles_that_intervals_cover(steps, bin_cycles):
    edges = np.cumsum(steps).tolist()
    intervals = list(zip(edges[::2], edges[1::2], strict=False))
    count = -(-(edges[-1] if edges else 0) // bin_cycles)
    covered = [sum(1 for a, b in intervals for c in range(a, b) if c // bin_cycles == bin) for bin in range(count)]
    assert list(bin_intervals(intervals, count, bin_cycles)) == covered


def test_activity_holds_every_held_cycle_once():
    program = busy_program()
    timeline = simulate(program.instructions, CHIP)
    activity = measure_activity(program, CHIP, timeline, 50)
    assert len(activity.busy["load"]) == -(-timeline.cycles // activity.bin_cycles) <= 50
    held = sum(timeline.released[i] - timeline.started[i] for i in range(0, 60, 3))
    assert sum(activity.busy["load"]) == held


def test_cycles_of_layers_and_of_causes_add_up_to_the_run():
    layers = (Layer("one", "Copy", 0, 30, 0), Layer("two", "Copy", 45, 60, 0))
    program = busy_program(20, layers)
    report = build_report(program, CHIP, simulate(program.instructions, CHIP))
    assert [layer.name for layer in report.layers] == ["one", NO_LAYER, "two"]
    assert sum(layer.cycles for layer in report.layers) == report.cycles
    assert all(sum(causes.values()) == report.cycles for causes in report.counters.values())


def test_memory_traffic_counts_transfers_and_instruction_fetches():
    program = busy_program(20)
    report = build_report(program, CHIP, simulate(program.instructions, CHIP))
    granule = CHIP.memory.granule_bytes
    assert report.memory_bytes_written == 20 * 64
    assert report.memory_bytes_read == 20 * 64 + -(-len(program.code) // granule) * granule


@pytest.mark.parametrize(("source", "name"), [
    ("/a b/m.onnx: node '/fc/MatMul' (MatMul)", "/fc/MatMul"), ("m: node number 3 (Conv)", "number 3 (Conv)"),
    ("m: node 'it's (a) node' (Conv)", "it's (a) node"), ("conv1", "conv1"), ("", "")])
def test_a_layer_is_called_by_its_node(source, name):
    assert layer_name(source) == name
