"""Convolutions of floating-point tensors; the integer ones are in `quantised`."""

from __future__ import annotations

from seedchip.frontend.builder import Tensor
from seedchip.frontend.operators.window import Window, from_image, read_volume, read_window, to_image
from seedchip.frontend.registry import Call, operator
from seedchip.graph import ops
from seedchip.numerics.expression import apply


def weights_to_hwcf(call: Call, w: Tensor) -> Tensor:
    """F x C x (KH x) KW as KH x KW x C x F."""
    if w.rank == 3:
        w = call.build.reshape(w, (w.shape[0], w.shape[1], 1, w.shape[2]))
    return call.build.transpose(w, (2, 3, 1, 0))


def convolve(call: Call, x: Tensor, w: Tensor, pad_value: int = 0) -> Tensor:
    """Convolution of N x C x ... by F x C x ...; the result is still N x H x W x F."""
    if x.rank != w.rank or x.rank < 3:
        raise ValueError(f"image and weights must have the same rank of 3 or more, not {x.rank} and {w.rank}")
    kernel = tuple(call.ints("kernel_shape", default=w.shape[2:]) or ())
    if kernel != w.shape[2:]:
        raise ValueError(f"kernel_shape {kernel} must be that of the weights, {w.shape[2:]}")
    window = read_window(call, x.shape[2:], kernel)
    op = ops.Conv(window.strides, window.dilations, window.pads, call.attr("group", 1), pad_value)
    return call.build.conv(to_image(call, x), weights_to_hwcf(call, w), op)


def add_bias(call: Call, x: Tensor, index: int) -> Tensor:
    """Adds input ``index`` (one number per channel), if the node has it, to an N x H x W x C image."""
    return call.build.map(lambda a, b: apply("add", a, b), x, call.value(index)) if call.has(index) else x


@operator("Conv")
def conv(call: Call) -> Tensor:
    """One to three spatial axes; any groups, strides, dilations, pads and auto_pad; weights known at import or computed
    at run time. A three-dimensional window is one convolution for each tap of its depth."""
    x, w = call.tensor(0), call.tensor(1)
    call.require(x.rank in (3, 4, 5), f"the window has {x.rank - 2} spatial axes")
    if x.rank == 5:
        return _convolve_volume(call, x, w)
    return from_image(call, add_bias(call, convolve(call, x, w), 2), x.rank)


def _convolve_volume(call: Call, x: Tensor, w: Tensor) -> Tensor:
    """N x C x D x H x W by F x C x KD x KH x KW: planes are convolved as images, and the taps of the depth are added.
    """
    build = call.build
    if w.rank != 5:
        raise ValueError(f"image and weights must have the same rank, not {x.rank} and {w.rank}")
    depth, plane = read_volume(call, x.shape[2:], w.shape[2:])
    op = ops.Conv(plane.strides, plane.dilations, plane.pads, call.attr("group", 1))
    image = build.transpose(x, (0, 2, 3, 4, 1))
    image = build.pad(image, (0, depth.pads[0], 0, 0, 0), (0, depth.pads[2], 0, 0, 0))
    n, padded = image.shape[:2]
    size = (padded - depth.span(0)) // depth.strides[0] + 1
    total: Tensor | None = None
    for tap in range(depth.kernel[0]):
        planes = build.slice_axis(image, 1, tap * depth.dilations[0], size, depth.strides[0])
        planes = build.reshape(planes, (n * size, *image.shape[2:]))
        kernel = build.reshape(build.slice_axis(w, 2, tap, 1), (*w.shape[:2], *w.shape[3:]))
        y = build.conv(planes, build.transpose(kernel, (2, 3, 1, 0)), op)
        total = y if total is None else build.map(lambda a, b: apply("add", a, b), total, y)
    assert total is not None
    y = build.reshape(add_bias(call, total, 2), (n, size, *total.shape[1:]))
    return build.transpose(y, (0, 4, 1, 2, 3))


@operator("ConvTranspose")
def conv_transpose(call: Call) -> Tensor:
    """One or two spatial axes; any groups, strides, dilations, pads, output_padding and output_shape. It is computed
    as one dense convolution for all strides * strides phases, interleaved afterwards."""
    x, w = call.tensor(0), call.tensor(1)
    call.require(x.rank in (3, 4) and w.rank == x.rank, f"the window has {x.rank - 2} spatial axes")
    rank, groups = x.rank, call.attr("group", 1)
    if rank == 3:
        w = call.build.reshape(w, (*w.shape[:2], 1, w.shape[2]))
    image = to_image(call, x)
    window, size = _transposed_window(call, image.shape[1:3], w.shape[2:], rank)
    kernel = _group_kernel(call, w, groups)
    full = _phases(call, image, kernel, window, (groups, size))
    return from_image(call, add_bias(call, full, 2), rank)


