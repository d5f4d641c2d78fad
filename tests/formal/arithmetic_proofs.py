"""Proofs about the binary32 units, for all operands at once: their registers are taken as wires."""

from __future__ import annotations

from amaranth import Cat, Const, Mux, Signal, signed
from amaranth.hdl import Value
from prover import Bench, Mutant, Proof

from seedchip.rtl.binary32.add import FloatAdd
from seedchip.rtl.binary32.convert import FloatToInteger, IntegerToFloat
from seedchip.rtl.binary32.multiply import FloatMultiply

BINARY32 = "seedchip.rtl.binary32"
NAN, INFINITY = 0x7FC00000, 0x7F800000
FAR = 52
"""A last place so many bits above the unit is more than twice any exact value."""


def is_nan(x: Value) -> Value:
    return x[:31] > INFINITY


def is_nearest(bench: Bench, exact: Value, unit: Value, result: Value, name: str = "") -> Value:
    """Whether the finite binary32 ``result``, its sign left aside, is ``exact`` * 2**``unit`` rounded to nearest even.

    ``exact`` is at most 2**50; ``unit`` is signed. This is the definition, nothing is computed: the result lies within
    half a last place; at half a place its significand is even; below a power of two places are half as long.
    """
    fraction, exponent = result[:23], result[23:31]
    significand = Cat(fraction, exponent != 0)
    place = Signal(signed(12), name=f"place{name}")  # 2**place: the result's last place, in units of ``exact``
    above, below = Signal(range(FAR + 1), name=f"above{name}"), Signal(range(26), name=f"below{name}")
    error, size = Signal(signed(80), name=f"error{name}"), Signal(80, name=f"size{name}")
    half = Signal(54, name=f"half{name}")
    bench.m.d.comb += [
        place.eq(Mux(exponent == 0, 1, exponent) - 150 - unit),
        above.eq(Mux(place > FAR, FAR, Mux(place < 0, 0, place))), below.eq(Mux(place < -25, 25, -place)),
        error.eq((exact << 1) - (significand << above << 1)), size.eq(Mux(error < 0, -error, error)),
        half.eq(1 << above),
    ]
    shorter = (fraction == 0) & (exponent > 1) & (error < 0)
    near = (size < half) | ((size == half) & ~fraction[0])
    return Mux(place <= 0, (exact << below) == significand, near & (~shorter | ((size << 1) <= half)))


def overflows(bench: Bench, exact: Value, unit: Value) -> Value:
    """Whether ``exact`` * 2**``unit`` is at least half a place above the largest binary32, (2**25 - 1) * 2**103."""
    place, up, down = Signal(signed(12)), Signal(range(27)), Signal(range(27))
    bench.m.d.comb += [place.eq(unit - 103), up.eq(Mux(place > 26, 26, place)), down.eq(Mux(place < -26, 26, -place))]
    return Mux(place >= 0, (exact << up) >= (1 << 25) - 1, exact >= (Const((1 << 25) - 1, 25) << down))


def parts(x: Value) -> tuple[Value, Value]:
    """Significand and exponent: the value is significand * 2**(exponent - 150)."""
    exponent = x[23:31]
    return Cat(x[:23], exponent != 0), Mux(exponent == 0, 1, exponent)


def integer_to_float() -> Bench:
    bench = Bench()
    unit = IntegerToFloat()
    bench.unit("unit", unit, "integer")
    size = Mux(unit.integer < 0, -unit.integer, unit.integer).as_unsigned()[:32]
    bench.always(unit.number[31] == (unit.integer < 0))
    bench.always(is_nearest(bench, size, Const(0, signed(2)), unit.number))
    return bench


def float_to_integer() -> Bench:
    """The integer is within a half of the number, even at a half, or the limit that the number is beyond; rounded down
    it is at most the number and less than one below it."""
    bench = Bench()
    unit = FloatToInteger()
    bench.unit("unit", unit, "number narrow down")
    x, y = unit.number, unit.integer
    negative = x[31]
    significand, exponent = parts(x)
    size = Mux(negative, -y, y).as_unsigned()[:32]
    limit = Mux(unit.narrow, 127, (1 << 31) - 1) + negative
    half_units = Signal(58)  # the number's size in 2**-24
    bench.m.d.comb += half_units.eq(Mux(exponent < 126, 0, significand << (exponent - 126)[:5]))
    error = Signal(signed(60))
    bench.m.d.comb += error.eq((size << 24) - half_units)
    half = 1 << 23
    near = (size <= limit) & (error <= half) & (error >= -half) & (((error != half) & (error != -half)) | ~size[0])
    beyond = (size == limit) & ((exponent > 157) | (half_units >= ((limit << 1) + 1) << 23))
    whole, rest = half_units >> 24, half_units[:24] != 0
    away = whole + (negative & rest)
    floor = Mux((exponent > 157) | (away > limit), size == limit, size == away)
    small = exponent < 126
    with bench.m.If(is_nan(x)):
        bench.always(y == 0)
    with bench.m.Elif(unit.down & small):
        bench.always(y == Mux(negative & (significand != 0), -1, 0))
    with bench.m.Elif(unit.down):
        bench.always(floor)
    with bench.m.Elif(small):
        bench.always(y == 0)
    with bench.m.Else():
        bench.always(Mux(exponent > 157, beyond, near | beyond))
    with bench.m.If(~is_nan(x) & (y != 0)):
        bench.always((y < 0) == negative)
    return bench


