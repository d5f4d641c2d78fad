"""Binary32 units against NumPy: every pair of special patterns, directed ties, random patterns."""

import numpy as np
import pytest
from units import run_pipeline

from seedchip.numerics.microop import MICRO_OPS, canonical
from seedchip.rtl.binary32 import add, convert, multiply
from seedchip.rtl.binary32 import round as rounding
from seedchip.rtl.binary32.add import FloatAdd
from seedchip.rtl.binary32.convert import FloatToInteger, IntegerToFloat
from seedchip.rtl.binary32.multiply import FloatMultiply
from seedchip.rtl.binary32.round import FloatRound
from seedchip.rtl.vector import lane
from seedchip.rtl.vector.lane import VectorLane

SPECIALS = np.array([
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800001, 0x00FFFFFF,
    0x3F800000, 0xBF800000, 0x3F800001, 0xBF7FFFFF, 0x34000000, 0x33800000, 0x4B000001, 0xCB800001, 0x1FFFFFFF,
    0x20000000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001],
    np.uint32)
"""Zeros, subnormals and their border, ones, neighbours, halves of a last place, the largest, infinities, NaNs."""


def bits(x: np.ndarray) -> np.ndarray:
    return canonical(np.asarray(x, np.float32)).view(np.uint32)


def floats(x: np.ndarray) -> np.ndarray:
    return x.astype(np.uint32).view(np.float32)


def pairs(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of special patterns, random patterns, and numbers close to each other."""
    a, b = np.repeat(SPECIALS, len(SPECIALS)), np.tile(SPECIALS, len(SPECIALS))
    random = rng.integers(0, 1 << 32, (2, 500), dtype=np.uint32)
    near = rng.integers(0x3F000000, 0x41000000, (2, 300), dtype=np.uint32) ^ (rng.integers(0, 2, (2, 300)) << 31)
    return (np.concatenate([a, random[0], near[0]]).astype(np.uint32),
            np.concatenate([b, random[1], near[1]]).astype(np.uint32))


def sum_ties(rng: np.random.Generator, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """A number, and exactly half of its last place (sometimes a hair more or less), with either sign."""
    exponent = rng.integers(30, 220, count)
    a = (exponent << 23 | rng.integers(0, 1 << 23, count)).astype(np.uint32)
    b = (exponent - 24 << 23).astype(np.int64) + rng.integers(-1, 2, count) * (rng.random(count) < 0.3)
    return a, (b + (rng.integers(0, 2, count) << 31)).astype(np.uint32)


def product_ties(rng: np.random.Generator, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Products of odd integers that need exactly 25 bits, and halves of the smallest subnormal's multiples."""
    factors = rng.integers(1 << 11, 1 << 13, (2, count)) | 1
    a, b = (f.astype(np.float32) for f in factors)
    tiny = rng.integers(1, 1 << 12, count).astype(np.uint32)
    half = np.full(count, np.float32(0.5)).view(np.uint32)
    return np.concatenate([a.view(np.uint32), tiny]), np.concatenate([b.view(np.uint32), half])


@pytest.mark.parametrize("operands", [pairs, sum_ties])
def test_sums_are_those_of_numpy(operands):
    a, b = operands(np.random.default_rng(1))
    with np.errstate(all="ignore"):
        expected = bits(floats(a) + floats(b))
    np.testing.assert_array_equal(run_pipeline(FloatAdd(), {"a": a, "b": b}, "total", add.CYCLES), expected)


@pytest.mark.parametrize("operands", [pairs, product_ties])
def test_products_are_those_of_numpy(operands):
    a, b = operands(np.random.default_rng(2))
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
    rng = np.random.default_rng(5)
    a, b = pairs(rng)
    keep = rng.permutation(len(a))[:500]
    edges = whole_number_edges().view(np.uint32)
    a, b = np.concatenate([a[keep], edges, edges[::-1]]), np.concatenate([b[keep], edges, edges])
    operands = [a, b, rng.permutation(np.resize(SPECIALS, len(a))).astype(np.uint32)]
    op = MICRO_OPS[name]
    with np.errstate(all="ignore"):
        expected = np.asarray(op.compute(*map(floats, operands[:op.arity])), np.float32).view(np.uint32)
    found = run_pipeline(VectorLane(), {"opcode": np.full(len(a), op.opcode),
                                        **dict(zip("abc", operands, strict=True))}, "result", lane.CYCLES)
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
