"""Row reductions on the hardware: against the simulator to the cycle, and against a tree of sums written out here."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from chips import NANO, TINY
from one_vector import F32, results, run_vector, same_bits, word

from seedchip.isa import Halt, Vector, encode_program
from seedchip.rtl.simulation.run import HardwareFault, run_hardware
from seedchip.rtl.vector.combine import VectorCombine, folds
from seedchip.spec import ChipSpec

CHIPS = pytest.mark.parametrize("spec", [TINY, NANO], ids=lambda spec: spec.name)
KINDS = {"sum": 1, "maximum": 2, "minimum": 3}
COMBINE = {"sum": np.add, "maximum": np.maximum, "minimum": np.minimum}
IDENTITY = {"sum": F32(0), "maximum": F32(-np.inf), "minimum": F32(np.inf)}


def by_tree(kind: str, rows: np.ndarray) -> np.ndarray:
    """binary32 [rows]: element j into partial j mod 64, then p with p + 32, + 16, ... and + 1."""
    partials = np.full((len(rows), 64), IDENTITY[kind])
    with np.errstate(all="ignore"):
        for j, column in enumerate(rows.T):
            partials[:, j % 64] = column if j < 64 else COMBINE[kind](partials[:, j % 64], column)
        while partials.shape[1] > 1:
            low, high = np.split(partials, 2, axis=1)
            partials = COMBINE[kind](low, high)
        result = partials[:, 0]
        if kind != "sum":
            result = result + F32(0)
    return np.where(np.isnan(result), np.array(0x7FC00000, np.uint32).view(F32), result)


def reduction(kind: str, rows: np.ndarray, columns: int, **fields: int) -> Vector:
    """Reduce ``columns`` elements of every one of ``rows``, to dense results."""
    return Vector(reduce=KINDS[kind], size_x=len(rows), columns=columns, a_type=2, a_stride_x=rows.strides[0],
                  out_stride_x=4, **fields)


@pytest.mark.parametrize("columns", [1, 3, 4, 5, 8, 9, 31, 33, 63, 64, 65, 72, 127, 128, 129])
@CHIPS
def test_a_row_is_summed_in_the_order_of_the_tree(spec, columns):
    rng = np.random.default_rng(columns)
    lanes = spec.vector.lanes
    rows = (rng.normal(0, 1, (5, -(-columns // lanes) * lanes)) * 10.0 ** rng.integers(-3, 4, (5, 1))).astype(F32)
    run = run_vector(spec, reduction("sum", rows, columns), rows)
    same_bits(results(spec, run, (5,)), by_tree("sum", rows[:, :columns]))


@pytest.mark.parametrize("kind", KINDS)
@CHIPS
def test_signed_zeros_infinities_and_nans_come_out_as_the_tree_says(spec, kind):
    """Rows of -0 alone, with one element that is special, or with two."""
    zeros = np.full((9, 72), -0.0, F32)
    zeros[1, 70], zeros[2, 0], zeros[3, 65], zeros[4, 1] = np.inf, -np.inf, np.nan, 1e-45
    zeros[5, 3], zeros[5, 67] = np.inf, -np.inf
    zeros[6, 2], zeros[7, 9] = np.array([0xFFC12345, 0x7F800001], np.uint32).view(F32)
    for columns in (72, 17):
        run = run_vector(spec, reduction(kind, zeros, columns), zeros)
        same_bits(results(spec, run, (9,)), by_tree(kind, zeros[:, :columns]))


@pytest.mark.parametrize("num_rows", [1, 7, 8, 9, 16, 17])
def test_blocks_of_eight_rows_and_what_is_left(num_rows):
    rows = np.random.default_rng(num_rows).normal(0, 10, (num_rows, 36)).astype(F32)
    run = run_vector(TINY, reduction("sum", rows, 34), rows)
    same_bits(results(TINY, run, (num_rows,)), by_tree("sum", rows[:, :34]))
    assert not run.hardware.scratchpad[TINY.scratchpad.bytes // 2 + 4 * num_rows:].any()
    # Blocks of 8 rows: 9 groups of a slot, 15 + 2 folds; then the pipeline and the last addition.
    started, completed = (getattr(run.timeline, name)[1] for name in ("started", "completed"))
    assert completed - started == -(-num_rows // 8) * 8 * (9 + 17) + 15 + 4


def test_the_micro_program_comes_before_the_reduction():
    """A dot product with a vector, a scalar a row and a parameter a column, clamped."""
    rng = np.random.default_rng(8)
    a, b = rng.normal(0, 3, (10, 24)).astype(F32), rng.normal(0, 3, (10, 24)).astype(F32)
    scalar, column = rng.normal(0, 3, 10).astype(F32), rng.normal(0, 3, 24).astype(F32)
    words = [word("sub", 1, 16, 18), word("mul", 2, 1, 17), word("add", 0, 2, 24)]
    parameters = np.concatenate([column, np.array(words, np.uint32).view(F32)])
    vector = reduction("sum", a, 22, b_kind=1, b_type=2, b_address=a.nbytes, b_stride_x=b.strides[0], c_kind=2,
                       c_type=2, c_address=2 * a.nbytes, c_stride_x=4, num_parameters=1, num_operations=3,
                       program_address=6, clamp_low=int(F32(-20).view(np.uint32)),
                       clamp_high=int(F32(30).view(np.uint32)))
    operands = np.concatenate([a.reshape(-1), b.reshape(-1), scalar])
    run = run_vector(TINY, vector, operands, parameters)
    terms = (a - scalar[:, None]) * b + column
    same_bits(results(TINY, run, (10,)), np.clip(by_tree("sum", terms[:, :22]), F32(-20), F32(30)))


def test_a_bound_that_is_no_number_bounds_nothing_and_crossed_bounds_give_the_upper_one():
    rows = np.array([[-9.0, 0, 0, 0], [0, 0, 0, 0], [9.0, 0, 0, 0]], F32)
    pattern = {x: int(F32(x).view(np.uint32)) for x in (np.nan, 5.0, -5.0)}
    for low, high, expected in ((np.nan, 5.0, [-9, 0, 5]), (-5.0, np.nan, [-5, 0, 9]), (5.0, -5.0, [-5, -5, -5])):
        run = run_vector(TINY, reduction("sum", rows, 4, clamp_low=pattern[low], clamp_high=pattern[high]), rows)
        same_bits(results(TINY, run, (3,)), np.array(expected, F32))


def chip_with_lanes(lanes: int) -> ChipSpec:
    return dataclasses.replace(NANO, vector=dataclasses.replace(NANO.vector, lanes=lanes),
                               matrix=dataclasses.replace(NANO.matrix, columns=max(lanes, 8)),
                               accumulator=dataclasses.replace(NANO.accumulator, bytes=1 << 16))


@pytest.mark.parametrize("lanes, num_folds", [(4, 17), (8, 10), (16, 7), (32, 6), (64, 6)])
def test_the_same_tree_for_every_number_of_lanes(lanes, num_folds):
    rng = np.random.default_rng(lanes)
    assert len(folds(lanes)) == num_folds
    rows = rng.normal(0, 10, (8, 70)).astype(F32)
    same_bits(combined(chip_with_lanes(lanes), rows), by_tree("sum", rows))


def combined(spec: ChipSpec, rows: np.ndarray) -> np.ndarray:
    """binary32 [8]: the sums that `VectorCombine` finds for 8 rows."""
    lanes, columns = spec.vector.lanes, rows.shape[1]
    unit, found = VectorCombine(spec), []
    groups = -(-columns // lanes)
    padded = np.full((8, groups * lanes), np.nan, F32)
    padded[:, :columns] = rows
    steps: list[tuple[dict[str, int], np.ndarray]] = []
    for group, row in np.ndindex(groups, 8):
        first = group * lanes
        steps.append(({"vector": group % (64 // lanes), "fresh": int(first < 64), "live": 1,
                       "count": min(lanes, columns - first), "fold": 0, "step": 0, "index": row},
                      padded[row, first:first + lanes]))
    for number, row in np.ndindex(len(folds(lanes)), 8):
        steps.append(({"vector": 0, "fresh": 0, "live": 0, "count": 0, "fold": 1, "step": number, "index": row},
                      padded[row, :lanes]))

    async def drive(ctx: Any) -> None:
        ctx.set(unit.kind, 1)
        ctx.set(unit.columns, columns)
        for cycle in range(len(steps) + 8):
            ctx.set(unit.step.valid, cycle < len(steps))
            if cycle < len(steps):
                fields, elements = steps[cycle]
                ctx.set(unit.step.place.index, fields.pop("index"))
                for name, value in fields.items():
                    ctx.set(unit.step[name], value)
                ctx.set(unit.elements, int.from_bytes(elements.tobytes(), "little"))
            if ctx.get(unit.finished):
                found.append(ctx.get(unit.result) & 0xFFFFFFFF)
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    return np.array(found, np.uint32).view(F32)


@pytest.mark.parametrize("fields", [
    {"columns": 0}, {"size_x": 0}, {"b_kind": 3}, {"c_kind": 3}, {"b_kind": 1, "b_type": 3}, {"num_parameters": 9},
    {"num_operations": 65}, {"num_constants": 65}, {"a_kind": 0}, {"reduce": 0, "out_type": 3},
], ids=str)
def test_a_malformed_vector_instruction_stops_the_core(fields):
    wrong = dataclasses.replace(Vector(reduce=1, read_banks=1, write_banks=2, out_address=4096), **fields)
    code = encode_program([wrong, Halt()])
    memory = np.zeros(4096, np.uint8)
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    with pytest.raises(HardwareFault, match=r"with fault field in instruction 1 of vector$"):
        run_hardware(NANO, memory, 0, len(code) // 64, 1000)
