"""Test vectors: programs, memory before and after, cycles; what the chip must do bit for bit and cycle for cycle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seedchip.conformance.data import MEMORY_BYTES
from seedchip.rtl.simulation.lockstep import Trial, simulate_values
from seedchip.simulator.timing import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from seedchip.conformance.case import Case
    from seedchip.spec import ChipSpec

NEW_IMAGE_SHARE = 0.25
"""A case whose memory differs in more than this share of granules from every image gets an image of its own."""


@dataclass(frozen=True)
class Vector:
    """One case: hexadecimal overlays of memory images, and what must come out."""

    name: str
    image: int
    initial: str
    expected: str
    code_address: int
    num_words: int
    cycles: int
    sha256: str
    """of all of memory at the end"""


def make_vectors(spec: ChipSpec, cases: Sequence[Case],
                 say: Callable[[str], None]) -> tuple[list[Vector], list[str]]:
    """The vectors, and the images that they overlay, in hexadecimal with a granule to a line.

    The cases must not read on-chip memory that they have not written: they run one after the other on one chip.
    """
    granule = spec.memory.granule_bytes
    images: list[np.ndarray] = []
    vectors = []
    for number, case in enumerate(cases):
        if number % 50 == 0:
            say(f"test vectors, {number} of {len(cases)}")
        memory = case.memory.reshape(-1, granule)
        after, cycles = _run(spec, case)
        image = _closest(images, memory)
        expected = after.reshape(-1, granule)
        vectors.append(Vector(case.name, image, overlay(images[image], memory), overlay(memory, expected),
                              case.code_address, case.num_words, cycles, hashlib.sha256(after.tobytes()).hexdigest()))
    return vectors, [overlay(None, image) for image in images]


def _run(spec: ChipSpec, case: Case) -> tuple[np.ndarray, int]:
    """Memory after the program, and its cycles, by the simulator."""
    timeline = simulate(case.program, spec)
    state = simulate_values(Trial(spec, case.memory, case.code_address, case.program), timeline.starts)
    return state.memory[:MEMORY_BYTES], timeline.cycles


def _closest(images: list[np.ndarray], memory: np.ndarray) -> int:
    """The image that differs least; a new one where all differ much."""
    differing = [int((image != memory).any(axis=1).sum()) for image in images]
    if not differing or min(differing) > NEW_IMAGE_SHARE * len(memory):
        images.append(memory)
        return len(images) - 1
    return differing.index(min(differing))


def overlay(before: np.ndarray | None, after: np.ndarray) -> str:
    """The granules [n, granule_bytes] in which ``after`` differs, as ``$readmemh`` reads them; all without
    ``before``."""
    return "".join(_lines(before, after))


def _lines(before: np.ndarray | None, after: np.ndarray) -> Iterator[str]:
    changed = range(len(after)) if before is None else np.flatnonzero((before != after).any(axis=1))
    previous: int | np.integer = -1
    for index in changed:
        if index != previous + 1:
            yield f"@{index:x}\n"
        yield after[index].tobytes()[::-1].hex() + "\n"
        previous = index
