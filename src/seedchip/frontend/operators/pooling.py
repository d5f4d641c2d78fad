"""Pools over windows and whole images."""

from __future__ import annotations

import math

import numpy as np

from seedchip.frontend.builder import Tensor
from seedchip.frontend.operators.window import Window, from_image, read_volume, read_window, to_image
from seedchip.frontend.registry import Call, operator
from seedchip.graph import ops
from seedchip.numerics import functions as f
from seedchip.numerics.expression import apply, constant

WindowAxis = tuple[int, Window, int]
"""Length of a spatial axis, the window over it, and the axis's number in that window."""


def _window_axes(call: Call, image: tuple[int, ...], *, ceil: bool) -> list[WindowAxis]:
    """The windows over one to three spatial axes; with ``ceil``, their pads are grown as `_ceil_pads` says."""
    kernel = tuple(call.ints("kernel_shape", default=()) or ())
    if len(image) == 3:
        depth, plane = read_volume(call, image, kernel)
        if ceil:
            depth, plane = _ceil_pads(depth, (image[0], 1)), _ceil_pads(plane, image[1:])
        return [(image[0], depth, 0), (image[1], plane, 0), (image[2], plane, 1)]
    window = read_window(call, image, kernel)
    window = _ceil_pads(window, image) if ceil else window
    return [(n, window, i + 2 - len(image)) for i, n in enumerate(image)]


def pooled(call: Call, kind: str, x: Tensor) -> Tensor:
    """Sums or maxima over the node's windows of an N x C x ... tensor; the result has channels in the same place."""
    axes = _window_axes(call, x.shape[2:], ceil=call.flag("ceil_mode"))
    if x.rank < 5:
        return from_image(call, _pool(call, kind, to_image(call, x), axes[-1][1]), x.rank)
    n, c, d, h, w = x.shape
    planes = call.build.reshape(call.build.transpose(x, (0, 2, 3, 4, 1)), (n * d, h, w, c))
    y = _pool(call, kind, planes, axes[-1][1])
    size = y.shape[1:3]
    y = _pool(call, kind, call.build.reshape(y, (n, d, size[0] * size[1], c)), axes[0][1])
    return call.build.transpose(call.build.reshape(y, (n, y.shape[1], *size, c)), (0, 4, 1, 2, 3))


def _pool(call: Call, kind: str, image: Tensor, window: Window) -> Tensor:
    op = ops.Pool(kind, window.kernel, window.strides, window.dilations, window.pads)  # type: ignore[arg-type]
    return call.build.emit(op, [image], "float32")


def _ceil_pads(window: Window, image: tuple[int, ...]) -> Window:
    """Pads grown at the end so that the last window, which must start inside the image or its leading pad, is counted.
    """
    sizes = image if len(image) == 2 else (1, *image)
    pads = list(window.pads)
    for i in (0, 1):
        padded = sizes[i] + pads[i] + pads[i + 2]
        count = math.ceil((padded - window.span(i)) / window.strides[i]) + 1
        if (count - 1) * window.strides[i] >= sizes[i] + pads[i]:
            count -= 1
        pads[i + 2] += max(0, (count - 1) * window.strides[i] + window.span(i) - padded)
    return Window(window.kernel, window.strides, window.dilations, (pads[0], pads[1], pads[2], pads[3]))


@operator("MaxPool")
def max_pool(call: Call) -> Tensor:
    """One to three spatial axes; any strides, dilations, pads and ceil_mode. The second output (indices) is refused."""
    call.require(not (call.num_outputs > 1 and call.node.output[1]), "the indices of the maxima are asked for")
    return pooled(call, "max", call.tensor(0))


@operator("AveragePool")
def average_pool(call: Call) -> Tensor:
    """One to three spatial axes; any strides, dilations, pads, ceil_mode and count_include_pad."""
    return average_pooled(call, call.tensor(0))


