"""The instructions' docstrings as literal loops over single bytes and elements: slow, independent of the kernels."""

from __future__ import annotations

import itertools
import struct

import numpy as np

from seedchip.isa import Load, Matmul, Store, Vector
from seedchip.isa.vector import NUM_PARTIALS
from seedchip.numerics.microop import MICRO_OPS
from seedchip.simulator.state import State
from seedchip.spec import ChipSpec

F32 = np.float32
NAN = F32(np.nan)
_NAMES = {op.opcode: op.name for op in MICRO_OPS.values()}


def execute(i: Load | Store | Matmul | Vector, state: State, spec: ChipSpec) -> None:
    """Run one instruction on ``state``."""
    with np.errstate(all="ignore"):
        {Load: load, Store: store, Matmul: matmul, Vector: vector}[type(i)](i, state, spec)


def load(i: Load, state: State, spec: ChipSpec) -> None:
    local = state.parameter if i.space else state.scratchpad
    for i2, i1, i0 in itertools.product(range(i.count2), range(i.count1), range(i.count0)):
        source = i.memory_address + i2 * i.memory_stride2 + i1 * i.memory_stride1
        if i.gather:
            at = i.index_address + 4 * i0
            row = struct.unpack("<i", bytes(state.scratchpad[at:at + 4]))[0]
            row = row + i.table_rows if row < 0 else row
            source += row * i.memory_stride0
            zero = not 0 <= row < i.table_rows
        else:
            source += i0 * i.memory_stride0
            zero = False
        target = i.local_address + i2 * i.local_stride2 + i1 * i.local_stride1 + i0 * i.local_stride0
        for b in range(i.run_bytes):
            local[target + b] = i.fill_value if i.fill else 0 if zero else state.memory[source + b]


def store(i: Store, state: State, spec: ChipSpec) -> None:
    for i2, i1, i0 in itertools.product(range(i.count2), range(i.count1), range(i.count0)):
        target = i.memory_address + i2 * i.memory_stride2 + i1 * i.memory_stride1 + i0 * i.memory_stride0
        source = i.local_address + i2 * i.local_stride2 + i1 * i.local_stride1 + i0 * i.local_stride0
        for b in range(i.run_bytes):
            state.memory[target + b] = state.scratchpad[source + b]


def matmul(m: Matmul, state: State, spec: ChipSpec) -> None:
    for n in range(m.tiles_n):
        first = True
        for ky, kx, k in itertools.product(range(m.kernel_y), range(m.kernel_x), range(m.tiles_k)):
            weights = _weight_tile(m, state, spec, (n, ky, kx, k))
            for y, x in itertools.product(range(m.size_y), range(m.size_x)):
                products = _activations(m, state, spec, (n, ky, kx, k, y, x)) @ weights
                row = m.accumulator_address + n * m.accumulator_stride + y * m.size_x + x
                kept = state.accumulator[row].astype(np.int64) if m.accumulate or not first else 0
                state.accumulator[row] = (products + kept + 2**31) % 2**32 - 2**31
            first = False


