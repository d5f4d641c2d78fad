"""Tiling of a matrix product: the candidates are few, so all are costed and the cheapest is taken.

The cost is the largest of matrix, vector and memory cycles (the engines overlap) plus what cannot overlap: the first
tile's loads and the last tile's way out. It guides the choice only; what a program costs is counted by the simulator.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seedchip.compiler.activations import Activations
    from seedchip.compiler.weights import Weights
    from seedchip.spec import ChipSpec


_HIDDEN = 0.03
"""Part of the overlapped cycles that counts all the same: engines that wait less lose less at the seams."""
_INSTRUCTION = 24.0
"""Cycles that a tile costs beside its work: dispatch, pipelines that fill and drain."""


@dataclass(frozen=True)
class Tiling:
    """``rows`` over the region's row axes; ``columns`` and ``channels`` of a tile; what stays on the chip."""

    rows: tuple[int, ...]
    columns: int
    channels: int
    weights_outer: bool
    """for each column tile all row tiles (weights stay), instead of the other way round (activations stay)"""
    keep_all: bool
    """the operand of the inner loop is read once and stays on the chip whole"""
    cost: float = 0.0


@dataclass(frozen=True)
class Product:
    """What the tiling is chosen for. Byte counts are per row and column of the tile, or per row."""

    spec: ChipSpec
    activations: Activations
    weights: Weights
    rows: tuple[int, ...]
    num_pairs: int
    num_activations: int
    """distinct activation tensors among the pairs"""
    loaded_bytes: float
    """operands of the tail that come from memory, per element"""
    stored_bytes: float
    """results, per element"""
    row_bytes: float
    """temporaries that need whole rows, per row"""
    slots: float
    """vector slots per lane group"""
    whole_rows: bool
    windows: bool
    """rows are [image, y, x]"""
    scratchpad_share: float = 0.92

    @property
    def num_rows(self) -> int:
        return prod(self.rows)


def choose(product: Product) -> Tiling | None:
    """The cheapest tiling that fits, or None."""
    fitting = [t for t in _candidates(product) if t is not None]
    return min(fitting, key=lambda t: (t.cost, -prod(t.rows), -t.columns), default=None)


