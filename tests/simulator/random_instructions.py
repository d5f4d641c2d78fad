"""Random instructions for the smallest chip, legal by construction, drawn by Hypothesis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from seedchip.isa import Load, Matmul, Store, Vector
from seedchip.numerics.microop import MICRO_OPS
from seedchip.simulator.state import State, new_state
from seedchip.spec import ChipSpec, load

SPEC: ChipSpec = load("nano")
ALL_BANKS: dict[str, int] = {"read_banks": 0xFFFF, "write_banks": 0xFFFF}
MEMORY_BYTES = 8192
Draw = Any


def filled_state(seed: int) -> State:
    """A state with random bytes everywhere."""
    state, rng = new_state(SPEC, MEMORY_BYTES), np.random.default_rng(seed)
    for part in (state.memory, state.scratchpad, state.parameter):
        part[:] = rng.integers(0, 256, part.size)
    state.accumulator[:] = rng.integers(-(2**31), 2**31, state.accumulator.shape)
    small = rng.random(len(state.accumulator)) < 0.5
    state.accumulator[small] >>= 16
    return state


def integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def transfers(draw: Draw) -> Load | Store:
    """Loads (plain, fill, gather) and stores, also with runs that overlap."""
    cls = draw(st.sampled_from([Load, Store]))
    counts = [draw(integers(1, 4)) for _ in range(3)]
    fields = {f"count{n}": c for n, c in enumerate(counts)}
    fields |= {f"memory_stride{n}": draw(integers(-6, 20)) * draw(st.sampled_from([1, 8])) for n in range(3)}
    fields |= {f"local_stride{n}": draw(integers(-6, 20)) * draw(st.sampled_from([1, 8, 16])) for n in range(3)}
    fields |= {"memory_address": draw(integers(2048, 4096)), "local_address": draw(integers(2048, 4096)),
               "run_bytes": draw(integers(1, 40)), **ALL_BANKS}
    mode = draw(st.sampled_from(["plain", "fill", "gather"])) if cls is Load else "store"
    if cls is Load:
        fields["space"] = draw(integers(0, 1))
        if fields["space"]:
            fields.pop("write_banks")
    if mode == "fill":
        fields |= {"fill": 1, "fill_value": draw(integers(0, 255))}
    if mode == "gather":
        fields |= {"gather": 1, "index_address": 4 * draw(integers(0, 100)), "table_rows": draw(integers(1, 20)),
                   **{f"memory_stride{n}": 8 * draw(integers(-4, 8)) for n in range(3)},
                   "memory_address": 8 * draw(integers(256, 500)),
                   "run_bytes": 8 * draw(integers(1, 4))}
    return cls(**fields)


@st.composite
def matmuls(draw: Draw) -> Matmul:
    """Convolutions with every geometry field in use; accumulator tiles may overlap."""
    rows, columns = SPEC.matrix.rows, SPEC.matrix.columns
    grouped, transpose = draw(st.booleans()), draw(st.booleans())
    tiles_k, tiles_n = draw(integers(1, 2)), draw(integers(1, 3))
    ky, kx = draw(integers(1, 3)), draw(integers(1, 3))
    pixel = tiles_k * rows + draw(integers(0, 2)) * draw(st.sampled_from([1, 8]))
    stride = pixel * (tiles_n if grouped else 1)
    size = rows * columns * tiles_k + 8 * draw(integers(0, 2))
    fields = {"activation_address": draw(integers(0, 64)), "activation_stride_y": 7 * stride,
              "activation_stride_x": stride, "activation_stride_n": pixel if grouped else 0, "kernel_y": ky,
              "kernel_x": kx, "tiles_k": tiles_k, "tiles_n": tiles_n, "transpose": int(transpose)}
    for name in ("size", "step", "dilation"):
        fields |= {f"{name}_{axis}": draw(integers(1, 4 if name == "size" else 2)) for axis in "yx"}
    for axis in "yx":
        fields |= {f"origin_{axis}": draw(integers(-3, 2)), f"limit_{axis}": draw(integers(1, 7))}
    fields |= {"pad_value": draw(integers(-128, 127)), "valid_k": draw(integers(1, tiles_k * rows + 3)),
               "valid_n": draw(integers(1, tiles_n * columns + 3)), "weight_address": 16384 + draw(integers(0, 16)),
               "weight_stride_kx": size, "weight_stride_ky": size * kx, "weight_stride_n": size * kx * ky}
    fields |= {"weight_stride_row": tiles_k * rows, "weight_stride_k": rows} if transpose else \
        {"weight_stride_row": columns, "weight_stride_k": rows * columns}
    return Matmul(**fields, accumulate=draw(integers(0, 1)), int4=draw(integers(0, 1)),
                  accumulator_address=draw(integers(0, 8)), accumulator_stride=draw(integers(0, 20)),
                  read_banks=0xFFFF, accumulator_banks=3)


@st.composite
def micro_programs(draw: Draw, sources: list[int]) -> tuple[list[int], list[int]]:
    """Words and constants; a register is read only after it was written, and register 0 is written last."""
    operations = draw(integers(1, 8))
    constants = [int(np.float32(c).view(np.uint32)) for c in
                 draw(st.lists(st.floats(-300, 300, width=32), min_size=1, max_size=3))]
    constants.append(draw(st.sampled_from([0x7FC00000, 0x7F800000, 0x80000000, 1, 23, 0xFF800000])))
    known = [*sources, *(64 + n for n in range(len(constants)))]
    words = []
    for n in range(operations):
        op = draw(st.sampled_from(sorted(MICRO_OPS.values(), key=lambda o: o.opcode)))
        a, b, c = (draw(st.sampled_from(known)) for _ in range(3))
        register = 0 if n == operations - 1 else draw(integers(0, 15))
        if register not in known:
            known.append(register)
        words.append(op.opcode | register << 6 | a << 11 | b << 18 | c << 25)
    return words, constants


@st.composite
def vectors(draw: Draw) -> tuple[Vector, list[int]]:
    """A vector instruction and the words of its micro-program, to be put into parameter line 0."""
    lanes = SPEC.vector.lanes
    size_y, size_x, columns = draw(integers(1, 3)), draw(integers(1, 3)), draw(integers(1, 2 * lanes + 3))
    if draw(st.booleans()):
        columns = draw(st.sampled_from([lanes, 2 * lanes, 70, 130]))
    fields: dict[str, int] = {"size_y": size_y, "size_x": size_x, "columns": columns}
    window = draw(st.booleans()) and draw(st.booleans())
    sources = []
    for n, prefix in enumerate("abc"):
        kinds = [1] if prefix == "a" and window else [1, 2, 3] if prefix == "a" else [0, 1, 2]
        fields |= _operand(draw, prefix, draw(st.sampled_from(kinds)), columns)
        if fields[f"{prefix}_kind"]:
            sources.append(16 + n)
    fields["num_parameters"] = draw(integers(0, 3))
    sources += [24 + p for p in range(fields["num_parameters"])]
    words: list[int] = []
    if draw(integers(0, 3)):
        code, constants = draw(micro_programs(sources))
        fields |= {"num_operations": len(code), "num_constants": len(constants)}
        words = [*code, *constants]
    fields |= _result(draw, columns, size_x, reduce=not window and draw(st.booleans()))
    if window:
        fields |= _window(draw)
    return Vector(**fields, parameter_address=draw(integers(4, 9)), **ALL_BANKS, accumulator_banks=3), words


def _operand(draw: Draw, prefix: str, kind: int, columns: int) -> dict[str, int]:
    dtype = draw(integers(0, 2))
    item = 1 if dtype == 0 else 4
    unit = 1 if kind == 3 else item if kind == 2 else item * SPEC.vector.lanes
    return {f"{prefix}_kind": kind, f"{prefix}_type": dtype, f"{prefix}_address": unit * draw(integers(0, 9)),
            f"{prefix}_stride_y": unit * draw(integers(0, 20)), f"{prefix}_stride_x": unit * draw(integers(0, 5)),
            **({"a_stride_group": draw(integers(0, 5))} if kind == 3 else {})}


def _result(draw: Draw, columns: int, size_x: int, *, reduce: bool) -> dict[str, int]:
    lanes, dtype, kind = SPEC.vector.lanes, draw(integers(0, 2)), draw(integers(1, 3)) if reduce else 0
    width = 4 if reduce else -(-columns // lanes) * lanes * (1 if dtype == 0 else 4)
    step = width + (4 if reduce else 4 * lanes) * draw(integers(0, 2)) if draw(integers(0, 5)) else 0
    bounds = [int(np.float32(x).view(np.uint32)) for x in draw(st.sampled_from(
        [(-np.inf, np.inf), (0, np.inf), (0, 6), (-100.5, 99.25), (200, 300), (5, -5), (-np.inf, -400), (np.nan, 3)]))]
    return {"out_type": dtype, "reduce": kind, "out_address": 32768, "out_stride_x": step,
            "out_stride_y": step * size_x, "clamp_low": bounds[0], "clamp_high": bounds[1]}


def _window(draw: Draw) -> dict[str, int]:
    fields = {"window": 1, "tap_max": draw(integers(0, 1))}
    for axis in "yx":
        fields |= {f"tap_{axis}": draw(integers(1, 3)), f"step_{axis}": draw(integers(1, 2)),
                   f"dilation_{axis}": draw(integers(1, 2)), f"origin_{axis}": draw(integers(-3, 1)),
                   f"limit_{axis}": draw(integers(1, 6))}
    return fields
