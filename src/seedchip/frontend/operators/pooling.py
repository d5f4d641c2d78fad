"""Pools over windows and whole images."""

from __future__ import annotations

import math

import numpy as np

from seedchip.frontend.builder import Tensor
from seedchip.frontend.operators.window import Window, from_image, read_window, to_image
from seedchip.frontend.registry import Call, operator
from seedchip.graph import ops
from seedchip.graph.ops import window_output
from seedchip.numerics import functions as f
from seedchip.numerics.expression import apply


def _pool_window(call: Call, x: Tensor) -> Window:
    kernel = tuple(call.ints("kernel_shape", default=()) or ())
    window = read_window(call, x.shape[2:], kernel)
    return _ceil_pads(window, x.shape[2:]) if call.flag("ceil_mode") else window


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
    """One or two spatial axes; any strides, dilations, pads and ceil_mode. The second output (indices) and
    three-dimensional windows are refused."""
    x = call.tensor(0)
    call.require(not (call.num_outputs > 1 and call.node.output[1]), "the indices of the maxima are asked for")
    window = _pool_window(call, x)
    op = ops.Pool("max", window.kernel, window.strides, window.dilations, window.pads)
    return from_image(call, call.build.emit(op, [to_image(call, x)], "float32"), x.rank)


@operator("AveragePool")
def average_pool(call: Call) -> Tensor:
    """One or two spatial axes; any strides, dilations, pads, ceil_mode and count_include_pad. Three-dimensional
    windows are refused."""
    return average_pooled(call, call.tensor(0))


def average_pooled(call: Call, x: Tensor) -> Tensor:
    """The windows' means of an N x C x (H x) W image, by the node's attributes."""
    window = _pool_window(call, x)
    image = to_image(call, x)
    op = ops.Pool("sum", window.kernel, window.strides, window.dilations, window.pads)
    total = call.build.emit(op, [image], "float32")
    scale = 1.0 / _tap_counts(call, window, image.shape[1:3])
    if scale.size and scale.min() == scale.max():
        scale = scale.reshape(-1)[:1]
    return from_image(call, call.build.map(lambda a, s: apply("mul", a, s), total, scale.astype(np.float32)), x.rank)


def _tap_counts(call: Call, window: Window, image: tuple[int, ...]) -> np.ndarray:
    """Number of taps that each output averages, as H x W x 1."""
    declared = list(window.pads)
    if call.flag("count_include_pad"):
        spatial = image if len(call.shape(0)) == 4 else image[1:]
        given = read_window(call, spatial, tuple(call.ints("kernel_shape") or ()))
        declared = list(given.pads)
    counts = []
    size = window_output(image, window.kernel, window.strides, window.dilations, window.pads)
    for i in (0, 1):
        low, high = (-declared[i], image[i] + declared[i + 2]) if call.flag("count_include_pad") else (0, image[i])
        starts = np.arange(size[i]) * window.strides[i] - window.pads[i]
        taps = starts[:, None] + np.arange(window.kernel[i]) * window.dilations[i]
        counts.append(((taps >= low) & (taps < high)).sum(axis=1))
    return np.maximum(counts[0][:, None, None] * counts[1][None, :, None], 1).astype(np.float64)


@operator("LpPool")
def lp_pool(call: Call) -> Tensor:
    """One or two spatial axes, p of 1 or 2."""
    p, x = call.attr("p", 2), call.tensor(0)
    call.require(p in (1, 2), f"p is {p}")
    window = _pool_window(call, x)
    powers = call.build.map(lambda a: apply("mul", a, a) if p == 2 else f.absolute(a), to_image(call, x))
    op = ops.Pool("sum", window.kernel, window.strides, window.dilations, window.pads)
    total = call.build.emit(op, [powers], "float32")
    return from_image(call, call.build.map(f.sqrt, total) if p == 2 else total, x.rank)


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
    """Any number of spatial axes, p of 1 or 2."""
    p, x = call.attr("p", 2), call.tensor(0)
    call.require(p in (1, 2), f"p is {p}")
    powers = call.build.map(lambda a: apply("mul", a, a) if p == 2 else f.absolute(a), x)
    total = call.build.reduce("sum", powers, list(range(2, x.rank)))
    return call.build.map(f.sqrt, total) if p == 2 else total


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
