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
    rank = len(image)
    call.require(rank in (1, 2), f"the window has {rank} spatial axes")
    strides, dilations, pads = (call.ints("strides", default=[1] * rank), call.ints("dilations", default=[1] * rank),
                                call.ints("pads", default=[0] * 2 * rank))
    assert strides is not None and dilations is not None and pads is not None
    if not (len(kernel) == len(strides) == len(dilations) == rank and len(pads) == 2 * rank):
        raise ValueError(f"kernel_shape, strides, dilations and pads must fit {rank} spatial axes")
    if min((*kernel, *strides, *dilations)) < 1:
        raise ValueError("kernel_shape, strides and dilations must be positive")
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    mode = call.attr("auto_pad", "NOTSET")
    if mode == "VALID":
        pads = [0] * 2 * rank
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        total = [max(-(-n // s) * s - s + span - n, 0) for n, s, span in zip(image, strides, spans, strict=True)]
        less, more = [t // 2 for t in total], [t - t // 2 for t in total]
        pads = less + more if mode == "SAME_UPPER" else more + less
    call.require(min(pads, default=0) >= 0, "a pad is negative")
    if rank == 1:
        return Window((1, kernel[0]), (1, strides[0]), (1, dilations[0]), (0, pads[0], 0, pads[1]))
    return Window((kernel[0], kernel[1]), (strides[0], strides[1]), (dilations[0], dilations[1]),
                  (pads[0], pads[1], pads[2], pads[3]))


def to_image(call: Call, x: Tensor) -> Tensor:
    """N x C x (H x) W as N x H x W x C."""
    if x.rank == 3:
        x = call.build.reshape(x, (x.shape[0], x.shape[1], 1, x.shape[2]))
    return call.build.transpose(x, TO_NHWC)


def from_image(call: Call, x: Tensor, rank: int) -> Tensor:
    """N x H x W x C as N x C x (H x) W."""
    x = call.build.transpose(x, TO_NCHW)
    return call.build.reshape(x, (*x.shape[:2], x.shape[3])) if rank == 3 else x
