"""Operands that find faults in binary32 units: random patterns alone hit almost no tie, border or subnormal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SPECIALS = np.array([
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x00000002, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800001,
    0x00FFFFFF, 0x3F800000, 0xBF800000, 0x3F800001, 0xBF7FFFFF, 0x3F000000, 0xBF000000, 0x3FC00000, 0x40200000,
    0xC0600000, 0x34000000, 0x33800000, 0x33800001, 0x4A800001, 0x4B000000, 0x4B000001, 0xCB800001, 0x42FF0000,
    0xC3008000, 0x4EFFFFFF, 0x4F000000, 0xCF000000, 0xCF000001, 0x1FFFFFFF, 0x20000000, 0x72FFFFFF, 0x73000000,
    0xF3000001, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F000000, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00001, 0x7F800001,
    0xFFFFFFFF], np.uint32)
"""Zeros, subnormals and their border, ones and neighbours, halves, halves of a last place, first numbers without a
fraction, borders of INT8 and INT32, the largest number and half of its last place, infinities, NaNs of every kind."""

Operands = tuple[np.ndarray, np.ndarray, np.ndarray]
"""uint32 [items] each: patterns a, b, c."""


def special_operands() -> Operands:
    """Every pair of `SPECIALS`, with every one of them as the third operand somewhere."""
    count = len(SPECIALS)
    a, b = np.repeat(SPECIALS, count), np.tile(SPECIALS, count)
    return a, b, SPECIALS[(np.arange(count * count) * 7 + np.arange(count * count) // count) % count]


def mixed_operands(rng: np.random.Generator, count: int) -> Operands:
    """``count`` operands, equally many of each kind in `KINDS`, in random order."""
    parts = [kind(rng, -(-count // len(KINDS))) for kind in KINDS]
    order = rng.permutation(sum(len(part[0]) for part in parts))[:count]
    a, b, c = (np.concatenate(column)[order] for column in zip(*parts, strict=True))
    return a, b, c


def _random(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 1 << 32, count, dtype=np.uint32)


def _signed(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Patterns of the numbers ``x`` (exact in binary32), each with a random sign."""
    return np.asarray(x, np.float32).view(np.uint32) ^ (rng.integers(0, 2, len(x), dtype=np.uint32) << 31)


