"""Random vector instructions: every operand kind and type, windows, reductions, micro-programs and ways of writing."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from seedchip.compiler.builder import ACCUMULATOR, PARAMETER, SCRATCHPAD, Access
from seedchip.conformance.data import pattern
from seedchip.conformance.random_microcode import micro_program
from seedchip.isa import ElementType, OperandKind, ReduceKind, Vector
from seedchip.isa.vector import MAX_PARAMETERS, NUM_PARTIALS

if TYPE_CHECKING:
    from seedchip.conformance.stage import Stage

BOUNDS = ((-50.0, 50.5), (0.0, 6.0), (5.0, -5.0), (-inf, -400.0), (nan, 3.0), (-3.0, nan))
"""Clamps: the usual ones, crossed ones, and bounds that are no numbers."""


class Vectors:
    """Emits random vector instructions on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def map(self) -> None:
        """Elements to elements, from up to three operands of any kind."""
        stage, fields = self.stage, self._shape(3 * self.stage.spec.vector.lanes)
        kind = (OperandKind.ACCUMULATOR, OperandKind.VECTOR, OperandKind.VECTOR, OperandKind.SCALAR,
                OperandKind.NONE)[stage.below(5)]
        reads = self._operand_a(fields, kind) + self._further_operands(fields)
        if kind == OperandKind.VECTOR and stage.often(0.2):
            reads += self._write_in_place(fields, reads)
        self._finish(fields, reads)

    def copy(self) -> None:
        """INT32 to INT32 without micro-operations: patterns pass as they are."""
        stage, fields = self.stage, self._shape(3 * self.stage.spec.vector.lanes)
        kind = (OperandKind.ACCUMULATOR, OperandKind.VECTOR, OperandKind.SCALAR)[stage.below(3)]
        reads = self._operand_a(fields, kind)
        fields |= {"a_type": int(ElementType.INT32), "out_type": int(ElementType.INT32)}
        if kind != OperandKind.ACCUMULATOR:
            reads = [self._place(fields, "a")]
        self._finish(fields, reads, max_operations=0)

    def window(self) -> None:
        """Sums or maxima over taps, some of them outside of the input."""
        stage, fields = self.stage, self._shape(2 * self.stage.spec.vector.lanes)
        between = stage.between
        fields |= {"window": 1, "a_kind": int(OperandKind.VECTOR), "a_type": stage.below(3),
                   "tap_y": between(1, 3), "tap_x": between(1, 4), "tap_max": stage.below(2),
                   "step_y": between(1, 3), "step_x": between(1, 3), "dilation_y": between(1, 2),
                   "dilation_x": between(1, 2), "origin_y": between(-3, 1), "origin_x": between(-3, 1),
                   "limit_y": between(1, 5), "limit_x": between(1, 6)}
        reads = [self._place(fields, "a", (fields["limit_y"], fields["limit_x"]))]
        self._finish(fields, reads + self._further_operands(fields))

    def reduce(self) -> None:
        """A row to one value; often as many elements as a group or all partial sums have, or one more or less."""
        stage, lanes = self.stage, self.stage.spec.vector.lanes
        fields = self._shape(3 * lanes if stage.below(3) else 2 * NUM_PARTIALS + lanes)
        if stage.often(0.4):
            edges = (lanes, 2 * lanes, NUM_PARTIALS, NUM_PARTIALS + lanes, 2 * NUM_PARTIALS)
            fields["columns"] = edges[stage.below(len(edges))] + stage.between(-1, 1)
        fields["reduce"] = stage.between(ReduceKind.SUM, ReduceKind.MIN)
        kind = (OperandKind.ACCUMULATOR, OperandKind.VECTOR, OperandKind.SCALAR)[stage.below(3)]
        reads = self._operand_a(fields, kind)
        self._finish(fields, reads + self._further_operands(fields))

    # Parts of instructions

    def _shape(self, widest: int) -> dict[str, int]:
        between = self.stage.between
        return {"size_y": between(1, 3), "size_x": between(1, 6), "columns": between(1, widest),
                "out_type": self.stage.below(3)}

    def _groups(self, fields: dict[str, int]) -> int:
        return -(-fields["columns"] // self.stage.spec.vector.lanes)

    def _operand_a(self, fields: dict[str, int], kind: OperandKind) -> list[Access]:
        """Place operand A of ``fields``; the stretch that it reads."""
        stage, spec = self.stage, self.stage.spec
        fields |= {"a_kind": int(kind), "a_type": stage.below(3)}
        if kind == OperandKind.NONE:
            return []
        if kind != OperandKind.ACCUMULATOR:
            return [self._place(fields, "a")]
        size_y, size_x = fields["size_y"], fields["size_x"]
        tiles = -(-fields["columns"] // spec.matrix.columns)
        if size_y * size_x * tiles > spec.accumulator_rows:
            size_y = fields["size_y"] = 1
            fields["columns"], tiles = min(fields["columns"], spec.matrix.columns), 1
        reach = size_y * size_x * tiles
        row = stage.between(0, spec.accumulator_rows - reach)
        fields |= {"a_address": row, "a_stride_y": size_x, "a_stride_x": 1, "a_stride_group": size_y * size_x}
        if stage.often(0.2):  # the rows from the last one on
            fields |= {"a_address": row + (size_y - 1) * size_x, "a_stride_y": -size_x}
        return [Access(ACCUMULATOR, row, reach)]

    def _further_operands(self, fields: dict[str, int]) -> list[Access]:
        reads = []
        for name in "bc"[:self.stage.below(3)]:
            fields |= {f"{name}_kind": self.stage.between(1, 2), f"{name}_type": self.stage.below(3)}
            reads.append(self._place(fields, name))
        return reads

    def _place(self, fields: dict[str, int], name: str, sizes: tuple[int, int] | None = None) -> Access:
        """Place operand ``name`` of ``fields``, a vector or a scalar, in the scratchpad; the stretch that it reads.

        ``sizes``: input rows and columns, by default those of the loops.
        """
        stage, lanes = self.stage, self.stage.spec.vector.lanes
        size_y, size_x = sizes or (fields["size_y"], fields["size_x"])
        item = ElementType(fields[f"{name}_type"]).num_bytes
        is_scalar = fields[f"{name}_kind"] == OperandKind.SCALAR
        unit, run = (item, item) if is_scalar else (lanes * item, self._groups(fields) * lanes * item)
        strides = [unit * stage.below(most) * (-1 if stage.often(0.15) else 1) for most in (8, 4)]
        while (reach := (size_y - 1) * abs(strides[0]) + (size_x - 1) * abs(strides[1]) + run) > stage.weights:
            strides = [s // (2 * unit) * unit for s in strides]
        start = stage.between(0, (stage.weights - reach) // unit) * unit
        below = min(0, strides[0]) * (size_y - 1) + min(0, strides[1]) * (size_x - 1)
        fields |= {f"{name}_address": start - below, f"{name}_stride_y": strides[0], f"{name}_stride_x": strides[1]}
        return Access(SCRATCHPAD, start, reach)

    def _write_in_place(self, fields: dict[str, int], reads: list[Access]) -> list[Access]:
        """Lay operand A out densely, with elements as long as the results', for them to take its place.

        Returns the stretch that it reads now.
        """
        stage = self.stage
        fields["a_type"] = fields["out_type"] if fields["out_type"] == ElementType.INT8 else stage.between(1, 2)
        unit = stage.spec.vector.lanes * ElementType(fields["out_type"]).num_bytes
        stride = self._groups(fields) * unit
        size = fields["size_y"] * fields["size_x"] * stride
        for start in stage.rng.permutation(max((stage.weights - size) // unit, 1))[:20]:
            there = Access(SCRATCHPAD, int(start) * unit, size)
            if all(_are_apart(there, r) for r in reads[1:]):
                for name in ("a", "out"):
                    fields |= {f"{name}_address": there.start, f"{name}_stride_x": stride,
                               f"{name}_stride_y": stride * fields["size_x"]}
                return [there]
        return []

    def _finish(self, fields: dict[str, int], reads: list[Access], max_operations: int = 6) -> None:
        """Parameters, micro-program, place of the results, clamps."""
        stage = self.stage
        reads = [*reads, *self._parameters(fields)]
        operands = [name for name in "abc" if fields.get(f"{name}_kind")]
        longest = 64 if stage.often(0.03) else max_operations
        num_operations = stage.between(0 if "a" in operands else 1, longest) if max_operations else 0
        if num_operations:
            code, num_constants = micro_program(stage.rng, num_operations, operands, fields["num_parameters"])
            line = stage.place_code(code)
            fields |= {"program_address": line, "num_operations": num_operations, "num_constants": num_constants}
            reads.append(Access(PARAMETER, line * stage.spec.line_bytes, len(code)))
        if stage.below(4):
            low, high = BOUNDS[stage.below(len(BOUNDS)) if stage.often(0.3) else 0]
            fields |= {"clamp_low": pattern(low), "clamp_high": pattern(high)}
        stage.builder.emit(Vector, reads, [self._results(fields, reads)], **fields)

    def _parameters(self, fields: dict[str, int]) -> list[Access]:
        stage, line, groups = self.stage, self.stage.spec.line_bytes, self._groups(fields)
        half = stage.spec.parameter.bytes // (2 * line)
        number = min(stage.below(MAX_PARAMETERS + 1 if stage.often(0.3) else 4), (half - 1) // groups)
        address = half + stage.between(0, half - groups * number - 1)
        fields |= {"num_parameters": number, "parameter_address": address}
        return [Access(PARAMETER, address * line, max(groups * number, 1) * line)]

    def _results(self, fields: dict[str, int], reads: list[Access]) -> Access:
        """Place the results beside the operands, as reads run ahead of writes; or they have taken A's place."""
        stage, lanes = self.stage, self.stage.spec.vector.lanes
        size_y, size_x = fields["size_y"], fields["size_x"]
        if fields.get("reduce"):
            unit = run = ElementType.FLOAT32.num_bytes
        else:
            unit = lanes * ElementType(fields["out_type"]).num_bytes
            run = self._groups(fields) * unit
        if "out_address" in fields:
            return Access(SCRATCHPAD, fields["out_address"], size_y * size_x * run)
        stride_x = run + unit * stage.below(2)
        stride_y = size_x * stride_x
        size = size_y * stride_y
        while True:
            start = stage.between(0, (stage.weights - size) // unit) * unit
            if all(_are_apart(Access(SCRATCHPAD, start, size), r) for r in reads):
                break
        turned = stage.often(0.15)  # the last row first
        fields |= {"out_address": start + (size_y - 1) * stride_y if turned else start, "out_stride_x": stride_x,
                   "out_stride_y": -stride_y if turned else stride_y}
        return Access(SCRATCHPAD, start, size)


def _are_apart(one: Access, other: Access) -> bool:
    return (one.space != other.space or one.start + one.size <= other.start
            or other.start + other.size <= one.start)
