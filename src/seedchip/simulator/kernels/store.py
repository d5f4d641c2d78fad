"""`Store`: scratchpad to memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from seedchip.isa.dma import POSITIVE
from seedchip.simulator.kernels.load import copier, local_access, memory_access

if TYPE_CHECKING:
    from seedchip.isa import Store
    from seedchip.simulator.access import Site
    from seedchip.simulator.state import State


def prepare(site: Site, state: State) -> Callable[[], None]:
    """The function that executes the store. Raises `Fault`."""
    i: Store = site.instruction  # type: ignore[assignment]
    site.positive(POSITIVE)
    local, memory = local_access(i), memory_access(i)
    site.scratchpad("local_address", local, "read_banks")
    site.range("memory_address", memory, len(state.memory), "program's memory of", "bytes")
    return copier(state.memory, memory, state.scratchpad, local)
