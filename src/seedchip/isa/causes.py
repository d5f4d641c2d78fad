"""What the chip counts about itself: for every engine and cycle one cause."""

from __future__ import annotations

from enum import IntEnum

from seedchip.isa.instruction import Engine

COUNTER_BITS = 48
"""Width of the cycle counter and of every counter by cause: 78 hours at 1 GHz."""


class Cause(IntEnum):
    """See *Where every cycle went* in docs/03_reference/timing.md."""

    ACTIVE = 0
    WEIGHTS = 1
    MEMORY = 2
    BANK = 3
    SEMAPHORE = 4
    DRAIN = 5
    DISPATCH = 6
    IDLE = 7

    @property
    def doc(self) -> str:
        return _DOCS[self]


_DOCS = {
    Cause.ACTIVE: "transfers a beat, streams a row or takes a vector slot",
    Cause.WEIGHTS: "the array waits for a weight tile",
    Cause.MEMORY: "waits for the memory port, or for the last transfer's latency",
    Cause.BANK: "another engine holds a bank",
    Cause.SEMAPHORE: "waits for another engine's token",
    Cause.DRAIN: "the pipeline runs empty",
    Cause.DISPATCH: "the queue is empty, instructions are still to come",
    Cause.IDLE: "nothing more to do",
}

_ALWAYS = {Cause.ACTIVE, Cause.BANK, Cause.SEMAPHORE, Cause.DISPATCH, Cause.IDLE}
ENGINE_CAUSES: dict[Engine, tuple[Cause, ...]] = {engine: tuple(sorted(_ALWAYS | more)) for engine, more in {
    Engine.STORE: {Cause.MEMORY},
    Engine.LOAD: {Cause.MEMORY, Cause.DRAIN},
    Engine.VECTOR: {Cause.DRAIN},
    Engine.MATRIX: {Cause.WEIGHTS, Cause.DRAIN},
}.items()}
"""The causes that an engine's cycles can have; the others are 0 always."""
