"""`Program`: what the compiler makes and a device runs. A plain value: bytes, constants and tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa import decode_program

if TYPE_CHECKING:
    from seedchip.isa import Instruction

MEMORY_DTYPES = {"int8": np.int8, "int32": np.int32, "float32": np.float32}


def user_dtype(name: str) -> np.dtype:
    """The NumPy type of an input's or output's type name; narrow machine-learning types come from `ml_dtypes`."""
    if name in np.sctypeDict:
        return np.dtype(name)
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name))


@dataclass(frozen=True)
class TensorPlace:
    """Where an input or output lies in memory, and what the driver does while it copies it.

    ``shape`` and ``dtype`` are the user's (NumPy type name). The driver permutes the axes by ``permutation``, pads
    the image columns by ``pad_columns`` (left, right) zeros when the tensor is an NHWC image, converts to ``storage``
    and writes rows (all axes but the last, row-major) ``row_bytes`` apart, zero beyond the row's elements. An output
    is copied the other way. For both, stored axis ``i`` is the user's axis ``permutation[i]``. A float input stored
    as int8 is multiplied by ``multiplier`` (binary32), rounded to nearest even and saturated to [-128, 127];
    otherwise multiplier is 1.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    storage: str
    address: int
    row_bytes: int
    permutation: tuple[int, ...]
    pad_columns: tuple[int, int] = (0, 0)
    multiplier: float = 1.0

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape in memory: the permuted axes (and, for inputs, the column padding)."""
        shape = [self.shape[p] for p in self.permutation]
        if sum(self.pad_columns):
            shape[-2] += sum(self.pad_columns)
        return tuple(shape)

    @property
    def num_rows(self) -> int:
        return math.prod(self.stored_shape[:-1])

    @property
    def num_bytes(self) -> int:
        return self.num_rows * self.row_bytes


@dataclass(frozen=True)
class Segment:
    """Constant bytes that the driver writes to memory before the first run."""

    address: int
    data: np.ndarray
    """uint8, one-dimensional"""


@dataclass(frozen=True)
class Layer:
    """A stretch of the program: one step of the network. ``macs`` are the network's own, not the array's."""

    name: str
    operation: str
    first: int
    """index of its first instruction"""
    last: int
    """index one beyond its last instruction"""
    macs: int


@dataclass(frozen=True)
class Program:
    """Everything a device needs. ``code`` lies in memory at ``code_address``; ``memory_bytes`` is all it uses."""

    name: str
    chip_name: str
    chip_hash: str
    isa_version: int
    code: bytes
    code_address: int
    memory_bytes: int
    inputs: tuple[TensorPlace, ...]
    outputs: tuple[TensorPlace, ...]
    segments: tuple[Segment, ...]
    layers: tuple[Layer, ...]

    @cached_property
    def instructions(self) -> list[Instruction]:
        return decode_program(self.code)

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers)
