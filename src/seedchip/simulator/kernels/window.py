"""The window in front of a vector micro-program: sums or maxima over taps, in row-major order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from seedchip.numerics.microop import MICRO_OPS
from seedchip.simulator.access import Access, view

if TYPE_CHECKING:
    from seedchip.isa import Vector
    from seedchip.simulator.access import Site
    from seedchip.simulator.state import State

_Tap = tuple[slice, slice, np.ndarray]


def prepare_window(site: Site, state: State, dtype: np.dtype) -> Callable[[], np.ndarray]:
    """A function that gives float32 [size_y, size_x, columns]. Raises `Fault`."""
    v: Vector = site.instruction  # type: ignore[assignment]
    rows = [_tap(v.size_y, i * v.dilation_y + v.origin_y, v.step_y, v.limit_y) for i in range(v.tap_y)]
    columns = [_tap(v.size_x, j * v.dilation_x + v.origin_x, v.step_x, v.limit_x) for j in range(v.tap_x)]
    taps: list[_Tap] = []
    for first_y, num_y, iy in rows:
        for first_x, num_x, ix in columns:
            if num_y and num_x:
                access = Access(v.a_address + iy * v.a_stride_y + ix * v.a_stride_x, (num_y, num_x),
                                (v.step_y * v.a_stride_y, v.step_x * v.a_stride_x), v.columns * dtype.itemsize)
                site.aligned("a_address", access, site.spec.vector.lanes * dtype.itemsize)
                site.scratchpad("a_address", access, "read_banks")
                taps.append((slice(first_y, first_y + num_y), slice(first_x, first_x + num_x),
                             view(state.scratchpad, access, dtype)))
    shape = (v.size_y, v.size_x, v.columns)
    if v.tap_max and dtype != np.float32:
        return lambda: _integer_maximum(taps, shape, dtype)
    return lambda: _combine(taps, shape, "max" if v.tap_max else "add")


def _tap(size: int, offset: int, step: int, limit: int) -> tuple[int, int, int]:
    """First output whose tap lies in [0, limit), how many do, and the first one's input position."""
    first = max(0, -(offset // step))
    last = min(size - 1, (limit - 1 - offset) // step)
    return first, max(0, last - first + 1), first * step + offset


def _combine(taps: list[_Tap], shape: tuple[int, int, int], operator: str) -> np.ndarray:
    combine = MICRO_OPS[operator].compute
    result = np.full(shape, 0 if operator == "add" else -np.inf, np.float32)
    seen = np.zeros(shape[:2], bool)
    for y, x, values in taps:
        fresh, part = ~seen[y, x], result[y, x]
        read = values.astype(np.float32)
        if fresh.all():
            result[y, x] = read
        else:
            result[y, x] = np.where(fresh[..., None], read, combine(part, read)) if fresh.any() else combine(part, read)
        seen[y, x] = True
    return result


def _integer_maximum(taps: list[_Tap], shape: tuple[int, int, int], dtype: np.dtype) -> np.ndarray:
    """Conversion to binary32 is monotone, so the maximum may be taken before it."""
    lowest = np.iinfo(dtype).min
    integers = np.full(shape, lowest, dtype)
    seen = np.zeros(shape[:2], bool)
    for y, x, values in taps:
        np.maximum(integers[y, x], values, out=integers[y, x])
        seen[y, x] = True
    result = integers.astype(np.float32)
    if not seen.all():
        result[~seen] = -np.inf
    return result
