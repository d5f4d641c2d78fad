"""Programs written by hand: small enough to check every number."""

import numpy as np

from seedchip.isa import Halt, Load, Store, encode_program
from seedchip.program import Layer, Program, Segment, TensorPlace
from seedchip.spec import load

STORE_ENGINE, LOAD_ENGINE = 1 << 0, 1 << 1


def copy_program(chip: str = "nano") -> Program:
    """Copies 64 bytes of input x at address 1024 to output y at 2048 through the scratchpad."""
    spec = load(chip)
    code = encode_program([
        Load(memory_address=1024, local_address=0, run_bytes=64, signal=STORE_ENGINE, write_banks=1),
        Store(memory_address=2048, local_address=0, run_bytes=64, wait_load=1, read_banks=1),
        Halt()])
    x = TensorPlace("x", (2, 32), "int8", "int8", 1024, 32, (0, 1))
    y = TensorPlace("y", (2, 32), "int8", "int8", 2048, 32, (0, 1))
    constants = (Segment(3072, np.arange(100, dtype=np.uint8)), Segment(3200, np.full(7, 255, np.uint8)))
    return Program("copy", spec.name, spec.hash, 1, code, 0, 4096, (x,), (y,), constants,
                   (Layer("read", "Load", 0, 1, 0), Layer("write", "Store", 1, 2, 0)))
