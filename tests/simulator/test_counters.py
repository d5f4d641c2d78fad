"""Counters add up on any program, and traffic agrees with a count of single granules."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from random_instructions import SPEC, matmuls, transfers, vectors

from seedchip.isa import Engine, Halt, Load, Matmul
from seedchip.isa.causes import ENGINE_CAUSES
from seedchip.simulator import simulate
from seedchip.simulator.counters import busy_intervals, count_cycles, count_macs, count_traffic, fetched_bytes


@st.composite
def programs(draw):
    """Random instructions with random banks; each may wait for a token that an earlier one of another engine sends."""
    found, tokens = [], {}
    for i in draw(st.lists(st.one_of(transfers(), matmuls(), vectors().map(lambda v: v[0])), max_size=40)):
        header = {"read_banks": draw(st.sampled_from([0, 1, 2, 3, 0xFFFF])),
                  "write_banks": draw(st.sampled_from([0, 1, 6])),
                  "accumulator_banks": draw(st.integers(0, 3)), "signal": draw(st.integers(0, 15))}
        for source in Engine:
            if tokens.get((source, i.engine), 0) and draw(st.booleans()):
                tokens[source, i.engine] -= 1
                header[f"wait_{source.name.lower()}"] = 1
        for target in Engine:
            if header["signal"] >> target & 1:
                tokens[i.engine, target] = tokens.get((i.engine, target), 0) + 1
        found.append(dataclasses.replace(i, **header))
    return [*found, Halt()]


@settings(max_examples=60, deadline=None)
@given(programs())
def test_the_causes_of_every_engine_add_up_to_the_run(program):
    line = simulate(program, SPEC)
    counted = count_cycles(program, SPEC, line)
    assert list(counted) == ["matrix", "vector", "load", "store"]
    for causes in counted.values():
        assert min(causes.values()) >= 0
        assert sum(causes.values()) == line.cycles
    for engine in Engine:
        own = {cause.name.lower() for cause in ENGINE_CAUSES[engine]}
        assert not any(count for cause, count in counted[engine.name.lower()].items() if cause not in own)
    assert counted["matrix"]["active"] * SPEC.macs_per_cycle == count_macs(program, SPEC)
    for engine in ("vector", "load", "store"):
        busy = sum(b for b, i in zip(line.busy, program, strict=True)
                   if i.engine is not None and i.engine.name.lower() == engine)
        assert counted[engine]["active"] == busy


@settings(max_examples=60, deadline=None)
@given(programs())
def test_intervals_of_an_engine_do_not_overlap(program):
    line = simulate(program, SPEC)
    for engine in Engine:
        lane = [i for i in busy_intervals(program, SPEC, line) if i.engine == engine.name.lower()]
        assert all(a.end <= b.start for a, b in itertools.pairwise(lane))
        assert all(i.start <= i.end <= line.cycles for i in lane)


@settings(max_examples=100, deadline=None)
@given(transfers())
def test_traffic_is_the_number_of_granules_touched_by_each_run(transfer):
    size, touched = SPEC.memory.granule_bytes, 0
    for i2, i1, i0 in itertools.product(range(transfer.count2), range(transfer.count1), range(transfer.count0)):
        first = (transfer.memory_address + i2 * transfer.memory_stride2 + i1 * transfer.memory_stride1
                 + i0 * transfer.memory_stride0)
        touched += len({b // size for b in range(first, first + transfer.run_bytes)})
    read, written = count_traffic([transfer], SPEC)[0]
    if isinstance(transfer, Load):
        assert (read, written) == ((0 if transfer.fill else touched * size), 0)
    else:
        assert (read, written) == (0, touched * size)


def test_every_program_byte_is_fetched_once():
    program = [Matmul(), Load(), Halt()]
    assert fetched_bytes(program, SPEC) == 4 * 64
    assert simulate(program, SPEC).fetch_cycles * SPEC.memory.bytes_per_cycle == 4 * 64
