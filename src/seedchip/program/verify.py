"""What must hold for every program, whoever made it: checked before a device sees it and after a file is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa import ISA_VERSION, WORD_BYTES, Halt, InstructionError, Load, Matmul, Store
from seedchip.isa import dma as transfer_fields
from seedchip.isa import matmul as matmul_fields
from seedchip.isa.matmul import needs_alone
from seedchip.program.errors import ProgramError
from seedchip.program.program import MEMORY_DTYPES, Program, TensorPlace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedchip.spec import ChipSpec

USER_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
               "float4_e2m1fn", "int2", "uint2", "int4", "uint4", "bool", "int8", "uint8", "int16", "uint16", "int32",
               "uint32", "int64", "uint64", "float16", "float32", "float64")
"""NumPy types in which a user's tensors may be."""
MAX_RANK = 32
_Range = tuple[int, int, str]
_POSITIVE = {Load: transfer_fields.POSITIVE, Store: transfer_fields.POSITIVE, Matmul: matmul_fields.POSITIVE}


def verify_program(program: Program, spec: ChipSpec | None = None) -> None:
    """Raise `ProgramError` unless the program can be put into memory and run on ``spec`` (when given)."""
    if program.isa_version != ISA_VERSION:
        raise ProgramError(f"the program must be for version {ISA_VERSION} of the instruction set, not "
                           f"{program.isa_version}; compile the model again")
    if spec is not None:
        _check_chip(program, spec)
    for kind, places in (("input", program.inputs), ("output", program.outputs)):
        _check_unique([p.name for p in places], kind)
        for place in places:
            _check_place(place, kind)
    _check_ranges(program)
    _check_code(program)
    if spec is not None:
        _check_weight_banks(program, spec)
    _check_layers(program)


def _check_chip(program: Program, spec: ChipSpec) -> None:
    if program.chip_hash != spec.hash:
        raise ProgramError(f"the program was compiled for chip {program.chip_name!r} ({program.chip_hash[:12]}), not "
                           f"for {spec.name!r} ({spec.hash[:12]}); compile the model for {spec.name!r}")
    if program.memory_bytes > spec.memory.bytes:
        raise ProgramError(f"the program needs {program.memory_bytes} bytes of memory, more than the "
                           f"{spec.memory.bytes} of chip {spec.name!r}; choose a chip with more memory")


def _check_unique(names: list[str], kind: str) -> None:
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise ProgramError(f"{kind} names must be unique, but {twice!r} stands twice")


def _check_place(place: TensorPlace, kind: str) -> None:
    where, rank = f"{kind} {place.name!r}", len(place.shape)
    if rank > MAX_RANK:
        raise ProgramError(f"{where} must have at most {MAX_RANK} axes, not {rank}")
    if place.dtype not in USER_DTYPES:
        raise ProgramError(f"{where} must have a NumPy number type, not {place.dtype!r}")
    if place.storage not in MEMORY_DTYPES:
        raise ProgramError(f"{where} must be stored as one of {', '.join(MEMORY_DTYPES)}, not {place.storage!r}")
    if any(n < 0 for n in place.shape):
        raise ProgramError(f"{where} must not have negative sizes, not {place.shape}")
    if sorted(place.permutation) != list(range(rank)):
        raise ProgramError(f"the permutation of {where} must order {rank} axes, not be {place.permutation}")
    if (sum(place.pad_columns) and rank < 2) or any(n < 0 for n in place.pad_columns):
        raise ProgramError(f"the column padding of {where} must be two sizes of an image, not {place.pad_columns}")
    width = place.stored_shape[-1] if rank else 1
    if place.num_rows and place.row_bytes < width * np.dtype(place.storage).itemsize:
        raise ProgramError(f"a row of {where} must hold {width} elements, more than {place.row_bytes} bytes do")


