"""Edges of the fields of vector instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.conformance.random_microcode import word
from seedchip.conformance.scene import CODE, CODE_LINE
from seedchip.conformance.span import Setting, Span, Spans, fixed
from seedchip.isa import ElementType, OperandKind
from seedchip.isa.vector import MAX_CONSTANTS, MAX_OPERATIONS, SOURCE_A, SOURCE_B, SOURCE_C, SOURCE_CONSTANT
from seedchip.isa.vector import SOURCE_PARAMETER as PARAMETER
from seedchip.numerics.microop import MICRO_OPS

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

SIGNED_24 = (-(1 << 23), (1 << 23) - 1)
FLOAT32 = int(ElementType.FLOAT32)
AT_LEAST_ONE = "a size, step, dilation or number of taps or columns of 0 is a fault"
SCRATCHPAD_ENDS = "the scratchpad ends there"
PARAMETERS_END = "the parameter memory ends there"
ALIGNED = "vectors begin at a multiple of their length, inside the scratchpad"
NO_TYPE = "there is no such type"


def vector_spans(spec: ChipSpec) -> Spans:
    base = _base(spec)

    def near(**fields: Any) -> Setting:
        return fixed(**base | fields)

    sums, columns, size = spec.accumulator_rows, spec.matrix.columns, spec.scratchpad.bytes
    still = {"a_stride_y": 0, "a_stride_x": 0, "out_stride_y": 0, "out_stride_x": 0, "columns": 1}
    widest = size - 2 * spec.line_bytes
    spans = _operand_spans(spec, base) | _result_spans(spec, base) | _window_spans(spec, base)
    spans |= _parameter_spans(spec, base)
    sum_ = {"a_kind": int(OperandKind.ACCUMULATOR), "a_address": 0, "a_stride_x": 1, "a_stride_y": 1}
    spans["a_address"].append(Span(0, sums - 2, near(**sum_), "the accumulators end there"))
    spans["a_stride_group"] = [Span(0, (1 << 20) - 1, near(**sum_, columns=spec.vector.lanes)),
                               Span(0, sums - 2, near(**sum_, columns=2 * columns))]
    wide = {"a_kind": int(OperandKind.SCALAR), "a_address": size - 1, "out_address": 0, "size_x": 1}
    return spans | {
        "size_y": [Span(1, 0xFFFF, near(**still, size_x=1), AT_LEAST_ONE)],
        "size_x": [Span(1, 0xFFFF, near(**still), AT_LEAST_ONE)],
        "columns": [Span(1, widest, near(**wide), SCRATCHPAD_ENDS),
                    Span(1, 4 * columns, near(size_x=1), SCRATCHPAD_ENDS)],
    }


def _base(spec: ChipSpec) -> dict[str, int]:
    """Two rows of INT8 elements, a group and a half long, from the scratchpad's beginning to its middle."""
    lanes = spec.vector.lanes
    return {"a_stride_x": 2 * lanes, "a_stride_y": 4 * lanes, "size_x": 2, "columns": lanes + lanes // 2,
            "out_address": spec.scratchpad.bytes // 2, "out_stride_x": 8 * lanes, "out_stride_y": 16 * lanes}


def _code(*words: int, constants: tuple[int, ...] = ()) -> dict[str, Any]:
    return {CODE: np.array([*words, *constants], np.uint32).view(np.uint8), "num_operations": len(words),
            "num_constants": len(constants)}


def _op(name: str, register: int, *sources: int) -> int:
    return word(MICRO_OPS[name].opcode, register, sources)


def _operand_spans(spec: ChipSpec, base: dict[str, int]) -> Spans:
    lanes, size = spec.vector.lanes, spec.scratchpad.bytes
    spans: Spans = {}
    for name, source in (("a", SOURCE_A), ("b", SOURCE_B), ("c", SOURCE_C)):
        rows = {f"{name}_stride_x": 2 * lanes, f"{name}_stride_y": 4 * lanes}
        has = base | rows | {f"{name}_kind": 1} | _code(_op("mov", 0, source))
        lone = {"size_x": 1, "columns": lanes}
        floats = {f"{name}_type": FLOAT32, f"{name}_stride_x": 8 * lanes, f"{name}_stride_y": 16 * lanes}

        def elsewhere(value: int, has: dict[str, Any] = has, name: str = name) -> dict[str, Any]:
            """Results in the half of the scratchpad where the operand is not."""
            there = size // 2 if value < size // 4 else 0
            return has | {"size_x": 1, "columns": lanes, "out_address": there if value < size * 3 // 8 else 0}

        def of_kind(value: int, has: dict[str, Any] = has, name: str = name) -> dict[str, Any]:
            return has | (_code(_op("mov", 0, SOURCE_CONSTANT), constants=(0x41200000,)) if value == 0 else {})

        spans[f"{name}_kind"] = [Span(0, 3 if name == "a" else 2, of_kind,
                                      "" if name == "a" else "only operand A can be sums of the accumulators")]
        spans[f"{name}_type"] = [Span(0, 2, fixed(**has | {f"{name}_stride_x": 8 * lanes}), NO_TYPE)]
        spans[f"{name}_address"] = [Span(0, size - lanes, elsewhere, ALIGNED, step=lanes)]
        if name != "a":
            scalar = has | {f"{name}_kind": int(OperandKind.SCALAR), "size_x": 1, "out_address": size // 4}
            spans[f"{name}_address"].append(Span(0, size // 4 - 1, fixed(**scalar), SCRATCHPAD_ENDS))
        for axis in "yx":
            stride, count = f"{name}_stride_{axis}", {f"size_{axis}": 2}
            low = has | lone | count | {f"{name}_address": size // 4, "out_address": size * 3 // 4}
            spans[stride] = [Span(*SIGNED_24, fixed(**has | lone)),
                             Span(-(size // 4), size // 4, fixed(**low), ALIGNED, step=lanes),
                             Span(-2 * lanes * 4, 2 * lanes * 4, fixed(**low | floats), ALIGNED, step=4 * lanes)]
    return spans


def _result_spans(spec: ChipSpec, base: dict[str, int]) -> Spans:
    lanes, size = spec.vector.lanes, spec.scratchpad.bytes
    whole = {"columns": lanes, "size_x": 1}
    floats = base | _code(_op("mov", 0, SOURCE_A)) | {"out_type": FLOAT32, "a_type": FLOAT32, "a_stride_x": 8 * lanes}
    spans: Spans = {
        "out_type": [Span(0, 2, fixed(**base | {"a_type": FLOAT32, "a_stride_x": 8 * lanes, "clamp_low": 0xC7000000,
                                                 "clamp_high": 0x47000000}), NO_TYPE)],
        "out_address": [Span(0, size - lanes, lambda value: base | whole | {
            "a_address": size // 2 if value < size // 4 else 0}, ALIGNED, step=lanes)],
        "reduce": [Span(0, 3, fixed(**base | {"out_type": FLOAT32}))],
    }
    for name in ("clamp_low", "clamp_high"):  # all patterns, and those around the infinities: one beyond is a NaN
        spans[name] = [Span(low, high, fixed(**setting)) for setting in (floats, base)
                       for low, high in ((0, (1 << 32) - 1), (0x7F7FFFFF, 0x7F800001), (0xFF7FFFFF, 0xFF800001))]
    for axis in "yx":
        two = base | whole | {f"size_{axis}": 2, "out_address": size // 2}
        spans[f"out_stride_{axis}"] = [
            Span(*SIGNED_24, fixed(**base | whole)),
            Span(-(size // 4), size // 2 - lanes, fixed(**two | {"a_stride_y": 0, "a_stride_x": 0}), ALIGNED,
                 step=lanes)]
    return spans


def _window_spans(spec: ChipSpec, base: dict[str, int]) -> Spans:
    lanes = spec.vector.lanes
    window = base | {"window": 1, "limit_y": 2, "limit_x": 3, "tap_y": 2, "tap_x": 2, "a_stride_y": 8 * lanes}
    spans: Spans = {
        "window": [Span(0, 1, fixed(**window))],
        "tap_max": [Span(0, 1, fixed(**window))],
    }
    for axis in "yx":
        still = window | {f"a_stride_{axis}": 0, f"limit_{axis}": 0xFFFF}
        one = still | {f"tap_{axis}": 1, f"size_{axis}": 1}
        stepping = window | {f"a_stride_{axis}": lanes, f"limit_{axis}": 0xFFFF, f"tap_{axis}": 1, "columns": lanes,
                             "size_x": 1, "size_y": 1, "tap_max": 1, "out_address": spec.scratchpad.bytes * 3 // 4}
        spans |= {
            f"tap_{axis}": [Span(1, 255, fixed(**still), AT_LEAST_ONE)],
            f"step_{axis}": [Span(1, 255, fixed(**stepping | {f"size_{axis}": 2}), AT_LEAST_ONE)],
            f"dilation_{axis}": [Span(1, 255, fixed(**stepping | {f"tap_{axis}": 2}), AT_LEAST_ONE)],
            f"origin_{axis}": [Span(-(1 << 15), (1 << 15) - 1, fixed(**one)), Span(-3, 3, fixed(**window))],
            f"limit_{axis}": [Span(0, 0xFFFF, fixed(**window)), Span(0, 5, fixed(**window))],
        }
    return spans


def _parameter_spans(spec: ChipSpec, base: dict[str, int]) -> Spans:
    lines = spec.parameter.bytes // spec.line_bytes
    scaled = base | _code(_op("mad", 0, SOURCE_A, PARAMETER, PARAMETER + 1)) | {
        "num_parameters": 2, "parameter_address": lines // 2, "out_type": FLOAT32, "columns": spec.vector.lanes}
    chain = [_op("mov", 0, SOURCE_A)] + [_op("add", 0, 0, SOURCE_A)] * (MAX_OPERATIONS - 1)

    def of_length(value: int) -> dict[str, Any]:
        return base | (_code(*chain[:value]) if value else {})

    def with_constants(value: int) -> dict[str, Any]:
        """The sum of all constants, each at its own place in the order of additions."""
        adds = [_op("add", 0, 0, SOURCE_CONSTANT + c) for c in range(value)][:MAX_OPERATIONS - 1]
        return base | _code(chain[0], *adds, constants=tuple(0x3F800000 + c for c in range(value)))

    def with_parameters(value: int) -> dict[str, Any]:
        adds = [_op("add", 0, 0, PARAMETER + p) for p in range(value)]
        return scaled | _code(chain[0], *adds)

    return {
        "program_address": [Span(0, lines - 1, lambda value: scaled | {
            CODE_LINE: value, "parameter_address": lines // 2 if value < lines // 4 else 0}, PARAMETERS_END)],
        "num_operations": [Span(0, MAX_OPERATIONS, of_length, f"a micro-program has at most {MAX_OPERATIONS}")],
        "num_constants": [Span(0, MAX_CONSTANTS, with_constants, f"a micro-program has at most {MAX_CONSTANTS}")],
        "parameter_address": [Span(0, lines - 2, lambda value: scaled | {
            CODE_LINE: lines // 2 if value < lines // 4 else 0}, PARAMETERS_END)],
        "num_parameters": [Span(0, 8, with_parameters, "a group has at most 8")],
    }
