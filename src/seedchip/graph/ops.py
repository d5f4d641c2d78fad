"""The operations of a graph. Each is a frozen dataclass whose fields are its parameters.

`infer` gives the output type from the input types and raises `GraphError` when the operands do not fit: the same check
guards the builder and `seedchip.graph.verify`. Values are defined by `seedchip.graph.reference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from seedchip.graph.ir import TensorType

if TYPE_CHECKING:
    from seedchip.numerics.expression import Expression


class GraphError(ValueError):
    """A graph that breaks a rule of its operations."""


@dataclass(frozen=True)
class Op:
    """Base of all operations."""

    name: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__.lower()

    def infer(self, *types: TensorType) -> TensorType:
        raise GraphError(f"{self.name} has no type rule")


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise GraphError(sentence)


def _matrix_dtype(types: tuple[TensorType, ...], op: str) -> str:
    dtypes = {t.dtype for t in types}
    require(len(dtypes) == 1, f"{op} operands must share one type, not {sorted(dtypes)}")
    return "int32" if dtypes == {"int8"} else "float32"


@dataclass(frozen=True)
class MatMul(Op):
    """Sum over pairs of A @ B: inputs are A0, B0, A1, B1, ... with equal shapes in every pair.

    A is [..., M, K]; B is [..., K, N]; leading dimensions broadcast. int8 x int8 gives exact int32; float32 x float32
    is only legal before quantisation.
    """

    def infer(self, *types: TensorType) -> TensorType:
        require(len(types) >= 2 and len(types) % 2 == 0, f"matmul takes pairs of operands, not {len(types)}")
        a, b = types[0], types[1]
        require(len(a.shape) >= 2 and len(b.shape) >= 2, "matmul operands must have rank 2 or more")
        require(a.shape[-1] == b.shape[-2], f"matmul inner sizes must be equal, not {a.shape[-1]} and {b.shape[-2]}")
        require(all(t.shape == types[i % 2].shape for i, t in enumerate(types)), "matmul pairs must have equal shapes")
        try:
            batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            raise GraphError(f"matmul batch sizes {a.shape[:-2]} and {b.shape[:-2]} must broadcast") from None
        return TensorType((*batch, a.shape[-2], b.shape[-1]), _matrix_dtype(types, "matmul"))


@dataclass(frozen=True)
class Conv(Op):
    """Sum over pairs of convolutions: inputs X0, W0, X1, W1, ...; X is [N, H, W, C], W is [KH, KW, C / groups, F].

    Padded positions read ``pad_value`` (the int8 code of real zero; 0 unless the model is asymmetric).
    """

    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """top, left, bottom, right"""
    groups: int = 1
    pad_value: int = 0

    def infer(self, *types: TensorType) -> TensorType:
        require(len(types) >= 2 and len(types) % 2 == 0, f"conv takes pairs of operands, not {len(types)}")
        x, w = types[0], types[1]
        require(len(x.shape) == 4 and len(w.shape) == 4,
                "conv operands must be NHWC images and KH x KW x C x F weights")
        require(x.shape[3] == w.shape[2] * self.groups,
                f"conv weights must have {x.shape[3]} / {self.groups} input channels, not {w.shape[2]}")
        require(w.shape[3] % self.groups == 0, f"conv output channels must be a multiple of {self.groups} groups")
        require(all(t.shape == types[i % 2].shape for i, t in enumerate(types)), "conv pairs must have equal shapes")
        size = window_output(x.shape[1:3], w.shape[:2], self.strides, self.dilations, self.pads)
        return TensorType((x.shape[0], *size, w.shape[3]), _matrix_dtype(types, "conv"))


def window_output(image: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, int], dilations: tuple[int, int],
                  pads: tuple[int, int, int, int]) -> tuple[int, int]:
    """Height and width that a sliding window leaves."""
    padded = (image[0] + pads[0] + pads[2], image[1] + pads[1] + pads[3])
    size = tuple((padded[i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in (0, 1))
    require(min(size) >= 0, f"window {kernel} must fit in the padded image {padded}")
    return size[0], size[1]


@dataclass(frozen=True)
class Map(Op):
    """Element-wise program over broadcast inputs; the result is converted to ``dtype`` (round to nearest even,
    saturate)."""

    expression: Expression
    dtype: str = "float32"

    def infer(self, *types: TensorType) -> TensorType:
        try:
            shape = np.broadcast_shapes(*(t.shape for t in types))
        except ValueError:
            raise GraphError(f"map operands {[t.shape for t in types]} must broadcast") from None
        return TensorType(shape, self.dtype)

    def __str__(self) -> str:
        return f"map<{self.expression} -> {self.dtype}>"


@dataclass(frozen=True)
class Reduce(Op):
    """Reduction over the last axis, kept with size 1; float32 out. Order of sums: `seedchip.numerics.reduction`."""

    kind: Literal["sum", "max", "min"]

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(len(x.shape) >= 1 and x.shape[-1] > 0, "reduce needs a last axis of one element or more")
        return TensorType((*x.shape[:-1], 1), "float32")


@dataclass(frozen=True)
class Pool(Op):
    """Window reduction of an NHWC image, float32 out, taps in row-major order; padded taps are left out."""

    kind: Literal["sum", "max"]
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(len(x.shape) == 4, "pool takes an NHWC image")
        size = window_output(x.shape[1:3], self.kernel, self.strides, self.dilations, self.pads)
        return TensorType((x.shape[0], *size, x.shape[3]), "float32")


@dataclass(frozen=True)
class Move(Op):
    """Base of the operations that only move elements: no value changes."""


@dataclass(frozen=True)
class Transpose(Move):
    """Axis ``i`` of the output is axis ``perm[i]`` of the input."""

    perm: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(sorted(self.perm) == list(range(len(x.shape))),
                f"transpose.perm {self.perm} must permute {len(x.shape)} axes")
        return TensorType(tuple(x.shape[p] for p in self.perm), x.dtype)


@dataclass(frozen=True)
class Reshape(Move):
    """Same elements in row-major order, another shape (no -1)."""

    shape: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        result = TensorType(self.shape, x.dtype)
        require(result.num_elements == x.num_elements, f"reshape to {self.shape} must keep {x.num_elements} elements")
        return result


@dataclass(frozen=True)
class Slice(Move):
    """``sizes[i]`` elements from ``starts[i]`` in steps of ``steps[i]`` (which may be negative), per axis."""

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(len(self.starts) == len(self.sizes) == len(self.steps) == len(x.shape), "slice must name every axis")
        for axis, (start, size, step) in enumerate(zip(self.starts, self.sizes, self.steps, strict=True)):
            ends = (start, start + (size - 1) * step)
            require(size == 0 or all(0 <= e < x.shape[axis] for e in ends), f"slice of axis {axis} must stay inside it")
        return TensorType(self.sizes, x.dtype)


@dataclass(frozen=True)
class Concat(Move):
    """Inputs joined along ``axis`` (not negative)."""

    axis: int

    def infer(self, *types: TensorType) -> TensorType:
        first = types[0]
        require(0 <= self.axis < len(first.shape), f"concat.axis {self.axis} must name an axis")
        for t in types:
            same = len(t.shape) == len(first.shape) and t.dtype == first.dtype and all(
                a == b for i, (a, b) in enumerate(zip(t.shape, first.shape, strict=False)) if i != self.axis)
            require(same, f"concat operands must agree but for axis {self.axis}, not {first} and {t}")
        shape = list(first.shape)
        shape[self.axis] = sum(t.shape[self.axis] for t in types)
        return TensorType(tuple(shape), first.dtype)


@dataclass(frozen=True)
class Pad(Move):
    """``before[i]`` and ``after[i]`` elements of ``value`` added around each axis."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    value: float = 0.0

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(len(self.before) == len(self.after) == len(x.shape), "pad must name every axis")
        require(min((*self.before, *self.after), default=0) >= 0, "pad sizes must not be negative")
        return TensorType(tuple(b + n + a for b, n, a in zip(self.before, x.shape, self.after, strict=True)), x.dtype)