def multiply() -> Bench:
    """Every product, given that of the 24-bit significands: any value is tried for it."""
    bench = Bench()
    unit = FloatMultiply()
    bench.unit("unit", unit, "a b")
    a, b, result = unit.a, unit.b, unit.product
    (left, left_scale), (right, right_scale) = parts(a), parts(b)
    exact, place = Signal(48), Signal(signed(12))
    bench.m.d.comb += [exact.eq(left * right), place.eq(left_scale + right_scale - 300)]
    no_number = is_nan(a) | is_nan(b) | ((a[:31] == INFINITY) & (b[:31] == 0)) | ((b[:31] == INFINITY) & (a[:31] == 0))
    with bench.m.If(no_number):
        bench.always(result == NAN)
    with bench.m.Else():
        bench.always(result[31] == a[31] ^ b[31])
        with bench.m.If((a[:31] == INFINITY) | (b[:31] == INFINITY)):
            bench.always(result[:31] == INFINITY)
        with bench.m.Elif(result[23:31] == 0xFF):
            bench.always((result[:31] == INFINITY) & overflows(bench, exact, place))
        with bench.m.Else():
            bench.always(is_nearest(bench, exact, place, result))
    return bench


def add() -> Bench:
    """Every sum: where the exponents are close, against the exact sum; else the larger operand is the nearest."""
    bench = Bench()
    unit = FloatAdd()
    bench.unit("unit", unit, "a b")
    a, b, result = unit.a, unit.b, unit.total
    swap = a[:31] < b[:31]
    big, small = Mux(swap, b, a), Mux(swap, a, b)
    (larger, scale), (smaller, unit_scale) = parts(big), parts(small)
    distance, exact, place = Signal(8), Signal(51), Signal(signed(12))
    subtract = a[31] ^ b[31]
    close = distance < 26
    aligned = larger << Mux(close, distance, 0)[:5]
    bench.m.d.comb += [
        distance.eq(scale - unit_scale), place.eq(unit_scale - 150),
        exact.eq(Mux(subtract, aligned - smaller, aligned + smaller)),
    ]
    infinite = big[:31] == INFINITY
    with bench.m.If(is_nan(a) | is_nan(b) | (infinite & (small[:31] == INFINITY) & subtract)):
        bench.always(result == NAN)
    with bench.m.Elif(infinite | ~close):
        bench.always(result == big)
    with bench.m.Elif(exact == 0):
        bench.always(result == Cat(Const(0, 31), a[31] & b[31]))
    with bench.m.Else():
        bench.always(result[31] == big[31])
        with bench.m.If(result[23:31] == 0xFF):
            bench.always((result[:31] == INFINITY) & overflows(bench, exact, place))
        with bench.m.Else():
            bench.always(is_nearest(bench, exact, place, result))
    return bench


PROOFS = [
    Proof("add", "every sum of 2**64 pairs is the nearest binary32, ties to even", "rtl/binary32/add.py", add,
          Mutant(f"{BINARY32}.add", "rounds_up(normal, 3)", "normal[2]"), True),
    Proof("multiply", "every product of 2**64 pairs is the nearest binary32, ties to even, given that of the "
          "significands",
          "rtl/binary32/multiply.py", multiply,
          Mutant(f"{BINARY32}.multiply", "rounds_up(moved, 2)", "moved[1]"), True, cut="t:$mul"),
    Proof("integer-to-float", "every one of the 2**32 integers becomes the nearest binary32, ties to even",
          "rtl/binary32/convert.py", integer_to_float,
          Mutant(f"{BINARY32}.convert", "rounds_up(normal, 8)", "normal[7]"), True),
    Proof("float-to-integer", "every one of the 2**32 patterns becomes the nearest integer (ties to even) or the one "
          "below, of 8 or 32 bits, saturated", "rtl/binary32/convert.py", float_to_integer,
          Mutant(f"{BINARY32}.convert", "size >= limit", "size > limit"), True),
]
