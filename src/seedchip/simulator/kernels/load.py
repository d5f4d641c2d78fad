"""`Load`: memory, a table's rows or a fill value to the scratchpad or the parameter memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from seedchip.isa.dma import GRANULES, INDEX_BYTES, POSITIVE, SCRATCHPAD
from seedchip.simulator.access import Access, view, wide_views

if TYPE_CHECKING:
    from seedchip.isa import Load, Store
    from seedchip.simulator.access import Site
    from seedchip.simulator.state import State


def local_access(i: Load | Store) -> Access:
    """Where the runs lie on the chip, outermost loop first."""
    return Access(i.local_address, (i.count2, i.count1, i.count0),
                  (i.local_stride2, i.local_stride1, i.local_stride0), i.run_bytes)


def memory_access(i: Load | Store) -> Access:
    """Where the runs lie in memory."""
    return Access(i.memory_address, (i.count2, i.count1, i.count0),
                  (i.memory_stride2, i.memory_stride1, i.memory_stride0), i.run_bytes)


def prepare(site: Site, state: State) -> Callable[[], None]:
    """The function that executes the load. Raises `Fault`."""
    i: Load = site.instruction  # type: ignore[assignment]
    site.positive(POSITIVE)
    local = local_access(i)
    if i.space == SCRATCHPAD:
        site.scratchpad("local_address", local, "write_banks")
        target = state.scratchpad
    else:
        site.range("local_address", local, len(state.parameter), "parameter memory's", "bytes")
        target = state.parameter
    if i.fill:
        return _filler(view(target, local, np.uint8), i.fill_value)
    if i.gather:
        return _prepare_gather(site, state, target, local)
    memory = memory_access(i)
    site.range("memory_address", memory, len(state.memory), "program's memory of", "bytes")
    return copier(target, local, state.memory, memory)


def copier(target: np.ndarray, to: Access, source: np.ndarray, origin: Access) -> Callable[[], None]:
    """A function that copies run by run in the order of the loops."""
    if to.is_disjoint:
        written, read = wide_views(target, to, source, origin)
        return lambda: np.copyto(written, read)
    pairs = [(slice(int(t), int(t) + to.run), slice(int(s), int(s) + to.run))
             for t, s in zip(to.starts(), origin.starts(), strict=True)]

    def copy_in_order() -> None:
        for into, out_of in pairs:
            target[into] = source[out_of]

    return copy_in_order


def _prepare_gather(site: Site, state: State, target: np.ndarray, local: Access) -> Callable[[], None]:
    i: Load = site.instruction  # type: ignore[assignment]
    granule = site.spec.memory.granule_bytes
    site.positive(("table_rows",))
    for name in GRANULES:
        if getattr(i, name) % granule:
            raise site.fault(f"{name} of a gather must be a multiple of the memory granule of {granule} bytes, not "
                             f"{getattr(i, name)}")
    indices = Access(i.index_address, (1,), (0,), INDEX_BYTES * i.count0)
    site.aligned("index_address", indices, INDEX_BYTES)
    site.scratchpad("index_address", indices, "read_banks")
    chosen = view(state.scratchpad, indices, np.int32).reshape(-1)
    reach = Access(i.memory_address, (i.count2, i.count1, i.table_rows),
                   (i.memory_stride2, i.memory_stride1, i.memory_stride0), i.run_bytes)
    site.range("the table at memory_address", reach, len(state.memory), "program's memory of", "bytes")
    table = view(state.memory, reach, np.uint8)
    written = [view(target, Access(int(a), (), (), i.run_bytes), np.uint8) for a in local.starts()] \
        if not local.is_disjoint else view(target, local, np.uint8)
    rows = i.table_rows

    def gather() -> None:
        row = chosen.astype(np.int64)
        row += np.where(row < 0, rows, 0)
        inside = (row >= 0) & (row < rows)
        values = table[:, :, np.where(inside, row, 0)]
        values[:, :, ~inside] = 0
        if isinstance(written, np.ndarray):
            written[...] = values
            return
        for into, value in zip(written, values.reshape(-1, values.shape[-1]), strict=True):
            into[...] = value

    return gather


def _filler(written: np.ndarray, value: int) -> Callable[[], None]:
    return lambda: written.fill(value)
