"""Edges of the fields of loads and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.conformance.data import INDEX_REACH, MEMORY_BYTES
from seedchip.conformance.scene import INDICES
from seedchip.conformance.span import Setting, Span, Spans, fixed

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

RUN = 8
"""Bytes of a run where its length is not what is tried."""
MEMORY_ENDS = "the case's memory ends there"
SCRATCHPAD_ENDS = "the scratchpad ends there"
NO_EMPTY_LOOP = "an empty loop is a fault"
NO_EMPTY_TABLE = "a gather from nothing is a fault"


def load_spans(spec: ChipSpec) -> Spans:
    parameters, granule = spec.parameter.bytes, spec.memory.granule_bytes
    spans = _shared_spans(spec)
    gather = {"gather": 1, INDICES: True, "count0": 6, "run_bytes": granule, "local_stride0": granule,
              "local_address": spec.scratchpad.bytes // 4, "memory_address": 64 * granule}
    spans["local_address"].append(Span(0, parameters - RUN, fixed(space=1, run_bytes=RUN)))
    spans["run_bytes"].append(Span(1, spec.scratchpad.bytes, fixed(fill=1, fill_value=90), SCRATCHPAD_ENDS))
    return spans | {
        "space": [Span(0, 1, fixed(run_bytes=RUN))],
        "fill": [Span(0, 1, fixed(run_bytes=3 * spec.line_bytes + 1, fill_value=7, local_address=3))],
        "fill_value": [Span(0, 255, fixed(fill=1, run_bytes=RUN))],
        "gather": [Span(0, 1, fixed(**gather | {"gather": 0, "table_rows": INDEX_REACH}))],
        "index_address": [Span(0, spec.scratchpad.bytes - 4 * gather["count0"], fixed(
            **gather, table_rows=INDEX_REACH // 2, memory_stride0=2 * granule), "indices are aligned", step=4)],
        "table_rows": [Span(1, (1 << 32) - 1, fixed(**gather), NO_EMPTY_TABLE),
                       Span(1, INDEX_REACH, fixed(**gather, memory_stride0=granule, memory_stride1=64 * granule,
                                                  count1=2, local_stride1=32 * granule), NO_EMPTY_TABLE)],
    }


def store_spans(spec: ChipSpec) -> Spans:
    return _shared_spans(spec)


def _shared_spans(spec: ChipSpec) -> Spans:
    size = spec.scratchpad.bytes
    spans: Spans = {
        "memory_address": [Span(0, MEMORY_BYTES - RUN, fixed(run_bytes=RUN), MEMORY_ENDS)],
        "local_address": [Span(0, size - RUN, fixed(run_bytes=RUN, memory_address=MEMORY_BYTES // 2), SCRATCHPAD_ENDS)],
        "run_bytes": [Span(1, min(size, MEMORY_BYTES // 2), fixed(memory_address=MEMORY_BYTES // 2), SCRATCHPAD_ENDS)],
    }
    for loop in range(3):
        spans[f"count{loop}"] = [Span(1, 0xFFFF, fixed(memory_address=MEMORY_BYTES // 2), NO_EMPTY_LOOP),
                                 Span(1, 6, _loop(loop, 0, memory=12, local=9), NO_EMPTY_LOOP)]
        spans[f"memory_stride{loop}"] = [
            Span(-(1 << 31), (1 << 31) - 1, fixed(run_bytes=RUN, memory_address=MEMORY_BYTES // 2)),
            Span(-(MEMORY_BYTES // 4), MEMORY_BYTES // 4 - 2 * RUN, _loop(loop, 2, local=16))]
        spans[f"local_stride{loop}"] = [
            Span(-(1 << 23), (1 << 23) - 1, fixed(run_bytes=RUN, memory_address=MEMORY_BYTES // 2)),
            Span(-(size // 2), size // 2 - RUN, _loop(loop, 2, memory=24, address=size // 2))]
    return spans


def _loop(loop: int, count: int, memory: int = 0, local: int = 0, address: int = 64) -> Setting:
    """``count`` iterations (0: as many as are tried) of one loop, in the upper half of memory."""
    fields = {"run_bytes": RUN, "memory_address": 3 * MEMORY_BYTES // 4 + 1, "local_address": address}
    steps = {f"count{loop}": count, f"memory_stride{loop}": memory, f"local_stride{loop}": local}
    return fixed(**fields, **{name: value for name, value in steps.items() if value})
