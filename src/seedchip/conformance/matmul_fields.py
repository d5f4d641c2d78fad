"""Edges of the fields of matrix products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seedchip.conformance.span import Setting, Span, Spans, fixed

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

SIGNED_24 = (-(1 << 23), (1 << 23) - 1)
AT_LEAST_ONE = "a size, kernel, step or dilation of 0 is a fault"
ROWS_END = "the accumulators end there"
OPERAND_ENDS = "the operand must stay in the scratchpad"


def matmul_spans(spec: ChipSpec) -> Spans:
    rows, columns = spec.matrix.rows, spec.matrix.columns
    sums, size = spec.accumulator_rows, spec.scratchpad.bytes
    base = _base(spec)

    def near(**fields: Any) -> Setting:
        return fixed(**base | fields)

    flat = {"activation_stride_y": 0, "activation_stride_x": 0, "limit_y": 0xFFFF, "limit_x": 0xFFFF}
    return _activation_spans(spec, base) | _weight_spans(spec, base) | {
        "size_y": [Span(1, sums, near(**flat, size_x=1), ROWS_END)],
        "size_x": [Span(1, sums, near(**flat), ROWS_END)],
        "kernel_y": [Span(1, 255, near(**flat), AT_LEAST_ONE)],
        "kernel_x": [Span(1, 255, near(**flat), AT_LEAST_ONE)],
        "tiles_k": [Span(1, min(4095, size // rows // 2), near(valid_k=(1 << 20) - 1), OPERAND_ENDS),
                    Span(1, 4095, near(), AT_LEAST_ONE)],
        "tiles_n": [Span(1, 4095, near(), AT_LEAST_ONE),
                    Span(1, sums // 2, near(valid_n=(1 << 20) - 1, accumulator_stride=2), ROWS_END)],
        "pad_value": [Span(-128, 127, near(origin_x=-1, size_x=4))],
        "valid_k": [Span(1, (1 << 20) - 1, near(tiles_k=2, weight_stride_k=rows * columns), AT_LEAST_ONE),
                    Span(1, 2 * rows, near(tiles_k=2, weight_stride_k=rows * columns), AT_LEAST_ONE)],
        "valid_n": [Span(1, (1 << 20) - 1, near(tiles_n=2, accumulator_stride=2), AT_LEAST_ONE),
                    Span(1, 2 * columns, near(tiles_n=2, accumulator_stride=2, weight_stride_n=columns), AT_LEAST_ONE)],
        "accumulator_address": [Span(0, sums - 2, near(), ROWS_END)],
        "accumulator_stride": [Span(0, (1 << 20) - 1, near()),
                               Span(0, sums - 2, near(tiles_n=2, valid_n=2 * columns, weight_stride_n=columns))],
        **{name: [Span(0, 1, near(tiles_k=2, valid_k=2 * rows))]
           for name in ("transpose", "accumulate", "first_alone", "tiles_alone", "int4")},
    }


def _base(spec: ChipSpec) -> dict[str, int]:
    """Two rows of activations at the scratchpad's beginning, one weight tile in its last bank."""
    rows, columns = spec.matrix.rows, spec.matrix.columns
    return {"size_x": 2, "limit_x": 2, "activation_stride_x": rows, "valid_k": rows, "valid_n": columns,
            "weight_address": spec.scratchpad.bytes - 8 * rows * columns, "weight_stride_row": columns}


def _activation_spans(spec: ChipSpec, base: dict[str, int]) -> Spans:
    rows, size = spec.matrix.rows, spec.scratchpad.bytes
    spans: Spans = {"activation_address": [Span(0, size - 2 * rows, fixed(**base), OPERAND_ENDS)]}
    reach = Span(-(size // 2), size // 2 - rows, fixed())
    for axis in "yx":
        one = base | {"size_x": 1, "activation_address": size // 2}
        two = one | {f"size_{axis}": 2, f"limit_{axis}": 2}
        # Positions a byte apart, as many as a window can reach with 255.
        bytewise = one | {"activation_address": 3, f"limit_{axis}": 0xFFFF, f"activation_stride_{axis}": 1}
        still = one | {f"activation_stride_{axis}": 0, f"limit_{axis}": 0x7FFF}
        row = f"activation_stride_{axis}"
        small = base | {f"size_{axis}": 3, f"limit_{axis}": 2, row: rows}
        spans[row] = [Span(*SIGNED_24, fixed(**one)), Span(reach.low, reach.high, fixed(**two))]
        spans[f"step_{axis}"] = [Span(1, 255, fixed(**bytewise | {f"size_{axis}": 2}), AT_LEAST_ONE)]
        spans[f"dilation_{axis}"] = [Span(1, 255, fixed(**bytewise | {f"kernel_{axis}": 2}), AT_LEAST_ONE)]
        spans[f"origin_{axis}"] = [Span(-(1 << 15), (1 << 15) - 1, fixed(**still)), Span(-3, 3, fixed(**small))]
        spans[f"limit_{axis}"] = [Span(0, 0xFFFF, fixed(**small)), Span(0, 4, fixed(**small))]
    groups = base | {"activation_address": size // 2, "tiles_n": 2, "accumulator_stride": 2,
                     "valid_n": 2 * spec.matrix.columns}
    spans["activation_stride_n"] = [Span(*SIGNED_24, fixed(**base)),
                                    Span(reach.low, reach.high - rows, fixed(**groups))]
    return spans


def _weight_spans(spec: ChipSpec, base: dict[str, int]) -> Spans:
    rows, columns, size = spec.matrix.rows, spec.matrix.columns, spec.scratchpad.bytes
    tile, middle = rows * columns, size // 2
    spans: Spans = {"weight_address": [Span(0, size - tile, fixed(**base), OPERAND_ENDS)]}
    flat = {"activation_stride_y": 0, "activation_stride_x": 0, "limit_y": 0xFFFF, "limit_x": 0xFFFF}
    loops = {"n": {"tiles_n": 2, "accumulator_stride": 2, "valid_n": 2 * columns}, "ky": {"kernel_y": 2, **flat},
             "kx": {"kernel_x": 2, **flat}, "k": {"tiles_k": 2, "valid_k": 2 * rows}}
    for loop, fields in loops.items():
        spans[f"weight_stride_{loop}"] = [
            Span(*SIGNED_24, fixed(**base)),
            Span(-middle, middle - tile, fixed(**base | fields | {"weight_address": middle}))]
    most = (middle - columns) // (rows - 1)
    spans["weight_stride_row"] = [
        Span(*SIGNED_24, fixed(**base | {"valid_k": 1, "weight_address": middle})),
        Span(-(middle // (rows - 1)), most, fixed(**base | {"weight_address": middle})),
        Span(-((middle - rows) // (columns - 1)), (middle - rows) // (columns - 1),
             fixed(**base | {"weight_address": middle, "transpose": 1}))]
    return spans