def _candidates(p: Product) -> Iterator[Tiling | None]:
    bank_rows = p.spec.accumulator_rows // p.spec.accumulator.banks
    for rows in _row_tiles(p, bank_rows):
        for columns in _column_tiles(p, bank_rows // prod(rows)):
            for channels in _channel_tiles(p):
                for outer, keep in itertools.product((False, True), (False, True)):
                    if not (p.whole_rows and outer):
                        yield _cost(p, Tiling(rows, columns, channels, outer, keep))


def _row_tiles(p: Product, limit: int) -> Iterator[tuple[int, ...]]:
    """Boxes of rows: whole inner axes if they fit, equal pieces of one axis, 1 outside."""
    if p.windows:
        _, height, width = p.rows
        for pieces in range(1, width + 1):
            size_x = -(-width // pieces)
            if size_x > limit:
                continue
            for size_y in _sizes(height, limit // size_x):
                yield 1, size_y, size_x
            if size_x * 2 < p.spec.matrix.rows:
                return
            if pieces >= 4 and size_x <= limit // 2:
                return
        return
    inner: tuple[int, ...] = ()
    for axis in reversed(range(len(p.rows))):
        lead = (1,) * axis
        for size in _sizes(p.rows[axis], limit // prod(inner)):
            yield *lead, size, *inner
        inner = (p.rows[axis], *inner)
        if prod(inner) * 2 > limit or not p.weights.shared:
            return


def _sizes(total: int, limit: int) -> list[int]:
    """Sizes of equal pieces, largest first, a dozen at most."""
    sizes: list[int] = []
    pieces = max(1, -(-total // max(limit, 1)))
    while len(sizes) < 12:
        size = -(-total // pieces)
        if size <= limit and (not sizes or size < sizes[-1]):
            sizes.append(size)
        if size == 1:
            break
        pieces = max(pieces + 1, pieces * 5 // 4)
    return sizes


def _column_tiles(p: Product, limit: int) -> Iterator[int]:
    width = p.spec.matrix.columns
    tiles = -(-p.weights.columns // width)
    for size in _sizes(tiles, limit):
        yield size * width


def _channel_tiles(p: Product) -> Iterator[int]:
    depth = p.activations.channels
    rows = p.spec.matrix.rows
    yield depth
    size = -(-depth // rows) // 2
    while size >= 1:
        yield size * rows
        size //= 2


def _cost(p: Product, t: Tiling) -> Tiling | None:
    """``t`` with its cost, or None when it does not fit."""
    spec, width = p.spec, p.spec.matrix.columns
    num_m = prod(-(-n // s) for n, s in zip(p.rows, t.rows, strict=True))
    num_n = -(-p.weights.columns // t.columns)
    num_k = -(-p.activations.channels // t.channels)
    if num_k > 1 and (t.keep_all or p.activations.by_columns):
        return None
    tile_rows, columns = prod(t.rows), min(t.columns, -(-p.weights.columns // width) * width)
    a = p.activations.tile_bytes(t.rows, t.channels, t.columns) * p.num_activations
    w = p.weights.tile_bytes(columns, t.channels) * p.num_pairs
    used = _footprint(p, t, (a, w), (num_m, num_n, num_k))
    if used > spec.scratchpad.bytes * p.scratchpad_share:
        return None
    batches = prod(p.rows[:-1]) if not p.weights.shared else 1
    reads_a, reads_w = _reads(p, t, (num_m, num_n, num_k), batches)
    elements = p.num_rows * p.weights.columns
    granule = spec.memory.granule_bytes
    cut = -(-t.columns // granule) * granule / t.columns if num_n > 1 else 1.0
    traffic = a * reads_a + w * reads_w + elements * (p.loaded_bytes + p.stored_bytes) * cut
    memory = traffic / spec.memory.bytes_per_cycle
    tiles_k = -(-t.channels // spec.matrix.rows) * num_k * prod(p.activations.kernel) * p.num_pairs
    tiles_n = -(-p.weights.columns // width)
    matrix = num_m * tiles_n * tiles_k * max(tile_rows, spec.matrix.rows)
    overhead = spec.vector.pipeline_cycles + 4
    vector = num_m * num_n * overhead + num_m * tile_rows * tiles_n * (width / spec.vector.lanes) * p.slots
    first = (a + w) / spec.memory.bytes_per_cycle
    way_out = tile_rows * columns * (p.slots / spec.vector.lanes + p.stored_bytes / spec.memory.bytes_per_cycle)
    cost = max(matrix, memory, vector) + _HIDDEN * (matrix + memory + vector) + first + way_out
    cost += _INSTRUCTION * num_m * num_n * num_k
    return Tiling(t.rows, t.columns, t.channels, t.weights_outer, t.keep_all, cost)


def _footprint(p: Product, t: Tiling, tile: tuple[float, float], count: tuple[int, int, int]) -> float:
    """Scratchpad bytes: what stays, and two of what streams."""
    (a, w), (num_m, num_n, num_k) = tile, count
    batches = prod(p.rows[:-1]) if not p.weights.shared else 1
    if num_k > 1:
        operands = 2 * a + 2 * w
    elif t.weights_outer:
        operands = min(2, num_n * batches) * w + (num_m * a if t.keep_all else min(2, num_m) * a)
    else:
        operands = min(2, num_m) * a + (num_n * w if t.keep_all else min(2, num_n * num_m) * w)
    rows = prod(t.rows)
    granule = p.spec.channel_granule
    columns = -(-t.columns // granule) * granule
    tail = 2 * rows * columns * (p.loaded_bytes + p.stored_bytes)
    return operands + tail + rows * p.row_bytes + 8 * p.spec.line_bytes


def _reads(p: Product, t: Tiling, count: tuple[int, int, int], batches: int) -> tuple[float, float]:
    """How many tile reads of activations and of weights."""
    num_m, num_n, num_k = count
    if num_k > 1:
        return num_m * num_n * num_k, num_m * num_n * num_k
    if p.activations.by_columns:
        return num_m * num_n, num_n * batches if t.weights_outer or t.keep_all else num_n * num_m
    if t.weights_outer:
        return num_m * (1 if t.keep_all else num_n), num_n * batches
    return num_m, num_n * (batches if t.keep_all else num_m)
