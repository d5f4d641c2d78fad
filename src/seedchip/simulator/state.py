"""The architectural state of a core and its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec


@dataclass(frozen=True, eq=False)
class State:
    """Every byte that instructions can see. Arrays keep their place for the life of the state: kernels hold views."""

    memory: np.ndarray
    """uint8 [program.memory_bytes]"""
    scratchpad: np.ndarray
    """uint8 [scratchpad.bytes]"""
    accumulator: np.ndarray
    """int32 [accumulator rows, matrix.columns]"""
    parameter: np.ndarray
    """uint8 [parameter.bytes]"""


def new_state(spec: ChipSpec, memory_bytes: int) -> State:
    """A state that is zero all over; pages of memory cost nothing until they are written."""
    sums = np.zeros((spec.accumulator_rows, spec.matrix.columns), np.int32)
    memory, scratchpad, parameter = (np.zeros(n, np.uint8) for n in
                                     (memory_bytes, spec.scratchpad.bytes, spec.parameter.bytes))
    return State(memory, scratchpad, sums, parameter)
