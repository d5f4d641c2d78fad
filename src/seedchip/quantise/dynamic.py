"""Scales computed at run time: the largest magnitude of a row, a matrix or a sample fixes the codes of its elements.

Nothing crosses a batch, so a row or sample gets the same codes alone or among others. One and two limbs divide by
``absmax / limit``; three limbs divide by a power of two, which is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from seedchip.graph.ops import Pad, Reduce, Reshape
from seedchip.numerics.expression import argument
from seedchip.numerics.functions import reciprocal
from seedchip.numerics.limbs import limb, limit
from seedchip.quantise.graph_writer import GraphWriter
from seedchip.quantise.term import Term, from_expression, operate, read
from seedchip.quantise.term import const as constant_term

Extent = Literal["row", "matrix", "sample", "tensor"]
"""Elements that share a scale: the last axis, the last two, all but the first, all."""

MAX_ROW = 8192
"""Longest row of one Reduce."""
TINY = 2.0**-100
"""Smaller magnitudes count as zero, so that a scale and its reciprocal are normal numbers."""
MAGNITUDE_BITS, EXPONENT_BITS = 0x7FFFFFFF, 0x7F800000
INT24_EXPONENT = 22
"""Codes of three limbs reach 2**22 to `limit(3)`."""
INT24_MARGIN = float(np.float32(2.0**23 / limit(3) * (1 + 2.0**-22)))
"""Moves the change of exponent from 2**23 down to `limit(3)`."""


@dataclass(frozen=True)
class DynamicCodes:
    """Limbs (lowest first) of a tensor and the tensor of its scales, in which the axes that share one have size 1."""

    limbs: tuple[str, ...]
    scale: str


def quantise_dynamically(writer: GraphWriter, name: str, extent: Extent, num_limbs: int) -> DynamicCodes:
    """Writes the nodes that turn a binary32 tensor into codes."""
    largest = _absmax(writer, name, extent)
    shape = writer.types[largest].shape
    if num_limbs == 3:
        enlarged = operate("mul", operate("max", read(largest), TINY), INT24_MARGIN)
        power = operate("and", enlarged, _pattern(EXPONENT_BITS))
        top = writer.map(power, f"{name}/power", "float32", shape)
        field = (2 * 127 + INT24_EXPONENT) << 23
        inverse = writer.map(operate("isub", _pattern(field), read(top)), f"{name}/inverse", "float32", shape)
        scale = writer.map(operate("mul", read(top), 2.0**-INT24_EXPONENT), f"{name}/scale", "float32", shape)
    else:
        bounded = operate("max", read(largest), TINY)
        inverse_term = operate("mul", from_expression(reciprocal(argument(0)), [bounded]), float(limit(num_limbs)))
        inverse = writer.map(inverse_term, f"{name}/inverse", "float32", shape)
        scale = writer.map(operate("mul", bounded, 1.0 / limit(num_limbs)), f"{name}/scale", "float32", shape)
    codes = operate("mul", read(name), read(inverse))
    return DynamicCodes(write_limbs(writer, name, codes, num_limbs), scale)


def write_limbs(writer: GraphWriter, name: str, codes: Term, num_limbs: int) -> tuple[str, ...]:
    """Rounds ``codes`` and writes its limbs as int8 tensors in the shape of ``name``, lowest first."""
    shape = writer.types[name].shape
    if num_limbs == 1:
        return (writer.map(codes, f"{name}/int8", "int8", shape),)
    bound = float(limit(num_limbs))
    whole = operate("rne", operate("min", operate("max", codes, -bound), bound))
    return tuple(
        writer.map(from_expression(limb(argument(0), i, num_limbs), [whole]), f"{name}/limb{i}", "int8", shape)
        for i in range(num_limbs))


def _pattern(bits: int) -> Term:
    return Term("constant", values=constant_term(0.0).array, bits=bits)


def _absmax(writer: GraphWriter, name: str, extent: Extent) -> str:
    """Largest magnitude, in the shape of ``name`` with the shared axes of size 1."""
    shape = writer.types[name].shape
    kept = {"row": len(shape) - 1, "matrix": len(shape) - 2, "sample": 1, "tensor": 0}[extent]
    row = int(np.prod(shape[kept:]))
    flat = _reshaped(writer, name, (*shape[:kept], row))
    flat = _in_stages(writer, flat)
    magnitude = writer.map(operate("and", read(flat), _pattern(MAGNITUDE_BITS)), f"{name}/magnitude", "float32",
                           writer.types[flat].shape)
    largest = _reduce_max(writer, magnitude, kept)
    return _reshaped(writer, largest, (*shape[:kept], *(1,) * (len(shape) - kept)))


def _in_stages(writer: GraphWriter, name: str) -> str:
    """The last axis split so that no row exceeds `MAX_ROW`; zeros fill up, which change no largest magnitude."""
    *lead, row = writer.types[name].shape
    if row <= MAX_ROW:
        return name
    inner = next(d for d in range(MAX_ROW, 0, -1) if row % d == 0)
    if inner < 64:
        inner, missing = MAX_ROW, -row % MAX_ROW
        name = writer.emit(Pad((0,) * (len(lead) + 1), (*(0,) * len(lead), missing)), [name], f"{name}/filled")
        row += missing
    return _reshaped(writer, name, (*lead, row // inner, inner))


def _reduce_max(writer: GraphWriter, name: str, kept: int) -> str:
    """Maximum over all axes from ``kept`` on, as [..., 1]."""
    while True:
        name = writer.emit(Reduce("max"), [name], f"{name}/max")
        shape = writer.types[name].shape
        if len(shape) <= kept + 1:
            return name
        name = _in_stages(writer, _reshaped(writer, name, (*shape[:kept], int(np.prod(shape[kept:])))))


def _reshaped(writer: GraphWriter, name: str, shape: tuple[int, ...]) -> str:
    if writer.types[name].shape == shape:
        return name
    return writer.emit(Reshape(shape), [name], f"{name}/rows")
