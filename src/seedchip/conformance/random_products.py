"""Random matrix products: any tile loops, pads, strides of either sign, groups and weight layouts that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.compiler.builder import ACCUMULATOR, SCRATCHPAD, Access
from seedchip.isa import Matmul

if TYPE_CHECKING:
    from seedchip.conformance.stage import Stage

WEIGHT_LOOPS = (("weight_stride_n", "tiles_n"), ("weight_stride_ky", "kernel_y"), ("weight_stride_kx", "kernel_x"),
                ("weight_stride_k", "tiles_k"))


class Products:
    """Emits random matmuls on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def matmul(self) -> None:
        stage = self.stage
        spec, between = stage.spec, stage.between
        sizes = {"size_y": between(1, 4), "size_x": between(1, 6)}
        tiles = {"tiles_k": between(1, 2), "tiles_n": between(1, 2), "kernel_y": between(1, 2),
                 "kernel_x": between(1, 2)}
        activations, activation = self._activations(tiles)
        weights, weight = self._weights(tiles)
        sums, sum_ = self._sums(sizes, tiles)
        stage.builder.emit(
            Matmul, [activation, weight], [sum_], **sizes, **tiles, **activations, **weights, **sums,
            step_y=between(1, 2), step_x=between(1, 3), dilation_y=between(1, 2), dilation_x=between(1, 2),
            origin_y=between(-2, 1), origin_x=between(-2, 1), pad_value=between(-128, 127),
            valid_k=between(1, tiles["tiles_k"] * spec.matrix.rows),
            valid_n=between(1, tiles["tiles_n"] * spec.matrix.columns))

    def _activations(self, tiles: dict[str, int]) -> tuple[dict[str, int], Access]:
        stage, rows = self.stage, self.stage.spec.matrix.rows
        counts = {"y": stage.between(1, 5), "x": stage.between(1, 6), "n": tiles["tiles_n"]}
        limits = {"y": 6 * rows, "x": 2 * rows, "n": rows}
        strides = {a: stage.between(0, limits[a]) * (-1 if stage.often(0.2) else 1) for a in counts}
        if not stage.below(2):
            strides["n"] = 0
        low = sum(min(0, (counts[a] - 1) * strides[a]) for a in counts)
        reach = sum((counts[a] - 1) * abs(strides[a]) for a in counts) + tiles["tiles_k"] * rows
        start = stage.between(0, stage.weights - reach)
        return ({"activation_address": start - low, "limit_y": counts["y"], "limit_x": counts["x"],
                 **{f"activation_stride_{a}": s for a, s in strides.items()}}, Access(SCRATCHPAD, start, reach))

    def _weights(self, tiles: dict[str, int]) -> tuple[dict[str, int], Access]:
        """Weights in their own quarter, or now and then in the banks of the activations."""
        stage, spec = self.stage, self.stage.spec
        room = spec.scratchpad.bytes - stage.weights
        start = stage.weights if stage.below(3) else stage.between(0, stage.weights)
        longest = max(spec.matrix.rows, spec.matrix.columns)
        strides = {name: stage.between(-(room // 32), room // 16) for name, _ in WEIGHT_LOOPS}
        strides["weight_stride_row"] = stage.between(0, room // (4 * longest))
        below = sum(min(0, strides[name] * (tiles[count] - 1)) for name, count in WEIGHT_LOOPS)
        address = stage.between(start - below, start - below + room // 8)
        return ({"weight_address": address, **strides, "transpose": stage.below(2),
                 "int4": int(stage.often(0.3))}, Access(SCRATCHPAD, start, room))

    def _sums(self, sizes: dict[str, int], tiles: dict[str, int]) -> tuple[dict[str, int], Access]:
        """Rows of sums in one bank; now and then the tiles of output channels overlap."""
        stage, spec = self.stage, self.stage.spec
        rows, bank_rows = sizes["size_y"] * sizes["size_x"], stage.builder.accumulator_bank_rows
        stride = stage.below(rows + 1) if stage.often(0.2) else rows
        if rows + (tiles["tiles_n"] - 1) * stride > bank_rows:
            stride = 0
        reach = rows + (tiles["tiles_n"] - 1) * stride
        row = stage.below(spec.accumulator.banks) * bank_rows + stage.between(0, bank_rows - reach)
        return ({"accumulator_address": row, "accumulator_stride": stride, "accumulate": int(stage.often(0.3))},
                Access(ACCUMULATOR, row, reach))
