"""Drives small hardware units in Amaranth's simulator, one item a cycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from amaranth.sim import Simulator


def run_pipeline(unit: Any, inputs: Mapping[str, np.ndarray], output: str, cycles: int) -> np.ndarray:
    """uint32: ``output`` for every item of the inputs, each given in its own cycle and read ``cycles`` later."""
    results: list[int] = []
    items = len(next(iter(inputs.values())))

    async def drive(ctx: Any) -> None:
        for item in range(items + cycles):
            if item < items:
                for name, values in inputs.items():
                    ctx.set(getattr(unit, name), int(values[item]))
            if item >= cycles:
                results.append(ctx.get(getattr(unit, output)) & 0xFFFFFFFF)
            await ctx.tick()

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    return np.array(results, np.uint32)
