"""A Chrome trace of a run, for https://ui.perfetto.dev.

Format: "Trace Event Format" (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), JSON
object form. One lane for each engine's queue; an event lasts while the engine works on an instruction (for the matrix
engine: while rows stream), so events of a lane never overlap. Time stamps are microseconds of chip time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seedchip.report.report import ENGINES
from seedchip.simulator.counters import busy_intervals

if TYPE_CHECKING:
    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

PROCESS_ID = 1


def to_chrome_trace(program: Program, timeline: Timeline, spec: ChipSpec) -> str:
    """JSON text: one complete event (``ph`` X) for each instruction but halt, and the names of process and lanes."""
    return to_sequence_trace(program.name, [(program, timeline)], spec)


def to_sequence_trace(name: str, runs: Sequence[tuple[Program, Timeline]], spec: ChipSpec) -> str:
    """The same for programs that run one after the other; each one's ``started_cycle`` counts from its own start."""
    events: list[dict[str, Any]] = [_metadata("process_name", 0, f"{name} on {spec.name}")]
    lanes = {engine: lane for lane, engine in enumerate(ENGINES, start=1)}
    for engine, lane in lanes.items():
        events += [_metadata("thread_name", lane, engine),
                   {**_metadata("thread_sort_index", lane, ""), "args": {"sort_index": lane}}]
    begin = 0
    for program, timeline in runs:
        events += _events(program, timeline, spec, begin)
        begin += timeline.cycles
    content = {"traceEvents": events, "displayTimeUnit": "ns",
               "otherData": {"cycles": begin, "clock_hz": spec.clock.hz, "chip": spec.name}}
    return json.dumps(content, separators=(",", ":")) + "\n"


def _events(program: Program, timeline: Timeline, spec: ChipSpec, begin: int) -> list[dict[str, Any]]:
    lanes = {engine: lane for lane, engine in enumerate(ENGINES, start=1)}
    events: list[dict[str, Any]] = []
    layers = {index: layer.name for layer in program.layers for index in range(layer.first, layer.last)}
    for engine, start, end, index in busy_intervals(program.instructions, spec, timeline):
        mnemonic = program.instructions[index].mnemonic()
        events.append({
            "name": layers.get(index, mnemonic), "cat": mnemonic, "ph": "X", "pid": PROCESS_ID, "tid": lanes[engine],
            "ts": _microseconds(begin + start, spec), "dur": _difference(begin + start, begin + end, spec),
            "args": {"instruction": index, "mnemonic": mnemonic, "started_cycle": timeline.started[index],
                     "active_cycles": timeline.busy[index], "completed_cycle": timeline.completed[index],
                     "queued_cycles": timeline.started[index] - timeline.dispatched[index]}})
    return events


def _metadata(kind: str, lane: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": PROCESS_ID, "tid": lane or 1, "args": {"name": name}}


def _picoseconds(cycle: int, spec: ChipSpec) -> int:
    return cycle * 10**12 // spec.clock.hz


def _microseconds(cycle: int, spec: ChipSpec) -> float:
    return _picoseconds(cycle, spec) / 10**6


def _difference(start: int, end: int, spec: ChipSpec) -> float:
    return (_picoseconds(end, spec) - _picoseconds(start, spec)) / 10**6
