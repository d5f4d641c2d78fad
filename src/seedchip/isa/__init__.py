"""The instruction set, said once. Importing the package declares every instruction."""

from seedchip.isa.dma import Halt, Load, Store
from seedchip.isa.instruction import (
    ISA_VERSION,
    WORD_BYTES,
    Engine,
    Instruction,
    InstructionError,
    decode,
    decode_program,
    encode,
    encode_program,
    layout,
)
from seedchip.isa.matmul import Matmul
from seedchip.isa.vector import ElementType, OperandKind, ReduceKind, Vector

__all__ = [
    "ISA_VERSION",
    "WORD_BYTES",
    "ElementType",
    "Engine",
    "Halt",
    "Instruction",
    "InstructionError",
    "Load",
    "Matmul",
    "OperandKind",
    "ReduceKind",
    "Store",
    "Vector",
    "decode",
    "decode_program",
    "encode",
    "encode_program",
    "layout",
]
