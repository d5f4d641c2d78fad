"""What a `Vector` instruction asks of the pipeline, from its fields."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data
from amaranth.utils import ceil_log2

from seedchip.isa import ElementType, OperandKind, Vector
from seedchip.isa.vector import BATCH
from seedchip.rtl.layout import instruction_layout
from seedchip.spec import ChipSpec

VECTOR = instruction_layout(Vector)

OPERANDS = ("a", "b", "c")

PLAN = data.StructLayout({
    "setup_lines": 7,
    "slots": 7,
    "num_operations": 7,
    "num_pairs": 3,
    "lead": 6,
    "drain": 8,
    "raw": 1,
    **{f"slot_{name}": 2 for name in OPERANDS},
    **{f"float_{name}": 1 for name in OPERANDS},
})
"""Parameter lines to read first; slots a group; operations (at least one) and pairs of parameters among them; cycles
from a group's first read to its first operation; cycles from the last slot of the reads to completion; whether 32-bit
integers pass unconverted; the slot in which each operand is read, and whether it is binary32."""


def element_bytes(kind: Value) -> Value:
    return Mux(kind == ElementType.INT8, 1, 4)


def plan(m: Module, instruction: data.View, spec: ChipSpec, result: data.View) -> None:
    """Drive ``result`` (a `PLAN`); the numbers are those of `seedchip.isa.vector.vector_cycles`."""
    lanes = spec.vector.lanes
    operations = instruction.num_operations
    pairs = (instruction.num_parameters + 1) >> 1
    kinds = {name: instruction[f"{name}_kind"] for name in OPERANDS}
    read = {name: (kind == OperandKind.VECTOR) | (kind == OperandKind.SCALAR) for name, kind in kinds.items()}
    reads = read["a"] + read["b"] + read["c"]
    at_least_one = Mux(operations == 0, 1, operations)
    longest = Signal(3)  # slots that reading takes
    slots, first = Signal(7), Signal(3)
    m.d.comb += [
        longest.eq(Mux(pairs > reads, pairs, reads)), slots.eq(Mux(at_least_one > longest, at_least_one, longest)),
        first.eq(Mux(longest == 0, 0, longest - 1)),
    ]
    tail = Mux(first + operations > slots, first + operations - slots, 0)
    integer = (instruction.a_type == ElementType.INT32) | (instruction.a_kind == OperandKind.ACCUMULATOR)
    m.d.comb += [
        result.setup_lines.eq((operations + instruction.num_constants + lanes - 1) >> ceil_log2(lanes)),
        result.slots.eq(slots),
        result.num_operations.eq(at_least_one),
        result.num_pairs.eq(pairs),
        result.lead.eq(BATCH * first),
        result.drain.eq(BATCH * tail[:3] + spec.vector.pipeline_cycles),
        result.raw.eq((operations == 0) & integer & (instruction.out_type == ElementType.INT32)),
        result.slot_b.eq(read["a"]),
        result.slot_c.eq(read["a"] + read["b"]),
        *(result[f"float_{name}"].eq(instruction[f"{name}_type"] == ElementType.FLOAT32) for name in OPERANDS),
    ]


def outside_slice(instruction: data.View) -> Value:
    """Whether the instruction needs what this slice of the hardware does not have."""
    absent = Cat(instruction.b_kind[1] & instruction.b_kind[0], instruction.c_kind[1] & instruction.c_kind[0],
                 instruction.reduce, instruction.window).any()
    empty = (instruction.size_y == 0) | (instruction.size_x == 0) | (instruction.columns == 0)
    return absent | empty | (instruction.num_parameters > 8)
