"""The vector engine's instruction: a micro-program over a whole tensor of rows."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from seedchip.isa.instruction import Engine, Instruction, bits

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

BATCH = 8
"""Groups of a micro-program in flight: an operation may use the result of the one before it in the next slot."""
NUM_REGISTERS = 16
NUM_PARTIALS = 64
"""Partial sums of a row reduction; see docs/03_reference/numbers.md."""
COMBINE_CYCLES = 4
"""A step of a reduction: reading the partial sums and the adder's three stages."""
WINDOW_SETUP_CYCLES = 8
"""A window's six products of strides with steps, dilations and origins, one a cycle through two registers."""
MAX_OPERATIONS = 64
MAX_CONSTANTS = 64
MAX_PARAMETERS = 8

SOURCE_A, SOURCE_B, SOURCE_C, SOURCE_PARAMETER, SOURCE_CONSTANT = 16, 17, 18, 24, 64
"""Micro-operation sources: 0-15 registers, 16-18 operands, 24-31 the group's parameter vectors, 64-127 constants."""


class ElementType(IntEnum):
    """How an operand or result lies in the scratchpad. Integers become binary32 on read (nearest even); results are
    clamped, rounded to nearest even and saturated on write (NaN gives 0)."""

    INT8 = 0
    INT32 = 1
    FLOAT32 = 2

    @property
    def num_bytes(self) -> int:
        return 1 if self is ElementType.INT8 else 4


class OperandKind(IntEnum):
    """What an operand supplies to a group of lanes."""

    NONE = 0
    VECTOR = 1
    SCALAR = 2
    """one element a row, for every lane"""
    ACCUMULATOR = 3
    """INT32 sums (operand A only): address and strides count accumulator rows"""


class ReduceKind(IntEnum):
    """What is written: the elements, or one binary32 value a row."""

    NONE = 0
    SUM = 1
    MAX = 2
    MIN = 3


class Vector(Instruction, opcode=0x04, num_words=2, engine=Engine.VECTOR):
    """Run a micro-program on every group of ``vector.lanes`` elements of rows y, x and write (or reduce) the results.

    Operand P of group g, row (y, x) is at P_address + y * P_stride_y + x * P_stride_x (+ g * lanes elements unless it
    is a scalar). An accumulator operand's group g is in tile g // (columns / lanes), a_stride_group accumulator rows
    apart. With ``window``, operand A (a vector in the scratchpad) is a window: tap_y x tap_x elements, row-major,
    summed or maximised one after the other; tap (i, j) of row (y, x) lies at a_address + iy * a_stride_y + ix *
    a_stride_x with iy = y * step_y + i * dilation_y + origin_y and ix = x * step_x + j * dilation_x + origin_x, and is
    left out where iy or ix is outside [0, limit). The first tap that counts is taken as it is; none at all gives +0
    (sum) or -infinity (maximum). A window cannot also ``reduce``. The micro-program starts with the window's result
    as operand A. The result is register 0, which the last operation writes; an empty micro-program gives operand A,
    unconverted when both A and the result are INT32 (accumulators count as INT32; clamps then do not apply).
    Elements from ``columns`` on are written as 0 and take no part in a reduction.
    """

    a_kind: int = bits(2, "0 none, 1 vector, 2 scalar, 3 accumulator", 1)
    a_type: int = bits(2, "0 INT8, 1 INT32, 2 binary32")
    a_address: int = bits(24, "scratchpad byte or accumulator row")
    a_stride_y: int = bits(24, "bytes or accumulator rows", signed=True)
    a_stride_x: int = bits(24, "bytes or accumulator rows", signed=True)
    a_stride_group: int = bits(20, "accumulator rows between tiles of columns")
    b_kind: int = bits(2, "0 none, 1 vector, 2 scalar")
    b_type: int = bits(2, "0 INT8, 1 INT32, 2 binary32")
    b_address: int = bits(24, "scratchpad byte")
    b_stride_y: int = bits(24, "bytes", signed=True)
    b_stride_x: int = bits(24, "bytes", signed=True)
    c_kind: int = bits(2, "0 none, 1 vector, 2 scalar")
    c_type: int = bits(2, "0 INT8, 1 INT32, 2 binary32")
    c_address: int = bits(24, "scratchpad byte")
    c_stride_y: int = bits(24, "bytes", signed=True)
    c_stride_x: int = bits(24, "bytes", signed=True)
    out_type: int = bits(2, "0 INT8, 1 INT32, 2 binary32; reductions write binary32")
    out_address: int = bits(24, "scratchpad byte")
    out_stride_y: int = bits(24, "bytes", signed=True)
    out_stride_x: int = bits(24, "bytes", signed=True)
    reduce: int = bits(2, "0 none, 1 sum, 2 max, 3 min over the row")
    size_y: int = bits(16, "rows in the outer loop", 1)
    size_x: int = bits(16, "rows in the inner loop", 1)
    columns: int = bits(20, "elements of a row", 1)
    clamp_low: int = bits(32, "binary32 pattern: smaller results become this", 0xFF800000)
    clamp_high: int = bits(32, "binary32 pattern: larger results become this", 0x7F800000)
    tap_y: int = bits(8, "window rows", 1)
    tap_x: int = bits(8, "window columns", 1)
    tap_max: int = bits(1, "0 sum, 1 maximum of the window")
    step_y: int = bits(8, "stride", 1)
    step_x: int = bits(8, "stride", 1)
    dilation_y: int = bits(8, "dilation", 1)
    dilation_x: int = bits(8, "dilation", 1)
    origin_y: int = bits(16, "input row of tap 0 for row y = 0", signed=True)
    origin_x: int = bits(16, "input column of tap 0 for row x = 0", signed=True)
    limit_y: int = bits(16, "input rows", 0xFFFF)
    limit_x: int = bits(16, "input columns", 0xFFFF)
    window: int = bits(1, "operand A is a window")
    program_address: int = bits(16, "parameter-memory line of the micro-program, constants behind it")
    num_operations: int = bits(7, "micro-operations")
    num_constants: int = bits(7, "constants")
    parameter_address: int = bits(16, "parameter-memory line of group 0's first parameter vector")
    num_parameters: int = bits(4, "parameter vectors a group, next to each other")

    @property
    def num_rows(self) -> int:
        return self.size_y * self.size_x


