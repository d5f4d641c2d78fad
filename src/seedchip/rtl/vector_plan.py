"""What a `Vector` instruction asks of the pipeline, from its fields."""

from __future__ import annotations

from amaranth import Cat, Module, Mux
from amaranth.hdl import Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from seedchip.isa import ElementType, OperandKind, Vector
from seedchip.isa.vector import BATCH
from seedchip.rtl.layout import instruction_layout
from seedchip.spec import ChipSpec

VECTOR = instruction_layout(Vector)

PLAN = data.StructLayout({
    "setup_lines": 7,
    "slots": 7,
    "num_operations": 7,
    "num_pairs": 3,
    "lead": 6,
    "drain": 8,
    "raw": 1,
    "float_in": 1,
})
"""Parameter lines to read first; slots a group; operations (at least one) and pairs of parameters among them; cycles
from a group's first read to its first operation; cycles from the last slot of the reads to completion; whether
32-bit integers pass unconverted, and whether operand A is binary32."""


def element_bytes(kind: Value) -> Value:
    return Mux(kind == ElementType.INT8, 1, 4)


def plan(m: Module, instruction: data.View, spec: ChipSpec, result: data.View) -> None:
    """Drive ``result`` (a `PLAN`); the numbers are those of `seedchip.isa.vector.vector_cycles`."""
    lanes = spec.vector.lanes
    operations = instruction.num_operations
    pairs = (instruction.num_parameters + 1) >> 1
    at_least_one = Mux(operations == 0, 1, operations)
    first = Mux(pairs > 1, pairs - 1, 0)[:3]
    slots = Mux(at_least_one > pairs, at_least_one, pairs)
    tail = Mux(first + operations > slots, first + operations - slots, 0)
    integer = (instruction.a_type == ElementType.INT32) | (instruction.a_kind == OperandKind.ACCUMULATOR)
    m.d.comb += [
        result.setup_lines.eq((operations + instruction.num_constants + lanes - 1) >> ceil_log2(lanes)),
        result.slots.eq(slots),
        result.num_operations.eq(at_least_one),
        result.num_pairs.eq(pairs),
        result.lead.eq(BATCH * first),
        result.drain.eq(BATCH * tail[:3] + spec.vector.pipeline_cycles),
        result.raw.eq((operations == 0) & integer
                      & (instruction.out_type == ElementType.INT32)),
        result.float_in.eq((instruction.a_type == ElementType.FLOAT32)
                           & (instruction.a_kind != OperandKind.ACCUMULATOR)),
    ]


def outside_slice(instruction: data.View) -> Value:
    """Whether the instruction needs what this slice of the hardware does not have."""
    absent = Cat(instruction.b_kind, instruction.c_kind, instruction.reduce, instruction.window).any()
    empty = (instruction.size_y == 0) | (instruction.size_x == 0) | (instruction.columns == 0)
    return absent | empty | (instruction.num_parameters > 8)
