"""Parts of IEEE-754 binary32 patterns as hardware expressions."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value, ValueLike
from amaranth.lib import data

from seedchip.numerics.microop import CANONICAL_NAN

FLOAT = data.StructLayout({"fraction": 23, "exponent": 8, "sign": 1})
NAN = Const(CANONICAL_NAN, 32)
INFINITY, MINUS_INFINITY = 0x7F800000, 0xFF800000
ONE, MINUS_ZERO = 0x3F800000, 0x80000000


def is_nan(x: ValueLike) -> Value:
    f = data.View(FLOAT, x)
    return (f.exponent == 0xFF) & (f.fraction != 0)


def is_infinite(x: ValueLike) -> Value:
    f = data.View(FLOAT, x)
    return (f.exponent == 0xFF) & (f.fraction == 0)


def significand(x: ValueLike) -> Value:
    """24 bits; subnormals have no hidden one."""
    f = data.View(FLOAT, x)
    return Cat(f.fraction, f.exponent != 0)


def scale(x: ValueLike) -> Value:
    """Biased exponent, 1 for subnormals: the value is significand * 2**(scale - 150)."""
    f = data.View(FLOAT, x)
    return Mux(f.exponent == 0, 1, f.exponent)


def less(a: Value, b: Value) -> Value:
    """a < b for patterns that are not NaN; zeros are equal."""
    sign_a, sign_b, size_a, size_b = a[31], b[31], a[:31], b[:31]
    zeros = (size_a == 0) & (size_b == 0)
    return Mux(sign_a == sign_b, (sign_a ^ (size_a < size_b)) & (size_a != size_b), sign_a & ~zeros)


def rounds_up(x: Value, places: int) -> Value:
    """Whether ``x`` without its lowest ``places`` bits is one too small: to nearest, ties to even."""
    return x[places - 1] & (x[:places - 1].any() | x[places])


def normalise(m: Module, x: Value) -> tuple[Value, Value]:
    """``x`` moved up until its highest bit is one, and by how many places; all ones where ``x`` is 0.

    By ever smaller steps: count and move are the same chain. Every intermediate value is a signal: hardware expressions
    are trees, and a shared one would be copied.
    """
    taken: list[Value] = []
    for k in reversed(range((len(x) - 1).bit_length())):
        empty, moved = Signal(), Signal(len(x))
        m.d.comb += [empty.eq(x[-(1 << k):] == 0), moved.eq(Mux(empty, Cat(Const(0, 1 << k), x[:-(1 << k)]), x))]
        taken.append(empty)
        x = moved
    places = Signal(len(taken))
    m.d.comb += places.eq(Cat(reversed(taken)))
    return x, places


def shift_right_sticky(m: Module, x: Value, amount: Value, longest: int) -> Value:
    """``x`` shifted right; the lowest bit tells also whether any one was shifted out. The lowest one of ``x`` is moved
    by ``longest`` places below its lowest bit at most."""
    moved = Signal(longest + len(x))
    m.d.comb += moved.eq(Cat(Const(0, longest), x) >> amount)
    return Cat(moved[:longest + 1].any(), moved[longest + 1:])
