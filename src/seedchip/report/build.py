"""From a program and its time line to a report."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from seedchip.program import Layer
from seedchip.report.activity import measure_activity
from seedchip.report.report import LayerCost, Report
from seedchip.simulator.counters import count_cycles, count_traffic, fetched_bytes

if TYPE_CHECKING:
    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

NO_LAYER = "(not in a layer)"
_SOURCE = re.compile(r"(?s).*?: node (?:'(.*)' \(\w+\)|(number \d+ \(\w+\)))")
"""How the front end writes where a node stands in its model."""


def build_report(program: Program, spec: ChipSpec, timeline: Timeline) -> Report:
    """What one run of ``program`` costs on the chip."""
    layers = measure_layers(program, spec, timeline)
    fetched = fetched_bytes(program.instructions, spec)
    return Report(
        model=program.name, chip=spec.name, chip_hash=spec.hash, cycles=timeline.cycles, clock_hz=spec.clock.hz,
        macs=program.macs, peak_macs_per_cycle=spec.macs_per_cycle, peak_bytes_per_cycle=spec.memory.bytes_per_cycle,
        memory_bytes=program.memory_bytes, memory_bytes_read=fetched + sum(layer.memory_bytes_read for layer in layers),
        memory_bytes_written=sum(layer.memory_bytes_written for layer in layers),
        counters=count_cycles(program.instructions, spec, timeline), layers=tuple(layers),
        timeline=measure_activity(program, spec, timeline))


def measure_layers(program: Program, spec: ChipSpec, timeline: Timeline) -> list[LayerCost]:
    """Each layer's share of the run, in program order.

    A layer's cycles are those by which its last completion lies behind that of all layers before it: they add up to the
    run, and a layer that runs wholly beside earlier ones costs none. Instructions that belong to no layer are one more.
    """
    costs: list[LayerCost] = []
    traffic = count_traffic(program.instructions, spec)
    end = 0
    for layer in _stretches(program):
        indices = [i for i in range(layer.first, layer.last) if program.instructions[i].engine is not None]
        completed = max((timeline.completed[i] for i in indices), default=end)
        cycles, end = max(0, completed - end), max(end, completed)
        first = min((timeline.started[i] for i in indices), default=completed)
        read, written = (sum(traffic[i][way] for i in indices) for way in (0, 1))
        costs.append(LayerCost(layer_name(layer.name), layer.operation, cycles, first, completed, layer.macs, read,
                               written))
    if costs and end < timeline.cycles:
        costs[-1] = replace(costs[-1], cycles=costs[-1].cycles + timeline.cycles - end)
    return costs


def layer_name(source: str) -> str:
    """The node's own name in ``FILE: node 'NAME' (OPERATOR)``; other texts stay as they are."""
    match = _SOURCE.fullmatch(source)
    return match[1] or match[2] if match else source


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

