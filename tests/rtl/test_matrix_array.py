"""The systolic array against NumPy's integer product: elements exhaustively, whole tiles one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from seedchip.rtl.matrix.array import MatrixArray
from seedchip.rtl.matrix.element import MatrixElement


def simulate(unit: Any, testbench: Any) -> None:
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_an_element_multiplies_every_pair_of_bytes_of_a_grid():
    values = [-128, -127, -86, -2, -1, 0, 1, 2, 3, 85, 126, 127]
    element = MatrixElement()
    sums = []

    async def drive(ctx: Any) -> None:
        for weight in values:
            ctx.set(element.column_weight, weight)
            ctx.set(element.column_load, 1)
            await ctx.tick()
            ctx.set(element.column_load, 0)
            ctx.set(element.switch_in, 1)
            await ctx.tick()
            ctx.set(element.switch_in, 0)
            for activation in values:
                ctx.set(element.activation_in, activation)
                ctx.set(element.sum_in, (1 << 31) - 1 if activation == 127 else -weight)
                await ctx.tick()
                sums.append(ctx.get(element.sum_out))

    simulate(element, drive)
    expected = [(((1 << 31) - 1 if a == 127 else -w) + a * w + (1 << 31)) % (1 << 32) - (1 << 31)
                for w in values for a in values]
    assert sums == expected


def test_the_active_weight_stays_until_the_switch_comes():
    element = MatrixElement()
    seen = []

    async def drive(ctx: Any) -> None:
        ctx.set(element.activation_in, 1)
        steps = [(5, 1, 0), (0, 0, 1), (7, 1, 0), (0, 0, 0), (9, 1, 1), (0, 0, 0), (0, 0, 1), (0, 0, 0)]
        for weight, load, switch in steps:
            ctx.set(element.row_weight, weight)
            ctx.set(element.row_load, load)
            ctx.set(element.switch_in, switch)
            await ctx.tick()
            seen.append(ctx.get(element.sum_out))

    simulate(element, drive)
    # The switch of a cycle counts from the next one on; a weight captured with it goes to the shadow behind it.
    assert seen[2:] == [5, 5, 5, 7, 7, 9]


@pytest.mark.parametrize("rows, columns", [(2, 2), (4, 8), (8, 4)])
@pytest.mark.parametrize("num_rows", [1, 3, 9])
def test_tiles_follow_each_other_without_a_gap(rows, columns, num_rows):
    """Tiles of both storage orders, each loaded while the one before it streams, at the closest distance allowed."""
    rng = np.random.default_rng(rows * columns + num_rows)
    tiles = 5
    weights = rng.integers(-128, 128, (tiles, rows, columns))
    activations = rng.integers(-128, 128, (tiles, num_rows, rows))
    transposed = rng.integers(0, 2, tiles)
    loads = [columns if t else rows for t in transposed]
    begins, streams = [0], [loads[0]]
    for load in loads[1:]:
        begins.append(streams[-1])
        streams.append(streams[-1] + max(num_rows, load))
    array = MatrixArray(rows, columns)
    found = np.zeros((tiles, num_rows, columns), np.int64)

    async def drive(ctx: Any) -> None:
        for cycle in range(streams[-1] + num_rows + rows + columns + 2):
            ctx.set(array.weights.valid, 0)
            ctx.set(array.switch, int(cycle + 1 in streams))
            for i in range(tiles):
                if 0 <= (line := cycle - begins[i]) < loads[i]:
                    values = weights[i, :, line] if transposed[i] else weights[i, line]
                    ctx.set(array.weights.valid, 1)
                    ctx.set(array.weights.transpose, int(transposed[i]))
                    ctx.set(array.weights.index, line)
                    for place, value in enumerate(values):
                        ctx.set(array.weights.weights[place], int(value))
                if 0 <= (row := cycle - streams[i]) < num_rows:
                    for r in range(rows):
                        ctx.set(array.activations[r], int(activations[i, row, r]))
                for c in range(columns):
                    if 0 <= (row := cycle - streams[i] - rows - c) < num_rows:
                        found[i, row, c] = ctx.get(array.sums[c])
            await ctx.tick()

    simulate(array, drive)
    np.testing.assert_array_equal(found, activations @ weights)
