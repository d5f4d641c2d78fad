"""The matrix engine's weights: constants packed tile by tile ahead of time, or tensors computed by the network."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Protocol

import numpy as np

from seedchip.compiler.transfer import load
from seedchip.compiler.view import View, row_bytes, standard, standard_bytes

if TYPE_CHECKING:
    from seedchip.compiler.activations import ChannelSlice, Fetched
    from seedchip.compiler.builder import Builder
    from seedchip.compiler.placement import Placement
    from seedchip.compiler.tile_run import Box
    from seedchip.spec import ChipSpec


class Weights(Protocol):
    """Operand B of a matrix product, ``columns`` wide."""

    @property
    def columns(self) -> int:
        """Columns of the whole product."""

    @property
    def shared(self) -> bool:
        """The same for every row of the product (not one for each batch entry)."""

    def tile_bytes(self, columns: int, channels: int) -> int:
        """Scratchpad bytes of a tile."""

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        """Load columns ``box.first`` to ``box.last`` to ``address``."""


@dataclass(frozen=True)
class PackedWeights:
    """Constants [KH, KW, K, F] as weight tiles in the order of use: n, ky, kx, k, row, column."""

    spec: ChipSpec
    placement: Placement
    shape: tuple[int, int, int, int]
    """of the whole kernel, K counted as the matrix engine sees it"""
    packed: bool = False
    """kernel columns and channels are one axis"""
    groups: int = 1
    shared: bool = True

    @property
    def columns(self) -> int:
        return self.shape[3]

    @property
    def kernel(self) -> tuple[int, int]:
        return (self.shape[0], 1) if self.packed else (self.shape[0], self.shape[1])

    @property
    def channels(self) -> int:
        return self.shape[1] * self.shape[2] if self.packed else self.shape[2]

    def _tiles(self, columns: int, channels: int) -> tuple[int, int, int, int]:
        m = self.spec.matrix
        return -(-columns // m.columns), *self.kernel, -(-channels // m.rows)

    def tile_bytes(self, columns: int, channels: int) -> int:
        return prod(self._tiles(columns, channels)) * self.spec.macs_per_cycle

    def _address(self, name: str) -> int:
        """Where the packed tiles lie in memory; packed on first use."""
        m, key = self.spec.matrix, ("weights", name, self.packed)
        known = self.placement.packed_address(key)
        if known is not None:
            return known
        nt, kh, kw, kt = self._tiles(self.columns, self.channels)
        value = np.asarray(self.placement.graph.constants[name], np.int8)
        if self.groups > 1:
            value = self._diagonal(value)
        value = value.reshape(kh, kw, self.channels, self.columns)
        table = np.zeros((kh, kw, kt * m.rows, nt * m.columns), np.int8)
        table[:, :, : self.channels, : self.columns] = value
        tiles = table.reshape(kh, kw, kt, m.rows, nt, m.columns).transpose(4, 0, 1, 2, 3, 5)
        return self.placement.constant_bytes(key, tiles)

    def _diagonal(self, value: np.ndarray) -> np.ndarray:
        """[KH, KW, C / groups, F] with each tile of columns over its own block of channels, zero off the groups."""
        depth, width = value.shape[2], self.spec.matrix.columns
        group = np.arange(self.columns) // (self.columns // self.groups)
        first_group = np.arange(self.columns) // width * width // (self.columns // self.groups)
        result = np.zeros((*value.shape[:2], self.shape[2], self.columns), np.int8)
        for i in range(depth):
            result[:, :, (group - first_group) * depth + i, np.arange(self.columns)] = value[:, :, i, :]
        return result

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        m = self.spec.matrix
        base = self._address(name)
        tile = self.spec.macs_per_cycle
        _, kh, kw, kt = self._tiles(self.columns, self.channels)
        nt, _, _, depth = self._tiles(box.last - box.first, channels.size)
        far = (kh * kw * kt * tile, kw * kt * tile, kt * tile, 1)
        near = (kh * kw * depth * tile, kw * depth * tile, depth * tile, 1)
        shape = (nt, kh, kw, depth * tile)
        source = View(base + box.first // m.columns * far[0] + channels.first // m.rows * tile, shape, far, "int8")
        local = View(address, shape, near, "int8")
        load(builder, source, local)
        fields = {"weight_address": address, "weight_stride_n": near[0], "weight_stride_ky": near[1],
                  "weight_stride_kx": near[2], "weight_stride_k": tile, "weight_stride_row": m.columns}
        return fields, local


@dataclass(frozen=True)
class RuntimeWeights:
    """Tensors [..., K, N] with a unit stride along N, or along K (then the tiles are loaded transposed)."""

    spec: ChipSpec
    views: dict[str, View]
    shared: bool

    @property
    def columns(self) -> int:
        return next(iter(self.views.values())).shape[-1]

    def tile_bytes(self, columns: int, channels: int) -> int:
        view = next(iter(self.views.values()))
        shape = (channels, columns) if view.contiguous else (columns, channels)
        return standard_bytes(shape, "int8", self.spec.channel_granule)

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        m, granule = self.spec.matrix, self.spec.channel_granule
        view = self.views[name]
        batch = box.starts[: len(view.shape) - 2]
        width = box.last - box.first
        part = view.slice((*batch, channels.first, box.first), (*(1,) * len(batch), channels.size, width))
        if view.contiguous:
            pitch = row_bytes(width, "int8", granule)
            strides = {"weight_stride_n": m.columns, "weight_stride_k": m.rows * pitch}
        else:
            axes = len(part.shape)
            part = part.transpose((*range(axes - 2), axes - 1, axes - 2))
            pitch = row_bytes(channels.size, "int8", granule)
            strides = {"weight_stride_n": m.columns * pitch, "weight_stride_k": m.rows, "transpose": 1}
        local = standard(address, part.shape, "int8", granule)
        load(builder, part, local)
        return {"weight_address": address, "weight_stride_row": pitch, **strides}, local


@dataclass(frozen=True)
class RuntimeKernels:
    """Kernels [KH, KW, K, F] computed by the network, rows along F."""

    spec: ChipSpec
    views: dict[str, View]
    shared: bool = True

    @property
    def columns(self) -> int:
        return next(iter(self.views.values())).shape[-1]

    def tile_bytes(self, columns: int, channels: int) -> int:
        shape = next(iter(self.views.values())).shape
        return standard_bytes((*shape[:2], channels, columns), "int8", self.spec.channel_granule)

    def fetch(self, builder: Builder, name: str, box: Box, channels: ChannelSlice, address: int) -> Fetched:
        view = self.views[name]
        kh, kw = view.shape[:2]
        part = view.slice((0, 0, channels.first, box.first), (kh, kw, channels.size, box.last - box.first))
        local = standard(address, part.shape, "int8", self.spec.channel_granule)
        load(builder, part, local)
        ky, kx, row, _ = local.strides
        return {"weight_address": address, "weight_stride_n": self.spec.matrix.columns, "weight_stride_ky": ky,
                "weight_stride_kx": kx, "weight_stride_k": self.spec.matrix.rows * row, "weight_stride_row": row}, local
