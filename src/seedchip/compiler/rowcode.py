"""Vector instructions for maps, reductions and windows on one tile."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seedchip.compiler.builder import ACCUMULATOR, PARAMETER, SCRATCHPAD, Access, Builder
from seedchip.compiler.microcode import Microprogram, assemble
from seedchip.compiler.transfer import access
from seedchip.compiler.view import View, collapse
from seedchip.isa import ElementType, OperandKind, ReduceKind, Vector
from seedchip.isa.vector import SOURCE_A, SOURCE_PARAMETER
from seedchip.numerics.expression import Expression, argument, pattern, substitute

if TYPE_CHECKING:
    from seedchip.compiler.parameters import ParameterCache

_TYPES = {"int8": ElementType.INT8, "int32": ElementType.INT32, "float32": ElementType.FLOAT32}
_MASK = (1 << 24) - 1


@dataclass(frozen=True)
class Sums:
    """A tile in the accumulators: ``strides`` in accumulator rows over the tile's row axes, ``group`` between column
    tiles."""

    address: int
    strides: tuple[int, ...]
    group: int
    size: int


@dataclass(frozen=True)
class Columns:
    """A per-column constant of the graph."""

    name: str


@dataclass(frozen=True)
class Single:
    """One constant element, as a 32-bit pattern of its binary32 value."""

    bits: int


Operand = View | Sums | Columns | Single


@dataclass(frozen=True)
class Tile:
    """``rows`` are the sizes of the row axes; columns ``first`` to ``last`` of the tensor."""

    rows: tuple[int, ...]
    first: int
    last: int

    @property
    def columns(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class Step:
    """An expression whose argument 0 is a window's result, and its other operands."""

    expression: Expression
    operands: tuple[Operand, ...] = ()


