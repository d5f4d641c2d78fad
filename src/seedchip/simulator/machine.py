"""`Machine`: the architectural state and one prepared kernel for every instruction of a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa import Load, Matmul, Store, Vector
from seedchip.simulator.access import Site
from seedchip.simulator.collection import collection_paused
from seedchip.simulator.kernels import load, store
from seedchip.simulator.kernels.matmul import MatmulKernels
from seedchip.simulator.kernels.vector import VectorKernels
from seedchip.simulator.state import State, new_state

if TYPE_CHECKING:
    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec


class Machine:
    """Executes instructions one after the other, each as one vectorised kernel. Values only; time is `timing`'s."""

    def __init__(self, instructions: Sequence[Instruction], spec: ChipSpec, memory_bytes: int) -> None:
        self.instructions, self.spec = instructions, spec
        self.state: State = new_state(spec, memory_bytes)
        self._matmul, self._vector = MatmulKernels(self.state), VectorKernels(self.state)
        self._kernels: list[Callable[[], None] | None] = [None] * len(instructions)

    def run(self, order: Iterable[int] | None = None) -> None:
        """Execute the instructions with these indices in this order (by default all, as they stand in the program).

        Raises `Fault` at the first instruction that breaks a rule of the machine.
        """
        kernels = self._kernels
        with collection_paused(), np.errstate(all="ignore"):
            for index in range(len(kernels)) if order is None else order:
                kernel = kernels[index]
                if kernel is None:
                    kernel = kernels[index] = self._prepare(index)
                kernel()

    def _prepare(self, index: int) -> Callable[[], None]:
        instruction = self.instructions[index]
        site = Site(index, instruction, self.spec)
        site.banks_exist()
        if isinstance(instruction, Vector):
            return self._vector.prepare(site)
        if isinstance(instruction, Matmul):
            return self._matmul.prepare(site)
        if isinstance(instruction, Load):
            return load.prepare(site, self.state)
        if isinstance(instruction, Store):
            return store.prepare(site, self.state)
        return lambda: None
