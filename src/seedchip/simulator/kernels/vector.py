"""`Vector`: operands read and converted block by block, the micro-program, and the write path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.isa.vector import (
    MAX_CONSTANTS,
    MAX_OPERATIONS,
    MAX_PARAMETERS,
    SOURCE_A,
    SOURCE_PARAMETER,
    ElementType,
    OperandKind,
    ReduceKind,
)
from seedchip.numerics.microop import MICRO_OPS, canonical
from seedchip.numerics.reduction import row_reduce
from seedchip.simulator.access import Access, view
from seedchip.simulator.kernels.microprogram import (
    BLOCK_ELEMENTS,
    COLUMN,
    FULL,
    ROW,
    MicrocodeFault,
    evaluate,
    plan,
)
from seedchip.simulator.kernels.window import prepare_window

if TYPE_CHECKING:
    from seedchip.isa import Vector
    from seedchip.simulator.access import Site
    from seedchip.simulator.state import State

_DTYPES: dict[int, np.dtype[Any]] = {
    ElementType.INT8: np.dtype(np.int8), ElementType.INT32: np.dtype(np.int32),
    ElementType.FLOAT32: np.dtype(np.float32)}
_POSITIVE = ("size_y", "size_x", "columns")
_WINDOW_POSITIVE = ("tap_y", "tap_x", "step_y", "step_x", "dilation_y", "dilation_x")


@dataclass(frozen=True, slots=True)
class _Operand:
    """A source: its view [y, x, ...] and how a block of it becomes float32 [rows, columns] (or [rows, 1])."""

    form: int
    array: np.ndarray | None
    window: Callable[[], np.ndarray] | None = None


class VectorKernels:
    """Prepares vector instructions over one state; holds their common work arrays."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._work: dict[tuple[str, int], np.ndarray] = {}

    def prepare(self, site: Site) -> Callable[[], None]:
        """The function that executes the instruction. Raises `Fault`."""
        v: Vector = site.instruction  # type: ignore[assignment]
        for name in (*_POSITIVE, *(_WINDOW_POSITIVE if v.window else ())):
            if getattr(v, name) < 1:
                raise site.fault(f"{name} must be 1 or more, not {getattr(v, name)}")
        if v.window and v.reduce:
            raise site.fault("a window must not reduce; reduce its result with a second instruction")
        operands = {SOURCE_A + n: o for n, p in enumerate("abc") if (o := self._operand(site, p)) is not None}
        code, parameters = self._parameters(site)
        run = _Run(self, site, operands, parameters, code)
        return run.execute

    def work(self, use: str, rows: int, columns: int) -> np.ndarray:
        """A float32 work array [rows, columns]."""
        size = max(BLOCK_ELEMENTS, 1 << (rows * columns - 1).bit_length())
        key = (use, size)
        if key not in self._work:
            self._work[key] = np.empty(size, np.float32)
        return self._work[key][: rows * columns].reshape(rows, columns)

    def _operand(self, site: Site, prefix: str) -> _Operand | None:
        v: Vector = site.instruction  # type: ignore[assignment]
        kind, address = getattr(v, f"{prefix}_kind"), getattr(v, f"{prefix}_address")
        field = f"{prefix}_address"
        if kind == OperandKind.NONE:
            return None
        loops = _loops(v, getattr(v, f"{prefix}_stride_y"), getattr(v, f"{prefix}_stride_x"))
        if kind == OperandKind.ACCUMULATOR:
            if prefix != "a":
                raise site.fault(f"{prefix}_kind must not be an accumulator; only operand A can be one")
            return _Operand(FULL, self._sums(site, Access(address, *loops, 1)))
        dtype = _dtype(site, f"{prefix}_type")
        if prefix == "a" and v.window:
            if kind != OperandKind.VECTOR:
                raise site.fault("a_kind of a window must be a vector")
            return _Operand(FULL, None, prepare_window(site, self.state, dtype))
        is_scalar = kind == OperandKind.SCALAR
        access = Access(address, *loops, dtype.itemsize * (1 if is_scalar else v.columns))
        site.aligned(field, access, dtype.itemsize * (1 if is_scalar else site.spec.vector.lanes))
        site.scratchpad(field, access, "read_banks")
        return _Operand(ROW if is_scalar else FULL, view(self.state.scratchpad, access, dtype))

    def _sums(self, site: Site, rows: Access) -> np.ndarray:
        """int32 [y, x, tiles, matrix.columns] over the accumulators."""
        v: Vector = site.instruction  # type: ignore[assignment]
        width = site.spec.matrix.columns
        tiles = -(-v.columns // width)
        access = Access(rows.address, (*rows.counts, tiles), (*rows.strides, v.a_stride_group), 1)
        site.accumulator("a_address", access)
        return np.ndarray((*access.counts, width), np.int32, self.state.accumulator, access.address * width * 4,
                          (*(s * width * 4 for s in access.strides), 4))

    def _parameters(self, site: Site) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Views of the micro-program's bytes and of the parameter vectors, float32 [groups, vectors, lanes]."""
        v: Vector = site.instruction  # type: ignore[assignment]
        spec, memory = site.spec, self.state.parameter
        line = spec.line_bytes
        if v.num_operations > MAX_OPERATIONS or v.num_constants > MAX_CONSTANTS or v.num_parameters > MAX_PARAMETERS:
            raise site.fault(f"num_operations, num_constants and num_parameters must be at most {MAX_OPERATIONS}, "
                             f"{MAX_CONSTANTS} and {MAX_PARAMETERS}, not {v.num_operations}, {v.num_constants} and "
                             f"{v.num_parameters}")
        code = parameters = None
        if v.num_operations:
            words = Access(v.program_address * line, (), (), 4 * (v.num_operations + v.num_constants))
            site.range("the micro-program at program_address", words, len(memory), "parameter memory's", "bytes")
            code = view(memory, words, np.uint8)
        if v.num_parameters:
            groups = -(-v.columns // spec.vector.lanes)
            vectors = Access(v.parameter_address * line, (), (), groups * v.num_parameters * line)
            site.range("the parameters at parameter_address", vectors, len(memory), "parameter memory's", "bytes")
            parameters = view(memory, vectors, np.float32).reshape(groups, v.num_parameters, spec.vector.lanes)
        return code, parameters


class _Run:
    """One prepared instruction."""

    def __init__(self, kernels: VectorKernels, site: Site, operands: dict[int, _Operand],
                 parameters: np.ndarray | None, code: np.ndarray | None) -> None:
        v: Vector = site.instruction  # type: ignore[assignment]
        self.kernels, self.site, self.v = kernels, site, v
        self.operands, self.parameters, self.code = operands, parameters, code
        forms = [(source, o.form) for source, o in operands.items()]
        forms += [(SOURCE_PARAMETER + p, COLUMN) for p in range(v.num_parameters)]
        self.forms = tuple(forms)
        self.size_y, self.size_x = _loops(v, 0, 0)[0]
        self.lines = max(1, BLOCK_ELEMENTS // (self.size_x * v.columns))
        self.low, self.high = _binary32(v.clamp_low), _binary32(v.clamp_high)
        self.out = self._out_view()
        if not v.num_operations and SOURCE_A not in operands:
            raise site.fault("an instruction without micro-operations must have operand A")

    def _out_view(self) -> np.ndarray:
        """[y, x, columns rounded up to whole groups], or [y, x, 1] for a reduction."""
        v, site = self.v, self.site
        lanes = site.spec.vector.lanes
        dtype = np.dtype(np.float32) if v.reduce else _dtype(site, "out_type")
        width = 1 if v.reduce else -(-v.columns // lanes) * lanes
        access = Access(v.out_address, *_loops(v, v.out_stride_y, v.out_stride_x), width * dtype.itemsize)
        site.aligned("out_address", access, dtype.itemsize * (1 if v.reduce else lanes))
        site.scratchpad("out_address", access, "write_banks")
        self.in_order = not access.is_disjoint
        return view(self.kernels.state.scratchpad, access, dtype)

    def execute(self) -> None:
        """Read, compute, write."""
        v, a = self.v, self.operands.get(SOURCE_A)
        raw = not v.num_operations and not v.window and not v.reduce and v.out_type == ElementType.INT32
        if raw and a is not None and a.array is not None and a.array.dtype == np.int32:
            self._write(slice(0, self.size_y), self._integers(a.array))
            return
        try:
            code = b"" if self.code is None else self.code.tobytes()
            p = plan(code, v.num_operations, self.forms)
        except MicrocodeFault as error:
            raise self.site.fault(f"the micro-program at line {v.program_address} is wrong: {error}") from None
        columns = None if self.parameters is None else \
            np.ascontiguousarray(self.parameters.transpose(1, 0, 2)).reshape(v.num_parameters, -1)[:, : v.columns]
        window = a.window() if a is not None and a.window else None
        for y in range(0, self.size_y, self.lines):
            lines = slice(y, min(y + self.lines, self.size_y))
            rows = (lines.stop - lines.start) * self.size_x

            def leaf(source: int, lines: slice = lines, rows: int = rows) -> np.ndarray:
                if source >= SOURCE_PARAMETER:
                    assert columns is not None
                    return columns[source - SOURCE_PARAMETER]
                return self._read(source, lines, rows, window)

            work = [self.kernels.work(f"register {n}", rows, v.columns) for n in range(p.num_buffers)]
            self._finish(lines, rows, evaluate(p, leaf, work))

    def _read(self, source: int, lines: slice, rows: int, window: np.ndarray | None) -> np.ndarray:
        """float32 [rows, columns] or [rows, 1] of an operand."""
        operand = self.operands[source]
        if operand.array is None:
            assert window is not None
            return window[lines].reshape(rows, -1)
        block = operand.array[lines]
        if block.ndim == 4:
            width = block.shape[2] * block.shape[3]
            values = self.kernels.work("sums", rows, width)
            np.copyto(values.reshape(block.shape), block, casting="unsafe")
            return values[:, : self.v.columns]
        if block.dtype == np.float32:
            return block.reshape(rows, -1)
        values = self.kernels.work(f"operand {source}", rows, block.shape[2])
        np.copyto(values.reshape(block.shape), block, casting="unsafe")
        return values

    def _integers(self, array: np.ndarray) -> np.ndarray:
        """int32 [rows, columns]: operand A as it is."""
        v = self.v
        rows = array.reshape(v.num_rows, -1)
        return np.broadcast_to(rows, (len(rows), v.columns)) if rows.shape[1] == 1 else rows[:, : v.columns]

    def _finish(self, lines: slice, rows: int, result: np.ndarray) -> None:
        """Reduce, clamp, convert and write one block."""
        v = self.v
        if v.reduce:
            full = np.broadcast_to(result, (rows, v.columns))
            reduced = row_reduce(ReduceKind(v.reduce).name.lower(), full)  # type: ignore[arg-type]
            self._write(lines, canonical(self._clamp(reduced)))
        elif v.out_type == ElementType.FLOAT32:
            self._write(lines, canonical(self._clamp(result)))
        elif v.out_type == ElementType.INT32:
            self._write(lines, np.asarray(MICRO_OPS["f2i"].compute(self._clamp(result))).view(np.int32))
        else:
            self._write_bytes(lines, rows, result)

    def _clamp(self, x: np.ndarray) -> np.ndarray:
        """x < low becomes low, then x > high becomes high; NaN stays."""
        if self.low > -np.inf:
            x = np.where(x < self.low, self.low, x)
        if self.high < np.inf:
            x = np.where(x > self.high, self.high, x)
        return x

    def _write_bytes(self, lines: slice, rows: int, x: np.ndarray) -> None:
        """Clamp, round and saturate at once: with integer bounds rounding and clamping commute."""
        low, high = self._byte_bounds()
        values = self.kernels.work("bytes", rows, self.v.columns)
        np.maximum(x, low, out=values)
        np.minimum(values, high, out=values)
        np.rint(values, out=values)
        if np.isnan(np.add.reduce(values, axis=None)):
            values[np.isnan(values)] = 0
        self._write(lines, values)

    def _byte_bounds(self) -> tuple[np.float32, np.float32]:
        low, high = (np.float32(min(max(float(b), -128.0), 127.0)) for b in (self.low, self.high))
        return (np.float32(-128) if np.isnan(self.low) else low), (np.float32(127) if np.isnan(self.high) else high)

    def _write(self, lines: slice, values: np.ndarray) -> None:
        """``values`` [rows or 1, columns or 1], zeros behind them to the end of the last group."""
        v, out = self.v, self.out[lines]
        width = 1 if v.reduce else v.columns
        block = np.broadcast_to(values, (out.shape[0] * self.size_x, width)).reshape(out.shape[0], self.size_x, width)
        if self.in_order:
            for y in range(out.shape[0]):
                for x in range(self.size_x):
                    np.copyto(out[y, x, :width], block[y, x], casting="unsafe")
                    out[y, x, width:] = 0
            return
        np.copyto(out[:, :, :width], block, casting="unsafe")
        if out.shape[2] > width:
            out[:, :, width:] = 0


@cache
def _binary32(pattern: int) -> np.float32:
    return np.array([pattern], np.uint32).view(np.float32)[0]


def _loops(v: Vector, stride_y: int, stride_x: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sizes and strides of the rows; a lone outer loop changes places with the inner one, so that blocks divide it."""
    if v.size_y == 1 and not v.window:
        return (v.size_x, 1), (stride_x, stride_y)
    return (v.size_y, v.size_x), (stride_y, stride_x)


def _dtype(site: Site, name: str) -> np.dtype[Any]:
    code = getattr(site.instruction, name)
    if code not in _DTYPES:
        raise site.fault(f"{name} must be 0 (INT8), 1 (INT32) or 2 (binary32), not {code}")
    return _DTYPES[code]