class RowCode:
    """Emits vector instructions. Local views have the tile's rows (stride 0 where they broadcast) and its columns or
    one."""

    def __init__(self, builder: Builder, parameters: ParameterCache) -> None:
        self.builder, self.parameters = builder, parameters
        self._codes: dict[tuple[object, ...], tuple[Expression, Microprogram]] = {}

    def map(self, tile: Tile, expression: Expression, operands: list[Operand], out: View, reduce: str = "") -> None:
        """``out = expression(operands)``, or its row reduction; in pieces where many columns have parameters."""
        names = {o.name for o in operands if isinstance(o, Columns)}
        width = self.parameters.max_columns(len(names)) if names else tile.columns
        width = width // self.builder.spec.matrix.columns * self.builder.spec.matrix.columns
        if names and not reduce and tile.columns > width > 0:
            for first in range(0, tile.columns, width):
                last = min(first + width, tile.columns)
                parts = {id(o): self._cut(o, first, last) for o in operands}
                self.map(Tile(tile.rows, tile.first + first, tile.first + last), expression,
                         [parts[id(o)] for o in operands], _columns(out, first, last))
            return
        fields, reads = self._compute(tile, expression, operands, integer=out.dtype != "float32" and not reduce)
        self._emit(tile, fields, reads, _runtime(operands), out, reduce)

    def _cut(self, operand: Operand, first: int, last: int) -> Operand:
        """Columns ``first`` to ``last`` of an operand, counted from the tile's first."""
        if isinstance(operand, Sums):
            shift = first // self.builder.spec.matrix.columns * operand.group
            return Sums(operand.address + shift, operand.strides, operand.group, operand.size - shift)
        return _columns(operand, first, last) if isinstance(operand, View) and operand.shape[-1] > 1 else operand

    def window(self, tile: Tile, source: View, window: dict[str, int], kind: str, step: Step, out: View) -> None:
        """``out`` = ``step`` of the sum or maximum of a window of ``source``, an image [y, x, columns].

        ``tile.rows`` is [y, x]; operand 0 of the step is the window's result, the others have the tile's rows.
        """
        operands: list[Operand] = [source, *step.operands]
        fields, reads = self._compute(tile, step.expression, operands, integer=out.dtype != "float32")
        fields |= {
            "a_kind": OperandKind.VECTOR, "a_type": _TYPES[source.dtype], "a_address": source.address,
            "a_stride_y": source.strides[0], "a_stride_x": source.strides[1], "window": 1,
            "tap_max": int(kind == "max"), "size_y": tile.rows[0], "size_x": tile.rows[1], "columns": tile.columns,
            **window,
            "out_type": _TYPES[out.dtype], "out_address": out.address, "out_stride_y": out.strides[0],
            "out_stride_x": out.strides[1]}
        for prefix, o in zip("bc", _runtime(operands)[1:], strict=False):
            assert isinstance(o, View)
            fields |= self._operand(prefix, o, 0, o.strides[:2])
            reads.append(access(SCRATCHPAD, o))
        self.builder.emit(Vector, [*reads, access(SCRATCHPAD, source)], [access(SCRATCHPAD, out)], **fields)

    def _compute(self, tile: Tile, expression: Expression, operands: list[Operand], *,
                 integer: bool) -> tuple[dict[str, Any], list[Access]]:
        """Micro-program and parameters."""
        runtime = _runtime(operands)
        columns = tuple(dict.fromkeys(o.name for o in operands if isinstance(o, Columns)))
        place = {id(r): SOURCE_A + i for i, r in enumerate(runtime)}
        place |= {id(o): SOURCE_PARAMETER + columns.index(o.name) for o in operands if isinstance(o, Columns)}
        leaves = tuple(o if isinstance(o, Single) else place[id(o)] for o in operands)
        code = self._assembled(expression, leaves, integer)
        fields: dict[str, Any] = {
            "num_operations": len(code.words), "num_constants": len(code.constants), "clamp_low": code.clamp_low,
            "clamp_high": code.clamp_high, "program_address": self.parameters.program(code)}
        reads = []
        line = self.builder.spec.line_bytes
        if code.words:
            reads.append(Access(PARAMETER, fields["program_address"] * line, len(code.data)))
        if columns:
            fields["num_parameters"] = len(columns)
            fields["parameter_address"] = self.parameters.columns(columns, tile.first, tile.last)
            groups = -(-tile.columns // self.builder.spec.vector.lanes)
            reads.append(Access(PARAMETER, fields["parameter_address"] * line, groups * len(columns) * line))
        return fields, reads

    def _assembled(self, expression: Expression, leaves: tuple[int | Single, ...], integer: bool) -> Microprogram:
        """The micro-program for operands that are constants or come from the given sources; made once."""
        key = (id(expression), leaves, integer)
        if key not in self._codes:
            sources = [leaf for leaf in leaves if not isinstance(leaf, Single)]
            places = iter(range(len(sources)))
            arguments = [pattern(leaf.bits) if isinstance(leaf, Single) else argument(next(places)) for leaf in leaves]
            self._codes[key] = expression, assemble(substitute(expression, arguments), sources, integer=integer)
        return self._codes[key][1]

    def _emit(self, tile: Tile, fields: dict[str, Any], reads: list[Access], operands: list[View | Sums], out: View,
              reduce: str) -> None:
        """One instruction, or several when the rows need more than two loops."""
        count = len(tile.rows)
        strides = [*(o.strides[:count] for o in operands), out.strides[:count]]
        rows, steps = collapse(tile.rows, strides)
        while len(rows) < 2:
            rows, steps = (1, *rows), [(0, *s) for s in steps]
        for o in operands:
            reads.append(Access(ACCUMULATOR, o.address, o.size) if isinstance(o, Sums) else access(SCRATCHPAD, o))
        fields |= {"size_y": rows[-2], "size_x": rows[-1], "columns": tile.columns, "out_type": _TYPES[out.dtype],
                   "reduce": ReduceKind[reduce.upper()] if reduce else ReduceKind.NONE}
        for index in itertools.product(*(range(n) for n in rows[:-2])):
            shift = [sum(i * s for i, s in zip(index, st, strict=False)) for st in steps]
            places: dict[str, Any] = {"out_address": out.address + shift[-1], "out_stride_y": steps[-1][-2],
                                      "out_stride_x": steps[-1][-1]}
            for prefix, o, s, step in zip("abc", operands, shift, steps, strict=False):
                places |= self._operand(prefix, o, s, step)
            self.builder.emit(Vector, list(reads), [access(SCRATCHPAD, out)], **fields, **places)

    def _operand(self, prefix: str, o: View | Sums, shift: int, step: tuple[int, ...]) -> dict[str, Any]:
        fields: dict[str, Any] = {f"{prefix}_address": o.address + shift, f"{prefix}_stride_y": step[-2],
                                  f"{prefix}_stride_x": step[-1]}
        if isinstance(o, Sums):
            return fields | {"a_kind": OperandKind.ACCUMULATOR, "a_type": ElementType.INT32, "a_stride_group": o.group}
        kind = OperandKind.SCALAR if o.shape[-1] == 1 else OperandKind.VECTOR
        return fields | {f"{prefix}_kind": kind, f"{prefix}_type": _TYPES[o.dtype]}


def _columns(view: View, first: int, last: int) -> View:
    axes = len(view.shape) - 1
    return view.slice((*(0,) * axes, first), (*view.shape[:-1], last - first))


def _runtime(operands: list[Operand]) -> list[View | Sums]:
    """Distinct operands that are read at run time; the accumulators, which only operand A can read, come first."""
    distinct = {id(o): o for o in operands if isinstance(o, (View, Sums))}
    return sorted(distinct.values(), key=lambda o: not isinstance(o, Sums))
