"""The vector engine's micro-operations: declared once, with the value that each computes.

A lane holds 32-bit registers. Arithmetic is IEEE-754 binary32, round to nearest even, subnormals kept; every NaN that
it makes is the canonical NaN 0x7FC00000. Bit operations (and `mov`, `sel`) read and write the same registers as raw
32-bit patterns, whatever number a pattern would be: 0x7FFFFFFF is a mask. `mad` rounds twice (after the product and
after the sum), so plain NumPy is an exact model of it.

Assembler, manual, register allocator, simulator and hardware all read the table `MICRO_OPS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CANONICAL_NAN = 0x7FC00000
_F32 = np.float32
_INT_LOW, _INT_HIGH = _F32(-(2.0**31)), _F32(2.0**31)


@dataclass(frozen=True)
class MicroOp:
    """One operation of a lane: ``compute`` takes float32 arrays (bit patterns viewed as float32) and returns one."""

    name: str
    opcode: int
    arity: int
    compute: Callable[..., np.ndarray]
    doc: str


MICRO_OPS: dict[str, MicroOp] = {}


def _define(opcode: int, arity: int) -> Callable[[Callable[..., np.ndarray]], Callable[..., np.ndarray]]:
    def register(compute: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        name = compute.__name__.removesuffix("_")
        clash = next((op.name for op in MICRO_OPS.values() if op.opcode == opcode), None)
        if clash:
            raise ValueError(f"micro-operation code {opcode} of {name} is already taken by {clash}")
        MICRO_OPS[name] = MicroOp(name, opcode, arity, compute, (compute.__doc__ or "").strip())
        return compute
    return register


def canonical(x: np.ndarray) -> np.ndarray:
    """``x`` with every NaN replaced by the canonical one."""
    if x.size == 0 or not np.isnan(np.min(x)):  # one pass without a temporary: NaN survives a minimum
        return x
    return np.where(np.isnan(x), _F32(np.nan), x)


def _bits(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, _F32).view(np.int32)


def _floats(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.int32).view(_F32)


def _truth(x: np.ndarray) -> np.ndarray:
    return x.astype(_F32)


@_define(0, 1)
def mov(a):
    """a"""
    return a


@_define(1, 2)
def add(a, b):
    """a + b"""
    return canonical(a + b)


@_define(2, 2)
def sub(a, b):
    """a - b"""
    return canonical(a - b)


@_define(3, 2)
def mul(a, b):
    """a * b"""
    return canonical(a * b)


@_define(4, 3)
def mad(a, b, c):
    """a * b rounded, then + c rounded"""
    return canonical(a * b + c)


@_define(5, 2)
def min_(a, b):
    """the smaller; NaN if either is NaN; a zero result is +0"""
    return canonical(np.minimum(a, b) + _F32(0))


@_define(6, 2)
def max_(a, b):
    """the larger; NaN if either is NaN; a zero result is +0"""
    return canonical(np.maximum(a, b) + _F32(0))


@_define(7, 2)
def lt(a, b):
    """1 if a < b, else 0 (0 for NaN)"""
    return _truth(np.less(a, b))


@_define(8, 2)
def le(a, b):
    """1 if a <= b, else 0 (0 for NaN)"""
    return _truth(np.less_equal(a, b))


@_define(9, 2)
def eq(a, b):
    """1 if a == b, else 0 (0 for NaN)"""
    return _truth(np.equal(a, b))


@_define(10, 3)
def sel(a, b, c):
    """c if a is +0 or -0, else b (so a NaN condition selects b)"""
    return np.where(np.equal(a, _F32(0)), c, b)


@_define(11, 1)
def rne(a):
    """a rounded to an integer, ties to even; infinities and zeros keep their value and sign"""
    return canonical(np.rint(a))


@_define(12, 1)
def floor(a):
    """the largest integer that is not above a"""
    return canonical(np.floor(a))


@_define(13, 1)
def f2i(a):
    """a rounded to a 32-bit integer pattern, ties to even, saturating; NaN gives 0"""
    rounded = np.rint(a)
    inside = (rounded >= _INT_LOW) & (rounded < _INT_HIGH)
    exact = np.where(inside, rounded, _F32(0)).astype(np.int32)
    high = np.where(rounded >= _INT_HIGH, np.int32(2**31 - 1), exact)
    return _floats(np.where(rounded < _INT_LOW, np.int32(-(2**31)), high))


@_define(14, 1)
def i2f(a):
    """the 32-bit integer pattern a as a number, rounded to nearest even"""
    return np.asarray(a, _F32).view(np.int32).astype(_F32)


@_define(15, 2)
def and_(a, b):
    """bitwise and"""
    return _floats(_bits(a) & _bits(b))


@_define(16, 2)
def or_(a, b):
    """bitwise or"""
    return _floats(_bits(a) | _bits(b))


@_define(17, 2)
def xor(a, b):
    """bitwise exclusive or"""
    return _floats(_bits(a) ^ _bits(b))


@_define(18, 2)
def iadd(a, b):
    """integer sum of the two patterns, modulo 2**32"""
    with np.errstate(over="ignore"):
        return _floats(_bits(a) + _bits(b))


@_define(19, 2)
def isub(a, b):
    """integer difference of the two patterns, modulo 2**32"""
    with np.errstate(over="ignore"):
        return _floats(_bits(a) - _bits(b))


@_define(20, 2)
def shl(a, b):
    """pattern a shifted left by the low five bits of pattern b"""
    return _floats(np.left_shift(_bits(a), _bits(b) & 31))


@_define(21, 2)
def shr(a, b):
    """pattern a shifted right by the low five bits of pattern b, sign kept"""
    return _floats(np.right_shift(_bits(a), _bits(b) & 31))
