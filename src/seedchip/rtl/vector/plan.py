"""What a `Vector` instruction asks of the pipeline, from its fields."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from seedchip.isa import ElementType, OperandKind, ReduceKind, Vector
from seedchip.isa.vector import (
    BATCH,
    COMBINE_CYCLES,
    MAX_CONSTANTS,
    MAX_OPERATIONS,
    MAX_PARAMETERS,
    WINDOW_SETUP_CYCLES,
)
from seedchip.rtl.layout import instruction_layout
from seedchip.spec import ChipSpec

VECTOR = instruction_layout(Vector)

OPERANDS = ("a", "b", "c")
SLOT_BITS = 17
"""A window has up to 255 x 255 taps."""
LEAD_BITS = SLOT_BITS + ceil_log2(BATCH)

PLAN = data.StructLayout({
    "program_lines": 7,
    "setup_cycles": 7,
    "slots": SLOT_BITS,
    "num_operations": 7,
    "num_pairs": 3,
    "taps": SLOT_BITS,
    "lead": LEAD_BITS,
    "drain": 8,
    "raw": 1,
    "reduce": 1,
    "window": 1,
    "combine": 2,
    "slot_b": SLOT_BITS,
    "slot_c": SLOT_BITS,
    **{f"float_{name}": 1 for name in OPERANDS},
})
"""Parameter lines of the micro-program, and cycles before the first slot; slots a group, and among them operations (at
least one), pairs of parameters and taps (0 without a window); cycles from a group's first read to its first operation;
cycles from the last slot of the reads to completion; whether 32-bit integers pass unconverted; reduction or window,
and how they combine (a `ReduceKind`); the slots in which operands are read, and whether they are binary32."""


def element_bytes(kind: Value) -> Value:
    return Mux(kind == ElementType.INT8, 1, 4)


def plan(m: Module, instruction: data.View, spec: ChipSpec, result: data.View) -> None:
    """Drive ``result`` (a `PLAN`); the numbers are those of `seedchip.isa.vector.vector_cycles`."""
    lanes, window = spec.vector.lanes, instruction.window
    operations = instruction.num_operations
    pairs = (instruction.num_parameters + 1) >> 1
    kinds = {name: instruction[f"{name}_kind"] for name in OPERANDS}
    read = {name: (kind == OperandKind.VECTOR) | (kind == OperandKind.SCALAR) for name, kind in kinds.items()}
    at_least_one = Mux(operations == 0, 1, operations)
    lines = (operations + instruction.num_constants + lanes - 1) >> ceil_log2(lanes)
    taps, before, reads = Signal(SLOT_BITS), Signal(SLOT_BITS), Signal(SLOT_BITS)
    m.d.comb += [
        taps.eq(Mux(window, instruction.tap_y * instruction.tap_x, 0)),
        before.eq(Mux(window, taps, read["a"])), reads.eq(before + read["b"] + read["c"]),
    ]
    busy, slots, first = Signal(SLOT_BITS), Signal(SLOT_BITS), Signal(SLOT_BITS)
    worked = taps + Mux(window, operations, at_least_one)
    last_read = Signal(SLOT_BITS)
    m.d.comb += [
        busy.eq(Mux(worked > reads, worked, reads)), slots.eq(Mux(busy > pairs, busy, pairs)),
        last_read.eq(Mux(window & (reads == taps), taps, Mux(reads == 0, 0, reads - 1))),
        first.eq(Mux(pairs > last_read + 1, pairs - 1, last_read)),
    ]
    tail = Signal(4)
    m.d.comb += tail.eq(Mux(instruction.reduce != 0, first,
                            Mux(first + at_least_one > slots, first + at_least_one - slots, 0)))
    integer = (instruction.a_type == ElementType.INT32) | (kinds["a"] == OperandKind.ACCUMULATOR)
    m.d.comb += [
        result.program_lines.eq(lines),
        result.setup_cycles.eq(Mux(window & (lines < WINDOW_SETUP_CYCLES), WINDOW_SETUP_CYCLES, lines)),
        result.slots.eq(slots),
        result.num_operations.eq(at_least_one),
        result.num_pairs.eq(pairs),
        result.taps.eq(taps),
        result.lead.eq(BATCH * first),
        result.drain.eq(BATCH * tail + spec.vector.pipeline_cycles + Mux(instruction.reduce != 0, COMBINE_CYCLES, 0)),
        result.reduce.eq(instruction.reduce != 0),
        result.window.eq(window),
        result.combine.eq(Mux(window, Mux(instruction.tap_max, ReduceKind.MAX, ReduceKind.SUM), instruction.reduce)),
        result.raw.eq((operations == 0) & integer & (instruction.out_type == ElementType.INT32)
                      & ~result.reduce & ~window),
        result.slot_b.eq(before),
        result.slot_c.eq(before + read["b"]),
        *(result[f"float_{name}"].eq(instruction[f"{name}_type"] == ElementType.FLOAT32) for name in OPERANDS),
    ]


def malformed(instruction: data.View) -> Value:
    """Whether the instruction has a meaning at all; the simulator refuses the same."""
    wrong = [instruction[f"{name}_kind"] == OperandKind.ACCUMULATOR for name in ("b", "c")]
    for name in OPERANDS:
        kind = instruction[f"{name}_kind"]
        wrong.append(((kind == OperandKind.VECTOR) | (kind == OperandKind.SCALAR)) & (instruction[f"{name}_type"] == 3))
    wrong += [(instruction.out_type == 3) & (instruction.reduce == 0)]
    wrong += [instruction[name] == 0 for name in ("size_y", "size_x", "columns")]
    wrong += [instruction.num_parameters > MAX_PARAMETERS, instruction.num_operations > MAX_OPERATIONS,
              instruction.num_constants > MAX_CONSTANTS,
              (instruction.num_operations == 0) & (instruction.a_kind == OperandKind.NONE)]
    loops = [instruction[f"{name}_{axis}"] == 0 for name in ("tap", "step", "dilation") for axis in ("y", "x")]
    wrong.append(instruction.window & ((instruction.a_kind != OperandKind.VECTOR) | (instruction.reduce != 0)
                                       | Cat(loops).any()))
    return Cat(wrong).any()