@dataclass(frozen=True)
class Expand(Move):
    """Broadcast to ``shape``."""

    shape: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(np.broadcast_shapes(x.shape, self.shape) == self.shape, f"{x.shape} must broadcast to {self.shape}")
        return TensorType(self.shape, x.dtype)


@dataclass(frozen=True)
class Take(Move):
    """Entries ``indices`` (constants, in range) of ``axis``: edge padding, nearest resize, tiling, constant gathers."""

    axis: int
    indices: tuple[int, ...]

    def infer(self, *types: TensorType) -> TensorType:
        (x,) = types
        require(0 <= self.axis < len(x.shape), f"take.axis {self.axis} must name an axis")
        require(all(0 <= i < x.shape[self.axis] for i in self.indices), f"take.indices must lie in axis {self.axis}")
        return TensorType((*x.shape[:self.axis], len(self.indices), *x.shape[self.axis + 1:]), x.dtype)


@dataclass(frozen=True)
class Gather(Move):
    """Rows of a table [R, W] chosen by an int32 tensor of any shape; -R..-1 count from the end, an index outside gives
    zeros."""

    def infer(self, *types: TensorType) -> TensorType:
        table, indices = types
        require(len(table.shape) == 2, "gather takes a two-dimensional table")
        require(indices.dtype == "int32", f"gather indices must be int32, not {indices.dtype}")
        return TensorType((*indices.shape, table.shape[1]), table.dtype)
