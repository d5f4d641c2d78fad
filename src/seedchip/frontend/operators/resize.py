"""Resize: each axis on its own, nearest by moving elements, linear and cubic by a small matrix."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from seedchip.frontend.builder import Tensor
from seedchip.frontend.registry import Call, operator
from seedchip.numerics.expression import apply


@operator("Resize", "Upsample")
def resize(call: Call) -> Tensor:
    """Modes nearest, linear and cubic, with every coordinate transformation and rounding of the standard; sizes or
    scales known at import; one axis after the other."""
    x = call.tensor(0)
    axes = [call.wrap(a, x.rank) for a in call.ints("axes", default=range(x.rank)) or []]
    sizes, scales = _targets(call, x, axes)
    mode = call.attr("mode", "nearest")
    roi = _region(call, len(axes))
    if mode in ("linear", "cubic") and x.type.dtype != "float32":
        x = call.build.map(lambda a: a, x)
    for i, axis in enumerate(axes):
        if sizes[i] == x.shape[axis] and scales[i] == 1 and roi is None:
            continue
        part = None if roi is None else (roi[i], roi[i + len(axes)])
        places = _coordinates(call, x.shape[axis], sizes[i], scales[i], part)
        x = _resize_axis(call, x, axis, places, scales[i])
    return x


def _targets(call: Call, x: Tensor, axes: list[int]) -> tuple[list[int], list[float]]:
    """Output sizes and scales per axis."""
    if call.node.op_type == "Upsample" or call.opset < 11:
        given = call.const(1, "the scales") if call.has(1) else np.array(call.attr("scales"), np.float32)
        scales = [float(s) for s in given.reshape(-1)]
    elif call.has(3) and call.value(3).shape != (0,):
        sizes = [int(s) for s in call.const(3, "the sizes").reshape(-1)]
        return _kept_ratio(call, x, axes, sizes)
    else:
        scales = [float(s) for s in call.const(2, "the scales").reshape(-1)]
    if len(scales) != len(axes) or min(scales) <= 0:
        raise ValueError(f"scales must be one positive number per axis, not {scales}")
    return [math.floor(x.shape[a] * s) for a, s in zip(axes, scales, strict=True)], scales


def _kept_ratio(call: Call, x: Tensor, axes: list[int], sizes: list[int]) -> tuple[list[int], list[float]]:
    ratios = [s / x.shape[a] for a, s in zip(axes, sizes, strict=True)]
    policy = call.attr("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return sizes, ratios
    one = min(ratios) if policy == "not_larger" else max(ratios)
    return [math.floor(x.shape[a] * one + 0.5) for a in axes], [one] * len(axes)


def _region(call: Call, count: int) -> list[float] | None:
    if call.attr("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize":
        return None
    roi = [float(v) for v in call.const(1, "the region").reshape(-1)]
    if len(roi) != 2 * count:
        raise ValueError(f"roi must have {2 * count} numbers, not {len(roi)}")
    return roi


def _coordinates(call: Call, length: int, size: int, scale: float, roi: tuple[float, float] | None) -> np.ndarray:
    """Place in the input of each output element (ONNX Resize, coordinate_transformation_mode)."""
    default = "asymmetric" if call.node.op_type == "Upsample" or call.opset < 11 else "half_pixel"
    mode, i = call.attr("coordinate_transformation_mode", default), np.arange(size, dtype=np.float64)
    exact = scale * length  # the size before it is rounded down
    if mode == "align_corners":
        return i * (length - 1) / (exact - 1) if exact != 1 else np.zeros(size)
    if mode == "asymmetric":
        return i / scale
    if mode == "pytorch_half_pixel" and size <= 1:
        return np.zeros(size)
    if mode == "tf_crop_and_resize" and roi is not None:
        start, end = roi
        span = (end - start) * (length - 1)
        return start * (length - 1) + (i * span / (exact - 1) if exact > 1 else np.full(size, span / 2))
    if mode == "half_pixel_symmetric":
        adjustment = size / (scale * length)
        centre = length / 2
        return centre * (1 - adjustment) + (i + 0.5) / scale - 0.5
    call.require(mode in ("half_pixel", "pytorch_half_pixel"), f"the coordinate transformation is {mode!r}")
    return (i + 0.5) / scale - 0.5


def _resize_axis(call: Call, x: Tensor, axis: int, places: np.ndarray, scale: float) -> Tensor:
    length, mode = x.shape[axis], call.attr("mode", "nearest")
    outside = None
    if call.attr("coordinate_transformation_mode") == "tf_crop_and_resize":
        outside = (places < 0) | (places > length - 1)
    if mode == "nearest":
        y = call.build.take(x, axis, np.clip(_nearest(call, places), 0, length - 1).tolist())
    else:
        y = _weighted(call, x, axis, _weights(call, places, length, min(scale, 1.0) if call.flag("antialias") else 1.0))
    if outside is None or not outside.any():
        return y
    mask = outside.astype(np.float32).reshape([-1 if a == axis else 1 for a in range(x.rank)])
    value = call.attr("extrapolation_value", 0.0)
    return call.build.map(lambda m, a: apply("sel", m, value, a), mask, y, dtype=y.type.dtype)


def _nearest(call: Call, places: np.ndarray) -> np.ndarray:
    default = "floor" if call.node.op_type == "Upsample" or call.opset < 11 else "round_prefer_floor"
    mode = call.attr("nearest_mode", default)
    rounded: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "round_prefer_floor": lambda p: np.ceil(p - 0.5), "round_prefer_ceil": lambda p: np.floor(p + 0.5),
        "floor": np.floor, "ceil": np.ceil}
    call.require(mode in rounded, f"the nearest mode is {mode!r}")
    return rounded[mode](places).astype(np.int64)


def _weights(call: Call, places: np.ndarray, length: int, shrink: float) -> np.ndarray:
    """Matrix [length, size] of interpolation weights; ``shrink`` < 1 widens the filter against aliasing."""
    cubic = call.attr("mode") == "cubic"
    a, reach = call.attr("cubic_coeff_a", -0.75), (2 if cubic else 1) / shrink
    matrix = np.zeros((length, len(places)))
    for column, place in enumerate(places):
        first = math.floor(place - reach) if shrink < 1 else math.floor(place) - (1 if cubic else 0)
        last = math.ceil(place + reach) if shrink < 1 else math.floor(place) + (2 if cubic else 1)
        taps = np.arange(first, last + 1)
        distance = np.abs(taps - place) * shrink
        weight = _cubic(distance, a) if cubic else np.maximum(0.0, 1 - distance)
        inside = (taps >= 0) & (taps < length)
        if call.flag("exclude_outside") or (shrink < 1 and call.flag("exclude_outside")):
            weight = np.where(inside, weight, 0.0)
        weight = weight / weight.sum()
        np.add.at(matrix[:, column], np.clip(taps, 0, length - 1), weight)
    return matrix.astype(np.float32)


def _cubic(d: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic convolution kernel (IEEE Trans. ASSP 29, 1981)."""
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def _weighted(call: Call, x: Tensor, axis: int, matrix: np.ndarray) -> Tensor:
    """``x`` with ``axis`` multiplied by a matrix."""
    perm = [a for a in range(x.rank) if a != axis] + [axis]
    rows = call.build.transpose(x, perm)
    flat = call.build.reshape(rows, (math.prod(rows.shape[:-1]), rows.shape[-1]))
    y = call.build.matmul(flat, call.build.constant(matrix))
    y = call.build.reshape(y, (*rows.shape[:-1], matrix.shape[1]))
    return call.build.transpose(y, [int(i) for i in np.argsort(perm)])
