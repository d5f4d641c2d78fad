"""The event simulation against a core that is stepped cycle by cycle, on random programs and random chips."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from cycle_by_cycle import CycleByCycle, first_stuck
from hypothesis import given, settings
from hypothesis import strategies as st

from seedchip.isa import Engine, Halt, Instruction, Load, Matmul, Store, Vector
from seedchip.isa.dma import transfer_cycles
from seedchip.isa.instruction import layout
from seedchip.isa.vector import drain_cycles, vector_cycles
from seedchip.simulator import DeadlockError, Timeline, simulate
from seedchip.simulator.demand import demand
from seedchip.spec import ChipSpec, load

NANO = load("nano")
Draw = Any
WAITS = ("wait_store", "wait_load", "wait_vector", "wait_matrix")


@st.composite
def chips(draw: Draw) -> ChipSpec:
    """Nano with other latencies, queues and fetches, which decide when things meet."""
    memory = replace(NANO.memory, latency_cycles=draw(st.sampled_from([4, 5, 7, 40])))
    sequencer = replace(NANO.sequencer, queue_depth=draw(st.sampled_from([2, 4, 16])),
                        fetch_bytes=draw(st.sampled_from([256, 1024])))
    return replace(NANO, memory=memory, sequencer=sequencer)


@st.composite
def works(draw: Draw) -> tuple[type[Instruction], dict[str, int]]:
    """A class and the fields that its cost depends on."""
    small = st.integers(1, 12)
    kind = draw(st.sampled_from(["load", "load", "fill", "store", "matmul", "vector"]))
    if kind == "matmul":
        names = ("size_y", "size_x", "tiles_k", "tiles_n", "kernel_x")
        bits = ("transpose", "first_alone", "tiles_alone")
        return Matmul, {n: draw(st.integers(1, 4)) for n in names} | {n: draw(st.integers(0, 1)) for n in bits}
    if kind == "vector":
        a = draw(st.integers(1, 3))
        return Vector, {"a_kind": a, "b_kind": draw(st.integers(0, 2)), "c_kind": draw(st.integers(0, 2)),
                        "reduce": draw(st.integers(0, 1)), "size_x": draw(small), "columns": draw(st.integers(1, 20)),
                        "window": int(a == 1 and draw(st.booleans())), "tap_x": draw(st.integers(1, 3)),
                        "num_operations": draw(st.integers(0, 6)), "num_constants": draw(st.integers(0, 3)),
                        "num_parameters": draw(st.integers(0, 3))}
    work = {"memory_address": draw(small), "run_bytes": draw(st.integers(1, 200)), "count0": draw(st.integers(1, 3)),
            "memory_stride0": draw(st.sampled_from([8, 33])), "count1": draw(st.integers(1, 2))}
    if kind == "load" and draw(st.booleans()):
        work |= {"gather": 1}
    return (Store if kind == "store" else Load), work | ({"fill": 1} if kind == "fill" else {})


@st.composite
def programs(draw: Draw, *, may_deadlock: bool) -> list[Instruction]:
    """Instructions that share few banks and wait for tokens of earlier ones, or, if wanted, for any tokens."""
    sent = {(source, to): 0 for source in Engine for to in Engine}
    program: list[Instruction] = []
    length = draw(st.integers(1, 24))
    for cls, work in draw(st.lists(works(), min_size=length, max_size=length)):
        engine = Engine(cls.engine or 0)
        waits = {}
        for source, name in zip(Engine, WAITS, strict=True):
            most = 1 if may_deadlock else min(3, sent[source, engine])
            waits[name] = draw(st.integers(0, most)) if most else 0
            sent[source, engine] -= waits[name]
        signal = draw(st.integers(0, 15))
        for to in Engine:
            sent[engine, to] += signal >> to & 1
        banks = {n: 1 << draw(st.integers(0, 2)) if draw(st.booleans()) else 0
                 for n in ("read_banks", "write_banks", "accumulator_banks")}
        program.append(cls(**work, **waits, **banks, signal=signal))
    return [*program, Halt()]


def assert_equal(found: Timeline, expected: Timeline) -> None:
    for f in fields(Timeline):
        assert getattr(found, f.name) == getattr(expected, f.name), f.name


@settings(max_examples=150, deadline=None)
@given(programs(may_deadlock=False), chips())
def test_every_cycle_of_every_instruction_is_that_of_a_stepped_core(program: list[Instruction], spec: ChipSpec):
    expected = CycleByCycle(program, spec).run()
    assert expected is not None
    assert_equal(simulate(program, spec), expected)


@settings(max_examples=60, deadline=None)
@given(programs(may_deadlock=True), chips())
def test_a_deadlock_is_found_exactly_when_a_stepped_core_stands_still(program: list[Instruction], spec: ChipSpec):
    core = CycleByCycle(program, spec)
    expected = core.run()
    if expected is None:
        with pytest.raises(DeadlockError, match=rf"^instruction {first_stuck(core)} \("):
            simulate(program, spec)
    else:
        assert_equal(simulate(program, spec), expected)


BASES = [Vector(a_kind=1, size_x=9, columns=20, num_operations=3, num_constants=3, num_parameters=3, tap_x=2),
         Vector(a_kind=1, size_x=9, columns=20, num_operations=30, reduce=1, b_kind=1),
         Vector(a_kind=1, size_x=9, columns=20, num_operations=30, window=1, tap_y=3),
         Load(run_bytes=20, count0=3, count1=3, count2=3, memory_stride0=8, memory_stride1=9, memory_stride2=10),
         Load(run_bytes=20, count0=3, memory_address=7, fill=1),
         Load(run_bytes=20, count0=3, memory_address=7, gather=1),
         Store(run_bytes=20, count0=3, count1=3, count2=3, memory_stride0=8, memory_stride1=9, memory_stride2=10)]


@pytest.mark.parametrize("base", BASES, ids=lambda b: b.mnemonic())
def test_instructions_that_differ_in_any_field_have_costs_of_their_own(base: Instruction):
    for place in layout(type(base)):
        for value in (0, 1, 2, 5, 33):
            if place.low <= value <= place.high:
                other = replace(base, **{place.name: value})
                _, work, _ = demand([base, other, Halt()], NANO).works
                assert work == alone(other), place.name


def alone(instruction: Instruction) -> tuple[int, int]:
    """(cycles, drain cycles) of a vector, (cycles, fill) of a transfer."""
    if isinstance(instruction, Vector):
        return vector_cycles(instruction, NANO), drain_cycles(instruction, NANO)
    assert isinstance(instruction, Load | Store)
    return transfer_cycles(instruction, NANO), int(getattr(instruction, "fill", 0))


def test_banks_of_the_same_number_but_another_kind_do_not_clash():
    program = [Load(fill=1, run_bytes=3200, write_banks=1), Store(run_bytes=8, read_banks=1),
               Matmul(size_x=2, accumulator_banks=1), Halt()]
    line = simulate(program, NANO)
    assert line.banks[:3] == line.tokens[:3]
    held = simulate([program[0], Vector(write_banks=1), Halt()], NANO)
    assert held.banks[1] == held.completed[0]