def _weight_tile(m: Matmul, state: State, spec: ChipSpec, at: tuple[int, int, int, int]) -> np.ndarray:
    n, ky, kx, k = at
    rows, columns = spec.matrix.rows, spec.matrix.columns
    base = (m.weight_address + n * m.weight_stride_n + ky * m.weight_stride_ky + kx * m.weight_stride_kx
            + k * m.weight_stride_k)
    tile = np.zeros((rows, columns), np.int64)
    for r, c in itertools.product(range(rows), range(columns)):
        if k * rows + r < m.valid_k and n * columns + c < m.valid_n:
            line, i = (c, r) if m.transpose else (r, c)
            place = line * m.weight_stride_row + (i // 2 if m.int4 else i)
            byte = int(state.scratchpad[base + place])
            tile[r, c] = ((byte >> i % 2 * 4 & 15) + 8) % 16 - 8 if m.int4 else (byte + 128) % 256 - 128
    return tile


def _activations(m: Matmul, state: State, spec: ChipSpec, at: tuple[int, int, int, int, int, int]) -> np.ndarray:
    n, ky, kx, k, y, x = at
    rows = spec.matrix.rows
    iy, ix = y * m.step_y + ky * m.dilation_y + m.origin_y, x * m.step_x + kx * m.dilation_x + m.origin_x
    values = np.full(rows, m.pad_value, np.int64)
    if 0 <= iy < m.limit_y and 0 <= ix < m.limit_x:
        base = (m.activation_address + iy * m.activation_stride_y + ix * m.activation_stride_x
                + n * m.activation_stride_n + k * rows)
        for r in range(min(rows, m.valid_k - k * rows)):
            values[r] = state.scratchpad[base + r].astype(np.int8)
    return values


def vector(v: Vector, state: State, spec: ChipSpec) -> None:
    lanes = spec.vector.lanes
    for y, x in itertools.product(range(v.size_y), range(v.size_x)):
        raw = [_raw_sum(v, state, spec, (y, x, j)) for j in range(v.columns)] if _is_raw(v) else None
        out = v.out_address + y * v.out_stride_y + x * v.out_stride_x
        results = [] if raw else [_element(v, state, spec, (y, x, j)) for j in range(v.columns)]
        if v.reduce:
            _put(state, out, 2, _clamp(v, _reduce(v.reduce, results)))
            continue
        item = 1 if v.out_type == 0 else 4
        for j in range(-(-v.columns // lanes) * lanes):
            if raw and j < v.columns:
                state.scratchpad[out + 4 * j:out + 4 * j + 4] = np.frombuffer(struct.pack("<i", raw[j]), np.uint8)
            else:
                _put(state, out + j * item, v.out_type, _clamp(v, results[j]) if j < v.columns else F32(0))


def _is_raw(v: Vector) -> bool:
    is_int = v.a_kind == 3 or v.a_type == 1
    return not v.num_operations and not v.window and not v.reduce and v.out_type == 1 and is_int


def _raw_sum(v: Vector, state: State, spec: ChipSpec, at: tuple[int, int, int]) -> int:
    y, x, j = at
    if v.a_kind == 3:
        return int(_accumulated(v, state, spec, at))
    place = v.a_address + y * v.a_stride_y + x * v.a_stride_x + (0 if v.a_kind == 2 else 4 * j)
    return int(struct.unpack("<i", bytes(state.scratchpad[place:place + 4]))[0])


def _accumulated(v: Vector, state: State, spec: ChipSpec, at: tuple[int, int, int]) -> np.int32:
    y, x, j = at
    tile, column = divmod(j, spec.matrix.columns)
    row = v.a_address + y * v.a_stride_y + x * v.a_stride_x + tile * v.a_stride_group
    return state.accumulator[row, column]


def _get(state: State, address: int, kind: int) -> np.float32:
    size = 1 if kind == 0 else 4
    value = struct.unpack("<" + "bif"[kind], bytes(state.scratchpad[address:address + size]))[0]
    if kind == 2:
        return state.scratchpad[address:address + 4].view(F32)[0]
    return F32(np.int64(value))


def _put(state: State, address: int, kind: int, x: np.float32) -> None:
    if kind == 2:
        data = struct.pack("<I", 0x7FC00000) if np.isnan(x) else F32(x).tobytes()
    else:
        low, high = (-128, 127) if kind == 0 else (-(2**31), 2**31 - 1)
        number = 0 if np.isnan(x) else max(low, min(high, round(max(-1e10, min(1e10, float(x))))))
        data = struct.pack("<" + "bi"[kind], number)
    state.scratchpad[address:address + len(data)] = np.frombuffer(data, np.uint8)


def _clamp(v: Vector, x: np.float32) -> np.float32:
    low, high = np.array([v.clamp_low, v.clamp_high], np.uint32).view(F32)
    x = low if x < low else x
    return high if x > high else x


def _operand(v: Vector, state: State, spec: ChipSpec, prefix: str, at: tuple[int, int, int]) -> np.float32:
    y, x, j = at
    kind, dtype = getattr(v, f"{prefix}_kind"), getattr(v, f"{prefix}_type")
    if kind == 3:
        return F32(_accumulated(v, state, spec, at))
    address = getattr(v, f"{prefix}_address")
    strides = getattr(v, f"{prefix}_stride_y"), getattr(v, f"{prefix}_stride_x")
    item = 1 if dtype == 0 else 4
    step = 0 if kind == 2 else j * item
    if prefix != "a" or not v.window:
        return _get(state, address + y * strides[0] + x * strides[1] + step, dtype)
    taken = None
    for i, t in itertools.product(range(v.tap_y), range(v.tap_x)):
        iy, ix = y * v.step_y + i * v.dilation_y + v.origin_y, x * v.step_x + t * v.dilation_x + v.origin_x
        if 0 <= iy < v.limit_y and 0 <= ix < v.limit_x:
            value = _get(state, address + iy * strides[0] + ix * strides[1] + step, dtype)
            combine = MICRO_OPS["max" if v.tap_max else "add"].compute
            taken = value if taken is None else combine(taken, value)
    return (F32(-np.inf) if v.tap_max else F32(0)) if taken is None else taken


def _element(v: Vector, state: State, spec: ChipSpec, at: tuple[int, int, int]) -> np.float32:
    lanes, line = spec.vector.lanes, spec.line_bytes
    operands = {16 + n: _operand(v, state, spec, p, at) for n, p in enumerate("abc") if getattr(v, f"{p}_kind")}
    group, lane = divmod(at[2], lanes)
    for p in range(v.num_parameters):
        place = (v.parameter_address + group * v.num_parameters + p) * line + 4 * lane
        operands[24 + p] = state.parameter[place:place + 4].view(F32)[0]
    first = v.program_address * line
    words = state.parameter[first:first + 4 * (v.num_operations + v.num_constants)].view(np.uint32)
    for c in range(v.num_constants):
        operands[64 + c] = words[v.num_operations + c:v.num_operations + c + 1].view(F32)[0]
    if not v.num_operations:
        return operands[16]
    for word in (int(w) for w in words[: v.num_operations]):
        op = MICRO_OPS[_NAMES[word & 63]]
        sources = [word >> 11 & 127, word >> 18 & 127, word >> 25 & 127][: op.arity]
        operands[word >> 6 & 31] = op.compute(*(np.array([operands[s]], F32) for s in sources))[0]
    return operands[0]


def _reduce(kind: int, values: list[np.float32]) -> np.float32:
    combine = MICRO_OPS[("", "add", "max", "min")[kind]].compute
    partials = [F32((0, 0, -np.inf, np.inf)[kind])] * NUM_PARTIALS
    for j, value in enumerate(values):
        partials[j % NUM_PARTIALS] = value if j < NUM_PARTIALS else combine(partials[j % NUM_PARTIALS], value)
    half = NUM_PARTIALS // 2
    while half:
        partials = [combine(partials[p], partials[p + half]) for p in range(half)]
        half //= 2
    return partials[0]
