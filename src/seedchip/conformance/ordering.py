"""Other legal ways to order the same instructions: more tokens, more locks, weights loaded alone.

The builder sends one token for each dependency and locks what is touched. Any program that has more of them means the
same values at other times; the random ones here keep every dependency and can neither block nor overflow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.isa import Engine, Halt, Instruction, Matmul

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

MAX_SURPLUS = 12
"""Tokens of one semaphore that no one has taken yet, above which no more are added."""
MAX_TAKEN = 15


def reorder(program: list[Instruction], spec: ChipSpec, rng: np.random.Generator) -> list[Instruction]:
    """``program`` (as `seedchip.compiler.builder.Builder` makes it) with other tokens, locks and flags."""
    changes: list[dict[str, Any]] = [{"signal": 0} for _ in program]
    for source in Engine:
        for target in Engine:
            _draw_tokens(program, changes, (source, target), rng)
    result: list[Instruction] = []
    for instruction, change in zip(program, changes, strict=True):
        if isinstance(instruction, Halt):
            result.append(instruction)
            continue
        change |= _draw_locks(instruction, spec, rng)
        if isinstance(instruction, Matmul):
            change |= {name: max(getattr(instruction, name), int(rng.random() < 0.2))
                       for name in ("first_alone", "tiles_alone")}
        result.append(replace(instruction, **change))
    return result


def _draw_tokens(program: list[Instruction], changes: list[dict[str, Any]], pair: tuple[Engine, Engine],
                 rng: np.random.Generator) -> None:
    """Tokens from one engine to another, for the whole program.

    An instruction takes at least the tokens sent up to the instruction that it waits for, and at most those that
    earlier instructions of the program send: then nothing can block.
    """
    source, target = pair
    wait = f"wait_{source.name.lower()}"
    sent = taken = 0
    sent_by_needed: list[int] = []  # tokens sent up to each instruction whose token the builder asked for
    needed = 0
    for instruction, change in zip(program, changes, strict=True):
        if instruction.engine == target:
            needed += getattr(instruction, wait)
            least = max(0, sent_by_needed[needed - 1] - taken) if needed else 0
            most = min(MAX_TAKEN, sent - taken)
            count = int(rng.integers(least, most + 1)) if rng.random() < 0.5 else least
            change[wait], taken = count, taken + count
        if instruction.engine == source:
            asked = instruction.signal >> target & 1
            if asked or (rng.random() < 0.25 and sent - taken < MAX_SURPLUS):
                change["signal"] |= 1 << target
                sent += 1
            if asked:
                sent_by_needed.append(sent)


def _draw_locks(instruction: Instruction, spec: ChipSpec, rng: np.random.Generator) -> dict[str, int]:
    found = {}
    for name, banks in (("read_banks", spec.scratchpad.banks), ("write_banks", spec.scratchpad.banks),
                        ("accumulator_banks", spec.accumulator.banks)):
        if rng.random() < 0.1:
            found[name] = getattr(instruction, name) | int(rng.integers(0, 1 << banks))
    return found
