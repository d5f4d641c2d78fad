"""Reductions in the one order that the vector engine uses, whatever the lane count, tile or batch.

Row reduction. Element ``j`` of a row belongs to partial ``j mod 64``. A partial starts as its first element and takes
the following ones in increasing ``j``; a partial without an element is the operation's identity (+0 for a sum, -inf
for a maximum, +inf for a minimum). After the row, the 64 partials are combined by a fixed binary tree: ``p`` with
``p + 32`` for the 32 lowest, then ``p`` with ``p + 16``, ``+ 8``, ``+ 4``, ``+ 2`` and ``+ 1``. Every step is one
micro-operation (`add`, `max`, `min`).

64 is the largest lane count that a chip may have, so an engine with fewer lanes holds 64 / lanes partials per lane.

Window reduction. The value of a window starts as its first tap, unchanged, and takes the others one after the other
in row-major order; taps that fall on padding are left out, and a window of padding alone is the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from seedchip.numerics.microop import MICRO_OPS, canonical

NUM_PARTIALS = 64
"""Partial sums of a row; no chip has more lanes."""

IDENTITY = {"sum": np.float32(0), "max": np.float32(-np.inf), "min": np.float32(np.inf)}
_COMBINE: dict[str, Callable[..., np.ndarray]] = {
    "sum": MICRO_OPS["add"].compute, "max": MICRO_OPS["max"].compute, "min": MICRO_OPS["min"].compute}


def row_reduce(kind: Literal["sum", "max", "min"], x: np.ndarray) -> np.ndarray:
    """float32 [..., n] to float32 [..., 1] in the order of the module's description; n is 1 or more.

    A NaN result is the canonical NaN; a zero maximum or minimum is +0.
    """
    _check_kind(kind, tuple(IDENTITY))
    x = np.asarray(x, np.float32)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"row_reduce needs a last axis of one element or more, not shape {x.shape}")
    with np.errstate(all="ignore"):
        if kind == "sum":
            return canonical(_row_sum(x))
        # Maximum and minimum are associative but for the sign of zero, which every micro-operation makes +0.
        reduce = np.max if kind == "max" else np.min
        return canonical(reduce(x, axis=-1, keepdims=True) + np.float32(0))


def _row_sum(x: np.ndarray) -> np.ndarray:
    length = x.shape[-1]
    partials = np.zeros((*x.shape[:-1], NUM_PARTIALS), np.float32)
    head = min(length, NUM_PARTIALS)
    partials[..., :head] = x[..., :head]
    for start in range(NUM_PARTIALS, length, NUM_PARTIALS):
        block = x[..., start:start + NUM_PARTIALS]
        partials[..., :block.shape[-1]] += block
    half = NUM_PARTIALS // 2
    while half:
        partials = partials[..., :half] + partials[..., half:2 * half]
        half //= 2
    return partials


def window_reduce(kind: Literal["sum", "max"], x: np.ndarray, kernel: tuple[int, int], *,
                  strides: tuple[int, int] = (1, 1), dilations: tuple[int, int] = (1, 1),
                  pads: tuple[int, int, int, int] = (0, 0, 0, 0)) -> np.ndarray:
    """float32 NHWC image to float32 NHWC; ``pads`` are top, left, bottom, right.

    A window that lies on padding alone gives the identity: +0 for a sum, -infinity for a maximum.
    """
    _check_kind(kind, ("sum", "max"))
    x = np.asarray(x, np.float32)
    rows = _axis_taps(x.shape[1], kernel[0], (strides[0], dilations[0]), (pads[0], pads[2]))
    columns = _axis_taps(x.shape[2], kernel[1], (strides[1], dilations[1]), (pads[1], pads[3]))
    height = _output_size(x.shape[1], kernel[0], (strides[0], dilations[0]), (pads[0], pads[2]))
    width = _output_size(x.shape[2], kernel[1], (strides[1], dilations[1]), (pads[1], pads[3]))
    result = np.full((x.shape[0], height, width, x.shape[3]), IDENTITY[kind], np.float32)
    begun = np.zeros((height, width, 1), bool)
    with np.errstate(all="ignore"):
        for out_rows, in_rows in rows:
            for out_columns, in_columns in columns:
                window, tap = result[:, out_rows, out_columns], x[:, in_rows, in_columns]
                window[...] = np.where(begun[out_rows, out_columns], _COMBINE[kind](window, tap), tap)
                begun[out_rows, out_columns] = True
    return canonical(result)


def _output_size(size: int, kernel: int, step: tuple[int, int], pad: tuple[int, int]) -> int:
    stride, dilation = step
    count = (size + sum(pad) - dilation * (kernel - 1) - 1) // stride + 1
    if count < 0:
        raise ValueError(f"a window of {kernel} taps, dilation {dilation}, must fit in {size} + {sum(pad)} positions")
    return count


def _axis_taps(size: int, kernel: int, step: tuple[int, int], pad: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Per tap of one axis: the outputs whose tap lies on the image, and the image positions that they read."""
    stride, dilation = step
    count = _output_size(size, kernel, step, pad)
    taps = []
    for tap in range(kernel):
        offset = tap * dilation - pad[0]
        first = max(0, -(offset // stride))
        last = min(count - 1, (size - 1 - offset) // stride)
        num = max(0, last - first + 1)
        begin = first * stride + offset
        taps.append((slice(first, first + num), slice(begin, begin + (num - 1) * stride + 1, stride) if num
                     else slice(0, 0)))
    return taps


def _check_kind(kind: str, kinds: tuple[str, ...]) -> None:
    if kind not in kinds:
        raise ValueError(f"the kind of a reduction must be one of {', '.join(kinds)}, not {kind!r}")
