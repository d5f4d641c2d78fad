"""Every element-wise function that the front end may use: builders from expressions to expressions.

There is no special-function hardware: each is a graph of micro-operations, so it is the same to the bit on every body
of the chip. Worst errors are in `seedchip.numerics.measured`, and the whole table is in `docs/03_reference/numbers.md`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from seedchip.numerics.arithmetic import (
    absolute,
    ceil,
    clip,
    copy_sign,
    equal,
    floor,
    greater,
    greater_or_equal,
    isinf,
    isnan,
    less,
    less_or_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    negate,
    not_equal,
    round_even,
    sign,
    trunc,
    where,
)
from seedchip.numerics.division import (
    divide,
    divide_normal,
    fmod,
    reciprocal,
    reciprocal_normal,
    remainder,
    rsqrt,
    rsqrt_normal,
    sqrt,
)
from seedchip.numerics.exponential import (
    acosh,
    asinh,
    atanh,
    cosh,
    exp,
    exp_nonpositive,
    log,
    log_normal,
    power,
    sigmoid,
    silu,
    sinh,
    softplus,
    tanh,
)
from seedchip.numerics.expression import Expression, argument, merge
from seedchip.numerics.gaussian import erf, gelu, gelu_tanh
from seedchip.numerics.trigonometry import acos, asin, atan, cos, sin, tan

FUNCTIONS: dict[str, Callable[..., Expression]] = {f.__name__: f for f in (
    exp, exp_nonpositive, log, log_normal, power, sigmoid, silu, softplus, tanh, sinh, cosh, asinh, acosh, atanh,
    reciprocal, reciprocal_normal, divide, divide_normal, sqrt, rsqrt, rsqrt_normal, fmod, remainder,
    erf, gelu, gelu_tanh, sin, cos, tan, asin, acos, atan,
    absolute, negate, sign, copy_sign, clip, minimum, maximum, floor, ceil, round_even, trunc,
    equal, not_equal, less, less_or_equal, greater, greater_or_equal, isnan, isinf,
    logical_and, logical_or, logical_xor, logical_not, where,
)}
"""All builders by name, in the order of the manual."""


def arity(name: str) -> int:
    """How many operands a function takes."""
    return len(inspect.signature(FUNCTIONS[name]).parameters)


def expression(name: str) -> Expression:
    """A function of arguments 0, 1, ..., with equal sub-expressions merged."""
    return merge(FUNCTIONS[name](*(argument(i) for i in range(arity(name)))))


__all__ = ["FUNCTIONS", "arity", "expression", *FUNCTIONS]
