"""Binary32 units against NumPy in Amaranth's simulator, and answers worked by hand."""

import numpy as np
import pytest
from units import run_pipeline

from seedchip.numerics.microop import MICRO_OPS, canonical
from seedchip.rtl.binary32 import add, convert, multiply, operands
from seedchip.rtl.binary32 import round as rounding
from seedchip.rtl.binary32.add import FloatAdd
from seedchip.rtl.binary32.convert import FloatToInteger, IntegerToFloat
from seedchip.rtl.binary32.multiply import FloatMultiply
from seedchip.rtl.binary32.operands import SPECIALS
from seedchip.rtl.binary32.round import FloatRound
from seedchip.rtl.vector import lane
from seedchip.rtl.vector.lane import VectorLane


def bits(x: np.ndarray) -> np.ndarray:
    return canonical(np.asarray(x, np.float32)).view(np.uint32)


def floats(x: np.ndarray) -> np.ndarray:
    return x.astype(np.uint32).view(np.float32)


def pairs(kind, count=800):
    """Patterns a and b: operands of ``kind`` after as many pairs of specials, taken at random."""
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(SPECIALS) ** 2, count, replace=False)
    a, b = (np.concatenate([special[chosen], x]) for special, x in
            zip(operands.special_operands()[:2], kind(rng, count)[:2], strict=True))
    return a, b


@pytest.mark.parametrize("kind", [operands.mixed_operands, operands.sum_ties])
def test_sums_are_those_of_numpy(kind):
    a, b = pairs(kind)
    with np.errstate(all="ignore"):
        expected = bits(floats(a) + floats(b))
    np.testing.assert_array_equal(run_pipeline(FloatAdd(), {"a": a, "b": b}, "total", add.CYCLES), expected)


@pytest.mark.parametrize("kind", [operands.mixed_operands, operands.product_ties])
def test_products_are_those_of_numpy(kind):
    a, b = pairs(kind)
    with np.errstate(all="ignore"):
        expected = bits(floats(a) * floats(b))
    found = run_pipeline(FloatMultiply(), {"a": a, "b": b}, "product", multiply.CYCLES)
    np.testing.assert_array_equal(found, expected)


