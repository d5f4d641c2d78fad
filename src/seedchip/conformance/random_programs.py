"""Random legal programs over the whole instruction set."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from seedchip.conformance.case import Case
from seedchip.conformance.data import CODE_BYTES
from seedchip.conformance.ordering import reorder
from seedchip.conformance.random_products import Products
from seedchip.conformance.random_transfers import Transfers
from seedchip.conformance.random_vectors import Vectors
from seedchip.conformance.stage import Stage
from seedchip.isa import WORD_BYTES, Halt

if TYPE_CHECKING:
    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec

LENGTH = 40
"""Random instructions of a program, without the loads of micro-programs and indices that they need."""
KINDS = {"load": 2, "fill": 1, "gather": 1, "parameters": 1, "store": 1, "matmul": 2, "map": 2, "copy": 0.3,
         "window": 0.7, "reduce": 1}
"""What is drawn, and how often in comparison."""


def random_case(spec: ChipSpec, seed: int, length: int = LENGTH, without: Collection[str] = ()) -> Case:
    """The random program of that seed, with its memory. ``without``: keys of `KINDS` that are left out."""
    stage = Stage(spec, seed)
    transfers, products, vectors = Transfers(stage), Products(stage), Vectors(stage)
    emitters: dict[str, Callable[[], None]] = {
        "load": transfers.load, "fill": transfers.fill, "gather": transfers.gather, "parameters": transfers.parameters,
        "store": transfers.store, "matmul": products.matmul, "map": vectors.map, "copy": vectors.copy,
        "window": vectors.window, "reduce": vectors.reduce}
    kinds = [kind for kind in KINDS if kind not in without]
    shares = [KINDS[kind] for kind in kinds]
    transfers.parameters()
    for _ in range(length):
        emitters[kinds[stage.rng.choice(len(kinds), p=[s / sum(shares) for s in shares])]]()
    program = _shorten(stage.builder.finish())
    if stage.often(0.7):
        program = reorder(program, spec, stage.rng)
    return Case(f"random program {seed}", program, stage.memory())


def _shorten(program: list[Instruction]) -> list[Instruction]:
    """As many instructions as have room in memory; any beginning of a program is one."""
    room = CODE_BYTES // 2 // WORD_BYTES - 1
    words = 0
    for index, instruction in enumerate(program):
        words += instruction.num_words
        if words > room:
            return [*program[:index], Halt()]
    return program
