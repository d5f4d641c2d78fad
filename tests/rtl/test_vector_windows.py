"""Windows on the hardware: against the simulator to the cycle, and against loops over taps."""

import dataclasses
import itertools

import numpy as np
import pytest
from chips import NANO, TINY
from one_vector import F32, results, run_vector, same_bits, word

from seedchip.conformance.random_programs import KINDS, random_case
from seedchip.isa import Halt, Vector, encode_program
from seedchip.rtl.simulation.run import HardwareFault, run_hardware

CHIPS = pytest.mark.parametrize("spec", [TINY, NANO], ids=lambda spec: spec.name)


def by_loops(v: Vector, image: np.ndarray) -> np.ndarray:
    """binary32 [size_y, size_x, columns] of ``image`` [y, x, columns]: tap after tap, row by row."""
    out = np.empty((v.size_y, v.size_x, v.columns), F32)
    for y, x in itertools.product(range(v.size_y), range(v.size_x)):
        value = None
        for i, j in itertools.product(range(v.tap_y), range(v.tap_x)):
            iy, ix = y * v.step_y + i * v.dilation_y + v.origin_y, x * v.step_x + j * v.dilation_x + v.origin_x
            if 0 <= iy < v.limit_y and 0 <= ix < v.limit_x:
                tap = image[iy, ix, :v.columns].astype(F32)
                value = tap if value is None else np.maximum(value, tap) + F32(0) if v.tap_max else value + tap
        out[y, x] = value if value is not None else -np.inf if v.tap_max else 0
    return out


def window(size: tuple[int, int], columns: int, image: np.ndarray, **fields: int) -> Vector:
    """A window over the whole ``image`` [y, x, columns rounded up to lanes], with dense binary32 results."""
    padded = image.shape[2]
    types = {np.dtype(np.int8): 0, np.dtype(np.int32): 1, np.dtype(F32): 2}
    return Vector(window=1, size_y=size[0], size_x=size[1], columns=columns, a_type=types[image.dtype],
                  a_stride_y=image.strides[0], a_stride_x=image.strides[1], limit_y=image.shape[0],
                  limit_x=image.shape[1], out_type=2, out_stride_y=4 * padded * size[1], out_stride_x=4 * padded,
                  **fields)


GEOMETRIES = {
    "two by two": {"tap_y": 2, "tap_x": 2, "step_y": 2, "step_x": 2},
    "padded on all sides": {"tap_y": 3, "tap_x": 3, "origin_y": -1, "origin_x": -1},
    "dilated": {"tap_y": 2, "tap_x": 3, "dilation_y": 3, "dilation_x": 2, "origin_y": -1, "origin_x": -2},
    "some on padding alone": {"tap_x": 2, "step_y": 4, "step_x": 3, "origin_y": -5, "origin_x": -3},
    "a single tap": {"origin_y": 1, "origin_x": -1},
}


@pytest.mark.parametrize("fields", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("tap_max", [0, 1], ids=["sum", "maximum"])
@CHIPS
def test_a_window_gives_what_loops_over_its_taps_give(spec, tap_max, fields):
    rng = np.random.default_rng(tap_max)
    lanes = spec.vector.lanes
    image = rng.normal(0, 100, (5, 4, 2 * lanes)).astype(F32)
    image[rng.random(image.shape) < 0.1] = -0.0
    vector = window((3, 4), 2 * lanes - 1, image, tap_max=tap_max, **fields)
    run = run_vector(spec, vector, image)
    found = results(spec, run, (3, 4, 2 * lanes))
    same_bits(found[..., :-1], by_loops(vector, image))
    assert not found[..., -1].any()


@pytest.mark.parametrize("dtype", [np.int8, np.int32], ids=["int8", "int32"])
def test_integers_are_summed_as_numbers(dtype):
    limits = np.iinfo(dtype)
    image = np.random.default_rng(0).integers(limits.min, limits.max, (4, 4, 4), dtype=dtype)
    vector = window((3, 3), 4, image, tap_y=2, tap_x=2)
    same_bits(results(TINY, run_vector(TINY, vector, image), (3, 3, 4)), by_loops(vector, image))


def test_the_micro_program_comes_after_the_window_and_has_all_its_operands():
    """mean * b + c, and a parameter for every column: 3 x 3 taps, then the reads of B and C, then three operations."""
    rng = np.random.default_rng(3)
    image, b = rng.normal(0, 9, (4, 5, 8)).astype(F32), rng.normal(0, 9, (4, 5, 8)).astype(F32)
    ninth, column = np.full(8, F32(1 / 9)), rng.normal(0, 9, 8).astype(F32)
    scalar = rng.normal(0, 9, 20).astype(F32)
    words = [word("mul", 1, 16, 24), word("mad", 2, 1, 17, 18), word("add", 0, 2, 25)]
    parameters = np.concatenate([np.stack([ninth, column]).reshape(2, 2, 4).transpose(1, 0, 2).reshape(-1),
                                 np.array(words, np.uint32).view(F32)])
    vector = window((4, 5), 8, image, tap_y=3, tap_x=3, origin_y=-1, origin_x=-1, b_kind=1, b_type=2,
                    b_address=image.nbytes, b_stride_y=b.strides[0], b_stride_x=b.strides[1], c_kind=2, c_type=2,
                    c_address=2 * image.nbytes, c_stride_y=20, c_stride_x=4, num_parameters=2, num_operations=3,
                    program_address=4)
    operands = np.concatenate([image.reshape(-1), b.reshape(-1), scalar])
    run = run_vector(TINY, vector, operands, parameters)
    expected = by_loops(vector, image) * ninth * b + scalar.reshape(4, 5, 1) + column
    same_bits(results(TINY, run, (4, 5, 8)), expected)


def test_a_window_of_four_hundred_taps():
    image = np.random.default_rng(5).integers(-128, 128, (20, 20, 4), dtype=np.int8)
    vector = window((1, 1), 4, image, tap_y=20, tap_x=20)
    run = run_vector(TINY, vector, image)
    same_bits(results(TINY, run, (1, 1, 4)), image.astype(F32).sum((0, 1))[None, None])
    # Start to end: 8 cycles of setup, 400 slots, the pipeline, and a slot for the move.
    started, completed = (getattr(run.timeline, name)[1] for name in ("started", "completed"))
    assert completed - started == 8 + 8 * 400 + 15 + 8


@pytest.mark.parametrize("seed", range(10))
@CHIPS
def test_random_vector_programs_differ_in_no_bit_and_no_cycle(spec, seed):
    others = [kind for kind in KINDS if kind not in ("load", "parameters", "matmul", "map", "window", "reduce")]
    run = random_case(spec, seed, 30, others).run(spec)
    assert run.cycles == run.timeline.cycles


@pytest.mark.parametrize("fields", [
    {"reduce": 1}, {"a_kind": 0}, {"a_kind": 2}, {"a_kind": 3}, {"tap_y": 0}, {"tap_x": 0}, {"step_y": 0},
    {"step_x": 0}, {"dilation_y": 0}, {"dilation_x": 0}, {"a_type": 3}, {"size_y": 0},
], ids=str)
def test_a_malformed_window_stops_the_core(fields):
    wrong = dataclasses.replace(Vector(window=1, read_banks=1, write_banks=2, out_address=4096), **fields)
    code = encode_program([wrong, Halt()])
    memory = np.zeros(4096, np.uint8)
    memory[:len(code)] = np.frombuffer(code, np.uint8)
    with pytest.raises(HardwareFault, match=r"with fault field in instruction 1 of vector$"):
        run_hardware(NANO, memory, 0, len(code) // 64, 1000)
