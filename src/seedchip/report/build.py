"""From a program and its time line to a report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seedchip.isa import Load, Store
from seedchip.isa.dma import num_granules
from seedchip.program import Layer
from seedchip.report.activity import measure_activity
from seedchip.report.report import LayerCost, Report

if TYPE_CHECKING:
    from seedchip.isa import Instruction
    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

NO_LAYER = "(not in a layer)"


def build_report(program: Program, spec: ChipSpec, timeline: Timeline) -> Report:
    """What one run of ``program`` costs on the chip."""
    from seedchip.simulator.counters import count_cycles

    layers = measure_layers(program, spec, timeline)
    fetched = timeline.fetch_cycles * spec.memory.bytes_per_cycle
    return Report(
        model=program.name, chip=spec.name, chip_hash=spec.hash, cycles=timeline.cycles, clock_hz=spec.clock.hz,
        macs=program.macs, peak_macs_per_cycle=spec.macs_per_cycle, peak_bytes_per_cycle=spec.memory.bytes_per_cycle,
        memory_bytes=program.memory_bytes, memory_bytes_read=fetched + sum(layer.memory_bytes_read for layer in layers),
        memory_bytes_written=sum(layer.memory_bytes_written for layer in layers),
        counters=count_cycles(program.instructions, spec, timeline), layers=tuple(layers),
        timeline=measure_activity(program, timeline))


def measure_layers(program: Program, spec: ChipSpec, timeline: Timeline) -> list[LayerCost]:
    """Each layer's share of the run, in program order.

    A layer's cycles are those by which its last completion lies behind that of all layers before it: they add up to the
    run, and a layer that runs wholly beside earlier ones costs none. Instructions that belong to no layer are one more.
    """
    costs: list[LayerCost] = []
    end = 0
    for layer in _stretches(program):
        indices = [i for i in range(layer.first, layer.last) if program.instructions[i].engine is not None]
        completed = max((timeline.completed[i] for i in indices), default=end)
        cycles, end = max(0, completed - end), max(end, completed)
        first = min((timeline.started[i] for i in indices), default=completed)
        traffic = _traffic([program.instructions[i] for i in indices], spec)
        costs.append(LayerCost(layer.name, layer.operation, cycles, first, completed, layer.macs, *traffic))
    if costs and end < timeline.cycles:
        costs[-1] = replace(costs[-1], cycles=costs[-1].cycles + timeline.cycles - end)
    return costs


def _stretches(program: Program) -> list[Layer]:
    """The program's layers and, as layers of their own, the instructions between them (halt left out)."""
    stretches, at = [], 0
    last = len(program.instructions) - 1
    for layer in [*sorted(program.layers, key=lambda x: (x.first, x.last)), Layer("", "", last, last, 0)]:
        if at < layer.first:
            stretches.append(Layer(NO_LAYER, "-", at, layer.first, 0))
        at = max(at, layer.last)
        stretches.append(layer)
    return stretches[:-1]


def _traffic(instructions: list[Instruction], spec: ChipSpec) -> tuple[int, int]:
    """Bytes read and written, in whole granules."""
    granule = spec.memory.granule_bytes
    read = sum(num_granules(i, spec) for i in instructions if isinstance(i, Load) and not i.fill)
    return granule * read, granule * sum(num_granules(i, spec) for i in instructions if isinstance(i, Store))