def _transposed_window(call: Call, image: tuple[int, ...], kernel: tuple[int, ...],
                       rank: int) -> tuple[Window, tuple[int, int]]:
    """Window with the pads that are cut from the full result, and the output's size (ONNX ConvTranspose, shape
    formulas)."""
    spatial = rank - 2

    def two(values: list[int] | None, fill: int) -> tuple[int, int]:
        values = list(values or [fill] * spatial)
        if len(values) != spatial:
            raise ValueError(f"strides, dilations and output_padding must fit {spatial} spatial axes")
        return (fill, values[0]) if spatial == 1 else (values[0], values[1])

    strides, dilations = two(call.ints("strides"), 1), two(call.ints("dilations"), 1)
    extra, wanted = two(call.ints("output_padding"), 0), call.ints("output_shape")
    spans = [dilations[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    full = [strides[i] * (image[i] - 1) + spans[i] + extra[i] for i in (0, 1)]
    pads = call.ints("pads", default=[0] * 2 * spatial) or []
    begin, end = list(two(pads[:spatial], 0)), list(two(pads[spatial:], 0))
    mode = call.attr("auto_pad", "NOTSET")
    target: tuple[int, int] | None = None
    if wanted is not None:
        target = (1, wanted[-1]) if spatial == 1 else (wanted[-2], wanted[-1])
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        target = (image[0] * strides[0], image[1] * strides[1])
    if target is not None:
        total = [full[i] - target[i] for i in (0, 1)]
        begin = [t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in total]
        end = [t - b for t, b in zip(total, begin, strict=True)]
    size = (full[0] - begin[0] - end[0], full[1] - begin[1] - end[1])
    return Window((kernel[0], kernel[1]), strides, dilations, (begin[0], begin[1], end[0], end[1])), size


def _group_kernel(call: Call, w: Tensor, groups: int) -> Tensor:
    """C x F/g x KH x KW as KH x KW x C/g x F, the layout of an ordinary grouped convolution."""
    c, f, kh, kw = w.shape
    split = call.build.reshape(w, (groups, c // groups, f, kh, kw))
    return call.build.reshape(call.build.transpose(split, (3, 4, 1, 0, 2)), (kh, kw, c // groups, groups * f))


def _axis_taps(kernel: int, stride: int, dilation: int) -> tuple[int, list[list[int]]]:
    """For each output phase p and tap t of the dense kernel: the index of the transposed kernel, or -1 for none.

    Full output y = stride * i + dilation * k; phase p = y mod stride reads input i = y // stride - t, where
    stride * t + p = dilation * k.
    """
    taps = (dilation * (kernel - 1)) // stride + 1
    place = {dilation * k: k for k in range(kernel)}
    return taps, [[place.get(stride * t + p, -1) for t in range(taps)] for p in range(stride)]


def _phases(call: Call, image: Tensor, kernel: Tensor, window: Window, shape: tuple[int, tuple[int, int]]) -> Tensor:
    """One convolution gives all phases as channels; a transpose interleaves them and a slice cuts the pads."""
    build, (groups, size) = call.build, shape
    axes = zip(window.kernel, window.strides, window.dilations, strict=True)
    (taps_h, rows), (taps_w, columns) = (_axis_taps(*axis) for axis in axes)
    sh, sw = window.strides
    kh, kw, c, f = kernel.shape
    dense = build.pad(kernel, (0, 0, 0, 0), (1, 1, 0, 0)) if any(-1 in r for r in rows + columns) else kernel
    dense = build.take(dense, 0, [r[t] % (kh + 1) for t in reversed(range(taps_h)) for r in rows])
    dense = build.take(dense, 1, [r[t] % (kw + 1) for t in reversed(range(taps_w)) for r in columns])
    dense = build.reshape(dense, (taps_h, sh, taps_w, sw, c, groups, f // groups))
    dense = build.transpose(dense, (0, 2, 4, 5, 1, 3, 6))
    dense = build.reshape(dense, (taps_h, taps_w, c, f * sh * sw))
    extra = [max(0, -(-(size[i] + window.pads[i]) // window.strides[i]) - image.shape[1 + i] - (taps_h, taps_w)[i] + 1)
             for i in (0, 1)]
    op = ops.Conv(groups=groups, pads=(taps_h - 1, taps_w - 1, taps_h - 1 + extra[0], taps_w - 1 + extra[1]))
    y = build.conv(image, dense, op)
    n, h, w, _ = y.shape
    y = build.reshape(y, (n, h, w, groups, sh, sw, f // groups))
    y = build.reshape(build.transpose(y, (0, 1, 4, 2, 5, 3, 6)), (n, h * sh, w * sw, f))
    before = [max(0, -window.pads[i]) for i in (0, 1)]
    y = build.pad(y, (0, *before, 0), (0, 0, 0, 0))
    start = [max(0, window.pads[i]) for i in (0, 1)]
    missing = [max(0, start[i] + size[i] - y.shape[1 + i]) for i in (0, 1)]
    y = build.pad(y, (0, 0, 0, 0), (0, *missing, 0))
    return build.slice(y, (0, *start, 0), (n, *size, f))
