"""The matrix engine's activations: which stretch of a tensor a tile needs, and how the address generator walks it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

from seedchip.compiler.transfer import load
from seedchip.compiler.view import View, row_bytes, standard, standard_bytes
from seedchip.compiler.window import Axis

if TYPE_CHECKING:
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.tile_run import Box
    from seedchip.graph.ops import Conv
    from seedchip.spec import ChipSpec


@dataclass(frozen=True)
class ChannelSlice:
    """Channels ``first`` to ``last`` of the inner product (a multiple of ``matrix.rows`` but for the last slice)."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first


Fetched = tuple[dict[str, Any], View]
"""Fields of the matrix engine's instruction, and the stretch of the scratchpad that it reads."""


class Activations(Protocol):
    """Operand A of a matrix product."""

    @property
    def channels(self) -> int:
        """Length of the inner product at one kernel position."""

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel positions that the engine walks."""

    @property
    def by_columns(self) -> bool:
        """Each tile of output columns reads its own channels (grouped convolution)."""

    def tile_bytes(self, sizes: tuple[int, ...], channels: int, columns: int) -> int:
        """Scratchpad bytes of one tile."""

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        """Load the tile to ``address``."""


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix: ``views`` are [..., K]; boxes are over all axes but the last."""

    views: dict[str, View]
    spec: ChipSpec
    channels: int
    kernel: tuple[int, int] = (1, 1)
    by_columns: bool = False

    def tile_bytes(self, sizes: tuple[int, ...], channels: int, columns: int) -> int:
        return standard_bytes((*sizes, channels), "int8", self.spec.channel_granule)

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        view = self.views[name]
        local = standard(address, (*box.sizes, channels.size), "int8", self.spec.channel_granule)
        source = view.slice((*box.starts, channels.first), (*box.sizes, channels.size))
        load(builder, source, local)
        count = prod(box.sizes)
        pitch = row_bytes(channels.size, "int8", self.spec.channel_granule)
        fields = {"activation_address": address, "activation_stride_x": pitch, "size_x": count, "limit_x": count}
        return fields, local


@dataclass(frozen=True)
class Image:
    """Windows of NHWC images; boxes are over [n, y, x] with one image each.

    ``packed``: the image's few channels are dense and padded with zeros in x, so that one kernel row is one run of
    bytes. ``block``: a grouped convolution; every tile of output columns reads its own so many input channels.
    """

    views: dict[str, View]
    spec: ChipSpec
    op: Conv
    kernel_size: tuple[int, int]
    packed: bool = False
    block: int = 0

    @property
    def by_columns(self) -> bool:
        return self.block > 0

    @property
    def channels(self) -> int:
        c = self.block or self._shape[3]
        return c * self.kernel_size[1] if self.packed else c

    @property
    def kernel(self) -> tuple[int, int]:
        return (self.kernel_size[0], 1) if self.packed else self.kernel_size

    @property
    def _shape(self) -> tuple[int, ...]:
        return next(iter(self.views.values())).shape

    def axis(self, axis: int) -> Axis:
        pad = 0 if self.packed and axis == 1 else self.op.pads[axis]
        return Axis(self.kernel_size[axis], self.op.strides[axis], self.op.dilations[axis], pad, self._shape[1 + axis])

    def tile_bytes(self, sizes: tuple[int, ...], channels: int, columns: int) -> int:
        height, width = (min(self.axis(i).reach(sizes[1 + i]), self._shape[1 + i]) for i in (0, 1))
        depth = -(-columns // self.spec.matrix.columns) * self.block if self.block else channels
        pixel = self._shape[3] if self.packed else row_bytes(depth, "int8", self.spec.channel_granule)
        return height * width * pixel + self.spec.matrix.rows

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        image, y0, x0 = box.starts
        _, size_y, size_x = box.sizes
        first_y, height, origin_y = self.axis(0).span(y0, size_y)
        first_x, width, origin_x = self.axis(1).span(x0, size_x)
        start, depth = self._depth(box, channels)
        source = self.views[name].slice((image, first_y, first_x, start), (1, height, width, depth))
        pixel = depth if self.packed else row_bytes(depth, "int8", self.spec.channel_granule)
        local = View(address, (1, height, width, depth), (height * width * pixel, width * pixel, pixel, 1), "int8")
        load(builder, source, local)
        op = self.op
        fields = {"activation_address": address, "activation_stride_y": width * pixel, "size_y": size_y,
                  "size_x": size_x, "step_y": op.strides[0], "dilation_y": op.dilations[0], "origin_y": origin_y,
                  "limit_y": height,
                  "pad_value": op.pad_value}
        if self.packed:  # a kernel row is one run of bytes: a slice of it begins so many bytes later
            fields |= {"activation_address": address + channels.first, "activation_stride_x": op.strides[1] * pixel,
                       "limit_x": size_x}
            return fields, replace(local, shape=(*local.shape[:-1], depth + self.spec.matrix.rows))
        fields |= {"activation_stride_n": self.block, "activation_stride_x": pixel, "step_x": op.strides[1],
                   "dilation_x": op.dilations[1], "origin_x": origin_x, "limit_x": width}
        return fields, local

    def _depth(self, box: Box, channels: ChannelSlice) -> tuple[int, int]:
        """First channel and number of channels that a tile needs."""
        if self.packed:
            return 0, self._shape[3]
        if self.block:
            width = self.spec.matrix.columns
            first = box.first // width * self.block
            return first, min(-(-box.last // width) * self.block, self._shape[3]) - first
        return channels.first, channels.size
