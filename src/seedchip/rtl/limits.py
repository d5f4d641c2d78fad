"""What a chip description must fulfil beyond `ChipSpec`'s own rules to become hardware of this slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seedchip.isa import WORD_BYTES
from seedchip.spec import SpecError

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

MAX_SCRATCHPAD_BYTES = 1 << 23
"""Half of what an address can say, so that no stride leads from inside the scratchpad around to inside again."""


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
        (spec.scratchpad.bytes <= MAX_SCRATCHPAD_BYTES,
         f"scratchpad.bytes must be at most {MAX_SCRATCHPAD_BYTES}, not {spec.scratchpad.bytes}"),
        (bank & bank - 1 == 0, f"a scratchpad bank must be a power of two long, not {bank} bytes"),
        (accumulator_rows & accumulator_rows - 1 == 0,
         f"an accumulator bank must have a power of two of rows, not {accumulator_rows}"),
        (spec.parameter.bytes & spec.parameter.bytes - 1 == 0,
         f"parameter.bytes must be a power of two, not {spec.parameter.bytes}"),
    ]
    for holds, sentence in rules:
        if not holds:
            raise SpecError(sentence)