def num_groups(instruction: Vector, spec: ChipSpec) -> int:
    """Lane groups of a row."""
    return -(-instruction.columns // spec.vector.lanes)


def _reads(instruction: Vector) -> int:
    kinds = (instruction.a_kind, instruction.b_kind, instruction.c_kind)
    return sum(k in (OperandKind.VECTOR, OperandKind.SCALAR) for k in kinds)


def _taps(instruction: Vector) -> int:
    return instruction.tap_y * instruction.tap_x if instruction.window else 0


def slots_per_group(instruction: Vector) -> int:
    """Cycles that a group of lanes takes: micro-operations, scratchpad reads (one a cycle) and parameter reads (two a
    cycle) go on side by side; a window's taps come first, one a cycle, beside the parameter reads."""
    reads, pairs, taps = _reads(instruction), -(-instruction.num_parameters // 2), _taps(instruction)
    if not taps:
        return max(instruction.num_operations, reads, pairs, 1)
    return max(taps + max(instruction.num_operations, reads - 1), pairs)


def first_operation_slot(instruction: Vector) -> int:
    """Slot of a group's reads beside which its first micro-operation can run: its last operand and its last parameters
    are then there. Taps are followed by the reads of B and C."""
    reads, pairs, taps = _reads(instruction), -(-instruction.num_parameters // 2), _taps(instruction)
    return max(taps + reads - 2 if taps else reads - 1, taps, pairs - 1)


def fold_steps(spec: ChipSpec) -> int:
    """Additions that fold the `NUM_PARTIALS` partial sums of a row, one after the other: first whole vectors of lanes
    are added to each other, then one half of the lanes to the other half, down to one."""
    lanes = spec.vector.lanes
    return NUM_PARTIALS // lanes - 1 + lanes.bit_length() - 1


def drain_cycles(instruction: Vector, spec: ChipSpec) -> int:
    """Cycles from the last slot to the completion of an instruction.

    The micro-operations follow the reads `first_operation_slot` slots behind, so a group's last one may be as much
    later than its slots end; an empty micro-program moves operand A in one. A reduction's folds are as far behind.
    """
    first = first_operation_slot(instruction)
    if instruction.reduce:
        return spec.vector.pipeline_cycles + BATCH * first + COMBINE_CYCLES
    late = max(0, first + max(1, instruction.num_operations) - slots_per_group(instruction))
    return spec.vector.pipeline_cycles + BATCH * late


def vector_cycles(instruction: Vector, spec: ChipSpec) -> int:
    """Cycles from the start of an instruction to its last slot.

    First the micro-program and its constants are read, a parameter line a cycle, and beside them a window's strides are
    multiplied. One slot a group needs no interleaving; more slots interleave `BATCH` groups, which in a reduction are
    of different rows. A reduction then folds the partial sums of `BATCH` rows in `fold_steps` slots.
    """
    lines = -(-(instruction.num_operations + instruction.num_constants) // spec.vector.lanes)
    setup = max(lines, WINDOW_SETUP_CYCLES) if instruction.window else lines
    slots, groups = slots_per_group(instruction), num_groups(instruction, spec)
    if instruction.reduce:
        blocks = -(-instruction.num_rows // BATCH)
        return setup + blocks * BATCH * (groups * slots + fold_steps(spec))
    total = instruction.num_rows * groups
    return setup + (total if slots == 1 else -(-total // BATCH) * BATCH * slots)
