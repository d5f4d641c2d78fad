"""`Matmul`: gather the activations into a matrix, the weight tiles into another, and multiply them exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa.matmul import POSITIVE
from seedchip.simulator.access import Access, wide_views
from seedchip.simulator.gemm import product

if TYPE_CHECKING:
    from seedchip.isa import Matmul
    from seedchip.simulator.access import Site
    from seedchip.simulator.state import State

_BYTES8 = 0x8080808080808080


class _Buffers:
    """Work arrays by use and size: every matmul of a size shares them."""

    def __init__(self) -> None:
        self._held: dict[tuple[object, ...], np.ndarray] = {}

    def work(self, use: str, num_bytes: int) -> np.ndarray:
        """uint8 [num_bytes] with whatever the last user left."""
        size = 1 << (num_bytes - 1).bit_length()
        return self._held.setdefault((use, size), np.empty(size, np.uint8))[:num_bytes]

    def filled(self, key: tuple[object, ...], num_bytes: int, value: int) -> np.ndarray:
        """uint8 [num_bytes], filled with ``value`` when it is made; users with the same key write the same bytes."""
        key = (*key, num_bytes)
        if key not in self._held:
            self._held[key] = np.full(num_bytes, value, np.uint8)
        return self._held[key]


class MatmulKernels:
    """Prepares matmuls over one state; holds their common work arrays."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.buffers = _Buffers()
        self.product = product()

    def prepare(self, site: Site) -> Callable[[], None]:
        """The function that executes the matmul. Raises `Fault`."""
        m: Matmul = site.instruction  # type: ignore[assignment]
        site.positive(POSITIVE)
        groups = m.tiles_n if m.activation_stride_n else 1
        channels = min(m.valid_k, m.tiles_k * site.spec.matrix.rows)
        depth = m.kernel_y * m.kernel_x * channels
        fill_a, a = self._activations(site, groups, channels)
        fill_b, b = self._weights(site, groups, depth, channels)
        accumulate = self._accumulators(site, groups)
        multiply = self.product

        def execute() -> None:
            for fill in fill_a:
                fill()
            for fill in fill_b:
                fill()
            accumulate(multiply(a, b))

        return execute

    def _activations(self, site: Site, groups: int, channels: int) -> tuple[list[Callable[[], object]], np.ndarray]:
        """Steps that write the activations + 128, and the matrix uint8 [(groups,) rows, depth] that they write."""
        m: Matmul = site.instruction  # type: ignore[assignment]
        inside_y = _inside(m.size_y, m.kernel_y, (m.step_y, m.dilation_y), m.origin_y, m.limit_y)
        inside_x = _inside(m.size_x, m.kernel_x, (m.step_x, m.dilation_x), m.origin_x, m.limit_x)
        spans = (m.step_y * (m.size_y - 1) + m.dilation_y * (m.kernel_y - 1) + 1,
                 m.step_x * (m.size_x - 1) + m.dilation_x * (m.kernel_x - 1) + 1)
        origin = m.activation_address + m.origin_y * m.activation_stride_y + m.origin_x * m.activation_stride_x
        image = self.state.scratchpad
        steps: list[Callable[[], object]] = []
        strides = (m.activation_stride_n, m.activation_stride_y, m.activation_stride_x)
        if inside_y and inside_x:
            first, last = (inside_y[0], inside_x[0]), (inside_y[1], inside_x[1])
            read = Access(origin + first[0] * strides[1] + first[1] * strides[2],
                          (groups, last[0] - first[0] + 1, last[1] - first[1] + 1), strides, channels)
            site.scratchpad("activation_address", read, "read_banks")
        if inside_y != (0, spans[0] - 1) or inside_x != (0, spans[1] - 1):
            padded = (spans[1] * channels * spans[0], spans[1] * channels, channels)
            image = self.buffers.filled((groups, *spans, channels, inside_y, inside_x, m.pad_value),
                                        groups * padded[0], m.pad_value & 0xFF)
            if inside_y and inside_x:
                into = Access(inside_y[0] * padded[1] + inside_x[0] * padded[2], read.counts, padded, channels)
                target, source = wide_views(image, into, self.state.scratchpad, read)
                steps.append(lambda: np.copyto(target, source))
            origin, strides = 0, padded
        counts = (groups, m.size_y, m.size_x, m.kernel_y, m.kernel_x)
        windows = Access(origin, counts, (strides[0], m.step_y * strides[1], m.step_x * strides[2],
                                          m.dilation_y * strides[1], m.dilation_x * strides[2]), channels)
        rows, depth = m.num_rows, m.kernel_y * m.kernel_x * channels
        matrix = self.buffers.work("activations", groups * rows * depth)
        dense = Access(0, counts, _dense((*counts, channels)), channels)
        written, gathered = wide_views(matrix, dense, image, windows, widest=8)
        offset = written.dtype.type(_BYTES8 >> 64 - 8 * written.itemsize)
        steps.append(lambda: np.bitwise_xor(gathered, offset, out=written))
        return steps, matrix.reshape((rows, depth) if groups == 1 else (groups, rows, depth))

    def _weights(self, site: Site, groups: int, depth: int,
                 channels: int) -> tuple[list[Callable[[], object]], np.ndarray]:
        """Steps that assemble the weights, and the matrix int8 [(groups,) depth, columns] that they write."""
        m: Matmul = site.instruction  # type: ignore[assignment]
        rows, columns = site.spec.matrix.rows, site.spec.matrix.columns
        width = m.tiles_n * columns
        valid_n = min(m.valid_n, width)
        matrix = self.buffers.work("weights", depth * width) if valid_n == width else \
            self.buffers.filled(("weights", valid_n, groups, width), depth * width, 0)
        if groups == 1:
            to = (columns, m.kernel_x * channels * width, channels * width, rows * width, width, 1)
        else:
            to = (depth * columns, m.kernel_x * channels * columns, channels * columns, rows * columns, columns, 1)
        row, column = (1, m.weight_stride_row) if m.transpose else (m.weight_stride_row, 1)
        origin = (m.weight_stride_n, m.weight_stride_ky, m.weight_stride_kx, m.weight_stride_k, row, column)
        copies: list[Callable[[], object]] = []
        for n, num_n, num_c in _parts(valid_n, columns):
            for k, num_k, num_r in _parts(channels, rows):
                counts = (num_n, m.kernel_y, m.kernel_x, num_k, num_r, num_c)
                write = Access(n * to[0] + k * to[3], counts, to, 1)
                first = m.weight_address + n * origin[0] + k * origin[3]
                line = 4 if m.transpose else 5
                stored = tuple(-(-c // 2) if axis == line and m.int4 else c for axis, c in enumerate(counts))
                read = Access(first, stored, origin, 1)
                self._check_weights(site, read)
                if m.int4:
                    copies.append(_unpack(matrix, write, self.state.scratchpad, read, line))
                else:
                    copies.append(partial(np.copyto, *_matrix_views(matrix, write, self.state.scratchpad, read)))
        b = matrix.view(np.int8)
        return copies, b.reshape((depth, width) if groups == 1 else (groups, depth, columns))

    @staticmethod
    def _check_weights(site: Site, read: Access) -> None:
        inner = 4 if read.strides[4] == 1 else 5
        counts, strides = list(read.counts), list(read.strides)
        run = counts.pop(inner)
        strides.pop(inner)
        site.scratchpad("weight_address", Access(read.address, tuple(counts), tuple(strides), run), "read_banks")

    def _accumulators(self, site: Site, groups: int) -> Callable[[np.ndarray], None]:
        """The function that writes or adds int32 [rows, tiles * columns] (or [tiles, rows, columns])."""
        m: Matmul = site.instruction  # type: ignore[assignment]
        rows, columns = m.num_rows, site.spec.matrix.columns
        target = Access(m.accumulator_address, (m.tiles_n,), (m.accumulator_stride,), rows)
        site.accumulator("accumulator_address", target)
        sums = self.state.accumulator
        tiles = [sums[a:a + rows] for a in target.starts()]
        add = bool(m.accumulate)

        def split(result: np.ndarray) -> np.ndarray:
            return result if groups > 1 else result.reshape(rows, m.tiles_n, columns).transpose(1, 0, 2)

        if not target.is_disjoint:
            def write_in_order(result: np.ndarray) -> None:
                for tile, value in zip(tiles, split(result), strict=True):
                    tile[...] = tile + value if add else value

            return write_in_order
        whole = np.ndarray((m.tiles_n, rows, columns), np.int32, sums, m.accumulator_address * columns * 4,
                           (m.accumulator_stride * columns * 4, columns * 4, 4))
        if add:
            return lambda result: np.add(whole, split(result), out=whole)  # type: ignore[return-value]
        return lambda result: np.copyto(whole, split(result))


@lru_cache(maxsize=4096)
def _inside(size: int, kernel: int, step: tuple[int, int], origin: int, limit: int) -> tuple[int, int] | None:
    """First and last position that a tap takes inside [0, limit), counted from the first tap of output 0."""
    taken = np.add.outer(np.arange(size) * step[0], np.arange(kernel) * step[1])
    inside = taken[(taken + origin >= 0) & (taken + origin < limit)]
    return (int(inside.min()), int(inside.max())) if inside.size else None


def _parts(total: int, tile: int) -> list[tuple[int, int, int]]:
    """(first tile, tiles, elements of a tile): the full tiles, and what is left."""
    full, rest = divmod(total, tile)
    return [p for p in ((0, full, tile), (full, 1, rest)) if p[1] and p[2]]


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Byte strides of a dense array, the last axis left out."""
    strides = [shape[-1]]
    for n in reversed(shape[1:-1]):
        strides.insert(0, strides[0] * n)
    return tuple(strides)


def _unpack(target: np.ndarray, to: Access, source: np.ndarray, origin: Access, line: int) -> Callable[[], None]:
    """The step that widens INT4 weights, packed along axis ``line``, to INT8."""
    written = np.moveaxis(np.ndarray(to.counts, np.int8, target, to.address, to.strides), line, -1)
    packed = np.moveaxis(np.ndarray(origin.counts, np.int8, source, origin.address, origin.strides), line, -1)

    def execute() -> None:
        written[..., 0::2] = (packed << 4) >> 4
        written[..., 1::2] = packed[..., :written.shape[-1] // 2] >> 4

    return execute


def _matrix_views(target: np.ndarray, to: Access, source: np.ndarray, origin: Access) -> tuple[np.ndarray, np.ndarray]:
    """Views for the copy of weights: wide elements where columns lie next to each other on both sides."""
    if origin.strides[-1] == 1:
        counts, width = to.counts[:-1], to.counts[-1]
        return wide_views(target, Access(to.address, counts, to.strides[:-1], width),
                          source, Access(origin.address, counts, origin.strides[:-1], width))
    return (np.ndarray(to.counts, np.uint8, target, to.address, to.strides),
            np.ndarray(to.counts, np.uint8, source, origin.address, origin.strides))