def _check_ranges(program: Program) -> None:
    """Everything lies in memory; code, constants and inputs do not overlap, and no output overlaps the code."""
    fixed: list[_Range] = [(program.code_address, len(program.code), "the code")]
    fixed += [(s.address, len(s.data), f"constant segment {i}") for i, s in enumerate(program.segments)]
    fixed += [(p.address, p.num_bytes, f"input {p.name!r}") for p in program.inputs]
    outputs: list[_Range] = [(p.address, p.num_bytes, f"output {p.name!r}") for p in program.outputs]
    for address, size, name in [*fixed, *outputs]:
        if address < 0 or address + size > program.memory_bytes:
            raise ProgramError(f"{name} must lie in the program's {program.memory_bytes} bytes of memory, not at "
                               f"{address} with {size} bytes")
    _check_disjoint(fixed)
    code_end = program.code_address + len(program.code)
    for address, size, name in outputs:
        if size and address < code_end and address + size > program.code_address:
            raise ProgramError(f"{name} must not overlap the code")


def _check_disjoint(ranges: Iterable[_Range]) -> None:
    end, before = 0, ""
    for address, size, name in sorted(r for r in ranges if r[1]):
        if address < end:
            raise ProgramError(f"{name} must not overlap {before}")
        end, before = address + size, name


def _check_code(program: Program) -> None:
    if not program.code or len(program.code) % WORD_BYTES:
        raise ProgramError(f"the code must be whole {WORD_BYTES}-byte words, not {len(program.code)} bytes")
    try:
        instructions = program.instructions
    except InstructionError as error:
        raise ProgramError(f"the code must be instructions, but {error}") from None
    halts = [i for i, instruction in enumerate(instructions) if isinstance(instruction, Halt)]
    if halts != [len(instructions) - 1]:
        raise ProgramError(f"the code must end in its only halt, but it has {len(halts)} among "
                           f"{len(instructions)} instructions" + (f", the first at {halts[0]}" if halts else ""))
    for index, instruction in enumerate(instructions):
        for name in _POSITIVE.get(type(instruction), ()):
            if not getattr(instruction, name):
                raise ProgramError(f"{name} of instruction {index} ({instruction.mnemonic()}) must be 1 or more, not 0")
        if isinstance(instruction, (Load, Store)) and not (isinstance(instruction, Load) and instruction.fill):
            low, high = memory_range(instruction)
            if low < 0 or high > program.memory_bytes:
                raise ProgramError(f"instruction {index} ({instruction.mnemonic()}) must stay in the program's "
                                   f"{program.memory_bytes} bytes of memory, not touch [{low}, {high})")


def _check_weight_banks(program: Program, spec: ChipSpec) -> None:
    """Weight tiles that share banks with activations that stream at the same time are loaded alone."""
    before = None
    for index, matmul in enumerate(program.instructions):
        if not isinstance(matmul, Matmul):
            continue
        for name, needed in zip(("first_alone", "tiles_alone"), needs_alone(before, matmul, spec), strict=True):
            if needed and not getattr(matmul, name):
                raise ProgramError(f"instruction {index} (matmul) must have {name}=1, since its weights share "
                                   "scratchpad banks with activations that stream while they are loaded")
        before = matmul


def memory_range(transfer: Load | Store) -> tuple[int, int]:
    """First byte and one beyond the last that a transfer can touch (for a gather: any row of its table)."""
    counts = [transfer.count0, transfer.count1, transfer.count2]
    if isinstance(transfer, Load) and transfer.gather:
        counts[0] = transfer.table_rows
    strides = (transfer.memory_stride0, transfer.memory_stride1, transfer.memory_stride2)
    reach = [stride * (count - 1) for stride, count in zip(strides, counts, strict=True)]
    low = transfer.memory_address + sum(r for r in reach if r < 0)
    return low, transfer.memory_address + sum(r for r in reach if r > 0) + transfer.run_bytes


def _check_layers(program: Program) -> None:
    count = len(program.instructions)
    for layer in program.layers:
        if not 0 <= layer.first <= layer.last <= count or layer.macs < 0:
            raise ProgramError(f"layer {layer.name!r} must be a stretch of the {count} instructions, not "
                               f"[{layer.first}, {layer.last}) with {layer.macs} MACs")