def _jittered(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """A quarter of the patterns moved one up or down."""
    return x + (rng.integers(-1, 2, len(x)) * (rng.random(len(x)) < 0.375)).astype(np.uint32)


def _odd(rng: np.random.Generator, count: int, max_bits: int) -> np.ndarray:
    """Odd integers of random lengths, int64."""
    return rng.integers(0, 1 << rng.integers(1, max_bits + 1, count)) | 1


def random_patterns(rng: np.random.Generator, count: int) -> Operands:
    return _random(rng, count), _random(rng, count), _random(rng, count)


def one_special(rng: np.random.Generator, count: int) -> Operands:
    """One or two special operands among random ones."""
    columns = [_random(rng, count) for _ in range(3)]
    for column in columns:
        special = rng.random(count) < 0.5
        column[special] = rng.choice(SPECIALS, int(special.sum()))
    return columns[0], columns[1], columns[2]


def close_exponents(rng: np.random.Generator, count: int) -> Operands:
    """Numbers whose exponents differ by 30 at most."""
    exponent = rng.integers(0, 255, count)
    near = [np.clip(exponent + rng.integers(-30, 31, count), 0, 254) for _ in range(2)]
    a, b, c = (((e << 23).astype(np.uint32) | _random(rng, count) & np.uint32(0x807FFFFF)) for e in (exponent, *near))
    return a, b, c


def neighbours(rng: np.random.Generator, count: int) -> Operands:
    """The same number or one a little beside it, with either sign."""
    a = _random(rng, count)
    b = a + rng.integers(-2, 3, count).astype(np.uint32)
    return a, b ^ (rng.integers(0, 2, count, dtype=np.uint32) << 31), a


def sum_ties(rng: np.random.Generator, count: int) -> Operands:
    """A number and an odd multiple of half of its last place."""
    exponent = rng.integers(26, 254, count)
    a = _signed(rng, np.ldexp(rng.integers(1 << 23, 1 << 24, count), exponent - 150))
    b = _jittered(rng, _signed(rng, np.ldexp(_odd(rng, count, 23), exponent - 151)))
    return a, b, a


def product_ties(rng: np.random.Generator, count: int) -> Operands:
    """Products of odd integers that need exactly 25 bits, one more than there are, as numbers of any exponent."""
    first = _odd(rng, count, 22)
    second = np.ceil((1 << 24) / first + rng.random(count) * (1 << 24) / first).astype(np.int64) | 1
    scale = rng.integers(-60, 30, (2, count))
    b = _jittered(rng, _signed(rng, np.ldexp(second, scale[1])))
    return _signed(rng, np.ldexp(first, scale[0])), b, _random(rng, count)


def subnormal_ties(rng: np.random.Generator, count: int) -> Operands:
    """Products that end at half of the smallest subnormal."""
    first = _odd(rng, count, 20)
    second = rng.integers(0, np.maximum((1 << 24) // first, 1)) | 1
    scale = rng.integers(-149, 0, count)
    b = _jittered(rng, _signed(rng, np.ldexp(second, -150 - scale)))
    return _signed(rng, np.ldexp(first, scale)), b, _random(rng, count)


def multiply_add_ties(rng: np.random.Generator, count: int) -> Operands:
    """Exact products, and odd multiples of half of their last place."""
    a, b = (rng.integers(1, 1 << 12, count).astype(np.float64) for _ in range(2))
    exponent = np.frexp(a * b)[1]
    c = _jittered(rng, _signed(rng, np.ldexp(_odd(rng, count, 23), exponent - 25)))
    return _signed(rng, a), _signed(rng, b), c


def overflows(rng: np.random.Generator, count: int) -> Operands:
    """Products and sums around the largest number."""
    low = rng.integers(64, 191, count)
    high = np.minimum(381 - low + rng.integers(-2, 2, count), 254)
    a, b = ((e << 23).astype(np.uint32) | _random(rng, count) & np.uint32(0x807FFFFF) for e in (low, high))
    top = rng.random(count) < 0.5
    a[top] |= np.uint32(0x7F000000)
    return a & np.uint32(0xFF7FFFFF), b, _random(rng, count) | np.uint32(0x7F000000)


def around_integers(rng: np.random.Generator, count: int) -> Operands:
    """Numbers of small to beyond 32-bit size; every third ends in a half, or a little beside it."""
    fraction = _random(rng, count) << rng.integers(0, 24, count, dtype=np.uint32)
    exponent = rng.integers(120, 162, count).astype(np.uint32)
    a = exponent << 23 | fraction & np.uint32(0x7FFFFF) | rng.integers(0, 2, count, dtype=np.uint32) << 31
    halves = rng.random(count) < 0.33
    a[halves] = _jittered(rng, _signed(rng, _odd(rng, count, 23) / 2))[halves]
    return a, rng.permutation(a), rng.permutation(a)


def integers(rng: np.random.Generator, count: int) -> Operands:
    """Integer patterns: halves between the numbers of 24 bits, and small ones (also distances of shifts)."""
    shift = rng.integers(1, 8, count)
    tie = (rng.integers(1 << 23, 1 << 24, count) << shift) + (1 << shift - 1) + rng.integers(-1, 2, count)
    small = rng.integers(-40, 41, (2, count))
    a = np.where(rng.random(count) < 0.7, tie * rng.choice([-1, 1], count), small[0])
    return a.astype(np.uint32), small[1].astype(np.uint32), _random(rng, count)


KINDS: tuple[Callable[[np.random.Generator, int], Operands], ...] = (
    random_patterns, one_special, close_exponents, neighbours, sum_ties, product_ties, subnormal_ties,
    multiply_add_ties, overflows, around_integers, integers)