def average_pooled(call: Call, x: Tensor) -> Tensor:
    """The windows' means of an N x C x ... tensor, by the node's attributes."""
    total = pooled(call, "sum", x)
    scale = 1.0 / _tap_counts(call, x.shape[2:])
    if scale.size and scale.min() == scale.max():
        scale = scale.reshape(-1)[:1]
    return call.build.map(lambda a, s: apply("mul", a, s), total, scale.astype(np.float32))


def _tap_counts(call: Call, image: tuple[int, ...]) -> np.ndarray:
    """Number of taps that each output averages, one axis for each of the image."""
    counts = np.ones((1,) * len(image))
    grown = _window_axes(call, image, ceil=call.flag("ceil_mode"))
    for axis, ((length, window, i), (_, given, _)) in enumerate(zip(grown, _window_axes(call, image, ceil=False),
                                                                    strict=True)):
        before, after = (given.pads[i], given.pads[i + 2]) if call.flag("count_include_pad") else (0, 0)
        size = (length + window.pads[i] + window.pads[i + 2] - window.span(i)) // window.strides[i] + 1
        starts = np.arange(size) * window.strides[i] - window.pads[i]
        taps = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        inside = ((taps >= -before) & (taps < length + after)).sum(axis=1)
        counts = counts * inside.reshape([-1 if a == axis else 1 for a in range(len(image))])
    return np.maximum(counts, 1)


@operator("LpPool")
def lp_pool(call: Call) -> Tensor:
    """One to three spatial axes; any p."""
    p = call.attr("p", 2)
    return _root(call, pooled(call, "sum", _powers(call, call.tensor(0), p)), p)


def _powers(call: Call, x: Tensor, p: int) -> Tensor:
    """|x| ** p"""
    if p == 1:
        return call.build.map(f.absolute, x)
    if p == 2:
        return call.build.map(lambda a: apply("mul", a, a), x)
    return call.build.map(lambda a: f.power(f.absolute(a), constant(float(p))), x)


def _root(call: Call, x: Tensor, p: int) -> Tensor:
    """x ** (1 / p)"""
    if p == 1:
        return x
    return call.build.map(f.sqrt if p == 2 else lambda a: f.power(a, constant(1.0 / p)), x)


@operator("GlobalAveragePool")
def global_average_pool(call: Call) -> Tensor:
    """Any number of spatial axes."""
    x = call.tensor(0)
    total = call.build.reduce("sum", x, list(range(2, x.rank)))
    return call.build.map(lambda a: apply("mul", a, 1.0 / math.prod(x.shape[2:])), total)


@operator("GlobalMaxPool")
def global_max_pool(call: Call) -> Tensor:
    """Any number of spatial axes."""
    x = call.tensor(0)
    return call.build.reduce("max", x, list(range(2, x.rank)))


@operator("GlobalLpPool")
def global_lp_pool(call: Call) -> Tensor:
    """Any number of spatial axes, any p."""
    p, x = call.attr("p", 2), call.tensor(0)
    return _root(call, call.build.reduce("sum", _powers(call, x, p), list(range(2, x.rank))), p)


@operator("LRN")
def lrn(call: Call) -> Tensor:
    """Images with two spatial axes: the sum of squares over neighbouring channels is a one-dimensional window."""
    x, size = call.tensor(0), call.attr("size")
    call.require(x.rank == 4, f"the input has {x.rank} axes")
    alpha, beta, bias = call.attr("alpha", 1e-4), call.attr("beta", 0.75), call.attr("bias", 1.0)
    image = to_image(call, x)
    n, h, w, c = image.shape
    squares = call.build.reshape(call.build.map(lambda a: apply("mul", a, a), image), (n, h * w, c, 1))
    op = ops.Pool("sum", (1, size), pads=(0, (size - 1) // 2, 0, size // 2))
    total = call.build.reshape(call.build.emit(op, [squares]), (n, h, w, c))

    def scaled(a, s):
        return apply("mul", a, f.exp(apply("mul", f.log(apply("mad", s, alpha / size, bias)), -beta)))

    return from_image(call, call.build.map(scaled, image, total), 4)
