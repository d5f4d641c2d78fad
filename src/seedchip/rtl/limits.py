"""What a chip description must fulfil beyond `ChipSpec`'s own rules to become hardware of this slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.isa import WORD_BYTES
from seedchip.spec import SpecError

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

MEMORY_STAGES = 4
"""Registers between the grant of the memory port and a completed transfer that are the core's own."""
MATRIX_STAGES = 5
"""Address phase to accumulator write, without the array: multiply, add, two of the scratchpad, sum."""
VECTOR_STAGES = 15
"""Last slot to visible result: two of the scratchpad, convert 2, read, multiply 2, add 3, clamp, convert 2, write."""


def check_slice(spec: ChipSpec) -> None:
    """Raise `SpecError` when ``spec`` cannot be elaborated."""
    memory, bank = spec.memory, spec.scratchpad.bytes // spec.scratchpad.banks
    accumulator_rows = spec.accumulator_rows // spec.accumulator.banks
    rules = [
        (memory.bytes_per_cycle == memory.granule_bytes,
         f"the hardware moves one granule a cycle: memory.channels x memory.channel_bytes_per_cycle must be "
         f"memory.granule_bytes = {memory.granule_bytes}, not {memory.bytes_per_cycle}"),
        (memory.granule_bytes <= min(spec.line_bytes, WORD_BYTES),
         f"memory.granule_bytes must fit in a line of {spec.line_bytes} bytes and in an instruction word of "
         f"{WORD_BYTES} bytes, not {memory.granule_bytes}"),
        (memory.latency_cycles >= MEMORY_STAGES,
         f"memory.latency_cycles must be at least {MEMORY_STAGES}, not {memory.latency_cycles}"),
        (spec.matrix.pipeline_cycles >= MATRIX_STAGES,
         f"matrix.pipeline_cycles must be at least {MATRIX_STAGES}, not {spec.matrix.pipeline_cycles}"),
        (spec.vector.pipeline_cycles >= VECTOR_STAGES,
         f"vector.pipeline_cycles must be at least {VECTOR_STAGES}, not {spec.vector.pipeline_cycles}"),
        (bank & bank - 1 == 0, f"a scratchpad bank must be a power of two long, not {bank} bytes"),
        (accumulator_rows & accumulator_rows - 1 == 0,
         f"an accumulator bank must have a power of two of rows, not {accumulator_rows}"),
        (spec.parameter.bytes & spec.parameter.bytes - 1 == 0,
         f"parameter.bytes must be a power of two, not {spec.parameter.bytes}"),
    ]
    for holds, sentence in rules:
        if not holds:
            raise SpecError(sentence)
