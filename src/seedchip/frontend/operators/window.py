"""Sliding windows: the attributes that convolutions and pools share, with one-dimensional windows taken as 1 x N."""

from __future__ import annotations

from dataclasses import dataclass

from seedchip.frontend.builder import Tensor
from seedchip.frontend.registry import Call

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


@dataclass(frozen=True)
class Window:
    """Two spatial axes: kernel, strides, dilations, and pads as top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]

    def span(self, axis: int) -> int:
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1


def read_window(call: Call, image: tuple[int, ...], kernel: tuple[int, ...]) -> Window:
    """The window of a node over an image of one or two spatial sizes. Raises for other ranks and impossible sizes."""
    call.require(len(image) in (1, 2), f"the window has {len(image)} spatial axes")
    axes = _read_axes(call, image, kernel)
    return _joined([_Axis(1, 1, 1, 0, 0), *axes] if len(axes) == 1 else axes)


def read_volume(call: Call, image: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, Window]:
    """The window of a node over three spatial sizes: its depth as a window N x 1, and its plane."""
    axes = _read_axes(call, image, kernel)
    return _joined([axes[0], _Axis(1, 1, 1, 0, 0)]), _joined(axes[1:])


@dataclass(frozen=True)
class _Axis:
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int


def _joined(axes: list[_Axis]) -> Window:
    a, b = axes
    return Window((a.kernel, b.kernel), (a.stride, b.stride), (a.dilation, b.dilation),
                  (a.before, b.before, a.after, b.after))


def _read_axes(call: Call, image: tuple[int, ...], kernel: tuple[int, ...]) -> list[_Axis]:
    """One entry per spatial axis, with auto_pad resolved."""
    rank = len(image)
    strides, dilations = call.ints("strides", default=[1] * rank), call.ints("dilations", default=[1] * rank)
    pads = call.ints("pads", default=[0] * 2 * rank) or []
    if not (len(kernel) == len(strides or ()) == len(dilations or ()) == rank and len(pads) == 2 * rank):
        raise ValueError(f"kernel_shape, strides, dilations and pads must fit {rank} spatial axes")
    axes = []
    for i, (n, k, s, d) in enumerate(zip(image, kernel, strides or (), dilations or (), strict=True)):
        if min(k, s, d) < 1:
            raise ValueError("kernel_shape, strides and dilations must be positive")
        before, after = _axis_pads(call, (pads[i], pads[i + rank]), n, s, d * (k - 1) + 1)
        call.require(min(before, after) >= 0, "a pad is negative")
        axes.append(_Axis(k, s, d, before, after))
    return axes


def _axis_pads(call: Call, given: tuple[int, int], length: int, stride: int, span: int) -> tuple[int, int]:
    mode = call.attr("auto_pad", "NOTSET")
    if mode == "VALID":
        return 0, 0
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        return given
    total = max(-(-length // stride) * stride - stride + span - length, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if mode == "SAME_UPPER" else (more, less)


def to_image(call: Call, x: Tensor) -> Tensor:
    """N x C x (H x) W as N x H x W x C."""
    if x.rank == 3:
        x = call.build.reshape(x, (x.shape[0], x.shape[1], 1, x.shape[2]))
    return call.build.transpose(x, TO_NHWC)


def from_image(call: Call, x: Tensor, rank: int) -> Tensor:
    """N x H x W x C as N x C x (H x) W."""
    x = call.build.transpose(x, TO_NCHW)
    return call.build.reshape(x, (*x.shape[:2], x.shape[3])) if rank == 3 else x
