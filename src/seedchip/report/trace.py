"""A Chrome trace of a run, for https://ui.perfetto.dev.

Format: "Trace Event Format" (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), JSON
object form. One lane for each engine's queue; an event lasts from the cycle in which an instruction starts to the one in
which its engine could take the next, so events of a lane never overlap. Time stamps are microseconds of chip time.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from seedchip.isa import Engine

if TYPE_CHECKING:
    from seedchip.program import Program
    from seedchip.simulator.timing import Timeline
    from seedchip.spec import ChipSpec

PROCESS_ID = 1
_LANES = (Engine.MATRIX, Engine.VECTOR, Engine.LOAD, Engine.STORE)


def to_chrome_trace(program: Program, timeline: Timeline, spec: ChipSpec) -> str:
    """JSON text with one complete event (``ph`` X) for each instruction but halt, and the names of process and lanes."""
    events: list[dict[str, Any]] = [_metadata("process_name", 0, f"{program.name} on {spec.name}")]
    for lane, engine in enumerate(_LANES, start=1):
        events += [_metadata("thread_name", lane, engine.name.lower()),
                   {**_metadata("thread_sort_index", lane, ""), "args": {"sort_index": lane}}]
    lanes = {engine: lane for lane, engine in enumerate(_LANES, start=1)}
    layers = _layer_names(program)
    for index in timeline.starts:
        instruction = program.instructions[index]
        if instruction.engine is None:
            continue
        start, end = timeline.started[index], timeline.released[index]
        events.append({
            "name": layers.get(index, instruction.mnemonic()), "cat": instruction.mnemonic(), "ph": "X",
            "pid": PROCESS_ID, "tid": lanes[instruction.engine], "ts": _microseconds(start, spec),
            "dur": _difference(start, end, spec),
            "args": {"instruction": index, "mnemonic": instruction.mnemonic(), "start_cycle": start,
                     "busy_cycles": timeline.busy[index], "queued_cycles": start - timeline.dispatched[index],
                     "completed_cycle": timeline.completed[index]}})
    content = {"traceEvents": events, "displayTimeUnit": "ns",
               "otherData": {"cycles": timeline.cycles, "clock_hz": spec.clock.hz, "chip": spec.name}}
    return json.dumps(content, separators=(",", ":")) + "\n"


def _metadata(kind: str, lane: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": PROCESS_ID, "tid": lane or 1, "args": {"name": name}}


def _layer_names(program: Program) -> dict[int, str]:
    return {index: layer.name for layer in program.layers for index in range(layer.first, layer.last)}


def _picoseconds(cycle: int, spec: ChipSpec) -> int:
    return cycle * 10**12 // spec.clock.hz


def _microseconds(cycle: int, spec: ChipSpec) -> float:
    return _picoseconds(cycle, spec) / 10**6


def _difference(start: int, end: int, spec: ChipSpec) -> float:
    return (_picoseconds(end, spec) - _picoseconds(start, spec)) / 10**6