def test_integers_become_the_nearest_number():
    rng = np.random.default_rng(3)
    ties = (rng.integers(1 << 23, 1 << 24, 300) << 8) + 128 + rng.integers(-1, 2, 300)
    x = np.concatenate([[0, 1, -1, 127, -128, (1 << 24) + 1, -(1 << 31), (1 << 31) - 1], ties - (1 << 31),
                        rng.integers(-(1 << 31), 1 << 31, 500)]).astype(np.int32)
    found = run_pipeline(IntegerToFloat(), {"integer": x}, "number", convert.CYCLES)
    np.testing.assert_array_equal(found, x.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize("narrow, low, high", [(0, -(1 << 31), (1 << 31) - 1), (1, -128, 127)])
def test_numbers_become_the_nearest_integer_and_saturate(narrow, low, high):
    rng = np.random.default_rng(4)
    halves = (rng.integers(-300, 300, 400) / 2).astype(np.float32)
    edges = np.array([127.5, -128.5, 128.5, 2147483520, 2147483648, -2147483648, -2147483904, 0.5, -0.5, 1.5],
                     np.float32)
    x = np.concatenate([halves, edges, floats(SPECIALS), rng.normal(0, 1e9, 200).astype(np.float32),
                        floats(rng.integers(0, 1 << 32, 300, dtype=np.uint32))])
    with np.errstate(all="ignore"):
        expected = np.where(np.isnan(x), 0, np.clip(np.rint(x.astype(np.float64)), low, high)).astype(np.int64)
    found = run_pipeline(FloatToInteger(), {"number": x.view(np.uint32), "narrow": np.full(len(x), narrow)}, "integer",
                         convert.CYCLES)
    np.testing.assert_array_equal(found.view(np.int32), expected)


@pytest.mark.parametrize("down, function", [(0, np.rint), (1, np.floor)])
def test_numbers_become_whole_numbers_that_keep_the_sign_of_zero(down, function):
    rng = np.random.default_rng(6)
    x = np.concatenate([whole_number_edges(), floats(rng.integers(0, 1 << 32, 300, dtype=np.uint32))])
    with np.errstate(all="ignore"):
        expected = bits(function(x))
    found = run_pipeline(FloatRound(), {"value": x.view(np.uint32), "down": np.full(len(x), down)}, "result",
                         rounding.CYCLES)
    np.testing.assert_array_equal(found, expected)


def whole_number_edges() -> np.ndarray:
    """Eighths, specials, and numbers just below and above the first that can only be whole, 2**23."""
    eighths = np.arange(-40, 41) / 8
    large = np.array([2.0**22 + 0.5, 2.0**22 + 1.5, 2.0**23 - 0.5, 2.0**23 - 1.5, 2.0**23 + 1, 2.0**24 + 2, 2.0**31])
    return np.concatenate([np.concatenate([eighths, large, -large]).astype(np.float32), floats(SPECIALS)])


@pytest.mark.parametrize("name", MICRO_OPS)
def test_a_lane_computes_each_micro_operation_as_it_is_defined(name):
    a, b, c = operands.mixed_operands(np.random.default_rng(5), 200)
    op = MICRO_OPS[name]
    with np.errstate(all="ignore"):
        expected = np.asarray(op.compute(*map(floats, (a, b, c)[:op.arity])), np.float32).view(np.uint32)
    found = run_pipeline(VectorLane(), {"opcode": np.full(len(a), op.opcode), "a": a, "b": b, "c": c}, "result",
                         lane.CYCLES)
    np.testing.assert_array_equal(found, expected)


LANE_ANSWERS = {
    "lt": [("-0", "+0", 0.0), (-1.0, 1.0, 1.0), ("nan", 1.0, 0.0), (1.0, "nan", 0.0), ("-inf", "inf", 1.0)],
    "le": [("-0", "+0", 1.0), (2.0, 1.0, 0.0), ("nan", "nan", 0.0), ("inf", "inf", 1.0)],
    "eq": [("-0", "+0", 1.0), ("nan", "nan", 0.0), (1.5, 1.5, 1.0)],
    "min": [("-0", "+0", "+0"), ("nan", 1.0, "nan"), (-3.0, 2.0, -3.0)],
    "rne": [(0.5, 0.0, "+0"), (-0.5, 0.0, "-0"), (1.5, 0.0, 2.0), (2.5, 0.0, 2.0), ("-inf", 0.0, "-inf")],
    "floor": [(-0.5, 0.0, -1.0), (-1e-40, 0.0, -1.0), ("-0", 0.0, "-0"), (1.75, 0.0, 1.0)],
    "f2i": [(2.5, 0.0, 2), (-3.5, 0.0, -4), (3e9, 0.0, 2**31 - 1), (-3e9, 0.0, -(2**31)), ("nan", 0.0, 0)],
    "i2f": [(16777217, 0.0, 16777216.0), (16777219, 0.0, 16777220.0), (-(2**31), 0.0, -(2.0**31)), (0, 0.0, "+0")],
    "iadd": [(2**31 - 1, 1, -(2**31)), (-1, 1, 0)],
    "isub": [(-(2**31), 1, 2**31 - 1), (5, 7, -2)],
    "shl": [(3, 31, -(2**31)), (-1, 32, -1), (1, 33, 2)],
    "shr": [(-(2**31), 31, -1), (-8, 1, -4), (2**30, 30, 1), (-5, 64, -5)],
    "and": [(0b1100, 0b1010, 0b1000)], "or": [(0b1100, 0b1010, 0b1110)], "xor": [(0b1100, 0b1010, 0b0110)],
}
"""Worked by hand: operands a and b, result. Integers are patterns."""


def pattern(value: str | float | int) -> int:
    named = {"+0": 0, "-0": 0x80000000, "inf": 0x7F800000, "-inf": 0xFF800000, "nan": 0x7FC00000}
    if isinstance(value, str):
        return named[value]
    return int(np.float32(value).view(np.uint32)) if isinstance(value, float) else value & 0xFFFFFFFF


def test_a_lane_gives_answers_worked_by_hand():
    items = [(MICRO_OPS[name].opcode, *map(pattern, answer)) for name, all_ in LANE_ANSWERS.items() for answer in all_]
    opcode, a, b, expected = np.array(items, np.uint32).T
    found = run_pipeline(VectorLane(), {"opcode": opcode, "a": a, "b": b}, "result", lane.CYCLES)
    np.testing.assert_array_equal(found, expected)
