"""Ports between the parts of the core, grouped by partner."""

from __future__ import annotations

from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out
from amaranth.utils import ceil_log2

ADDRESS_BITS = 24
MEMORY_ADDRESS_BITS = 40
SPAN_BITS = 40
"""Of the sum that an on-chip address of a `Matmul` is: loops of up to 2**16 times strides of 24 bits."""
OFFSET_BITS = MEMORY_ADDRESS_BITS + 2
"""Of a signed distance between two places in memory, with room for one that leaves it."""
MORE_BITS = 8
"""Of the granules that are announced behind one: AXI4 bursts have at most 256 beats."""
PAGE_BYTES = 4096
"""No announcement crosses a multiple of it, as no AXI4 burst does."""

OCCUPATION = data.StructLayout(dict.fromkeys(("active", "weights", "memory", "drain"), 1))
"""What an engine does with the instruction that it has begun, one of `seedchip.isa.causes.Cause` at most; none when it
could take, or waits for, the next one. Shown one cycle after the cycle of the rules."""


class ReadPort(wiring.Signature):
    """A read of up to ``num_bytes`` bytes at any byte address: request in one cycle, ``data`` two cycles later.

    ``beyond`` says that the address is more than its bits can say.
    """

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        super().__init__({
            "valid": Out(1),
            "address": Out(ADDRESS_BITS),
            "beyond": Out(1),
            "count": Out(range(num_bytes + 1)),
            "data": wiring.In(8 * num_bytes),
        })


class WritePort(wiring.Signature):
    """A write of ``count`` bytes at any byte address; a read that is requested in the next cycle sees them."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        super().__init__({
            "valid": Out(1),
            "address": Out(ADDRESS_BITS),
            "count": Out(range(num_bytes + 1)),
            "data": Out(8 * num_bytes),
        })


class MemoryBus(wiring.Signature):
    """Granules to and from external memory, whenever memory is ready for them.

    A request is taken in a cycle with ``read_valid`` and ``read_ready``, a granule to be written in one with
    ``write_valid`` and ``write_ready``; until then it stays as it is. The core's valid never depends on ready of the
    same cycle. Replies come in the order of the requests, any number of cycles later but never in the same cycle; the
    core takes every reply at once. ``read_tag`` comes back as ``reply_tag`` (1 for instruction fetch). ``write_mask``
    has a bit for every byte; ``write_last`` marks a store's last granule, and ``write_done`` (one cycle for every
    store, in order, after the granule was taken) says that all of the store can be read back.

    ``read_more`` and ``write_more`` come with every granule, for an adapter that forms bursts: the next ``more``
    granules will be the ones that follow this one in memory, of the same transfer and inside the same page of
    `PAGE_BYTES`. The number is as great as run (or fetch block) and page allow, but at most 255; each of these next
    granules has a number one smaller, or 255 again where there were more. What has been announced comes even when the
    core stops with a fault. With ready always 1 and a fixed delay the core keeps the times of
    docs/03_reference/timing.md.
    """

    def __init__(self, granule_bytes: int) -> None:
        index_bits = MEMORY_ADDRESS_BITS - ceil_log2(granule_bytes)
        super().__init__({
            "read_valid": Out(1),
            "read_granule": Out(index_bits),
            "read_tag": Out(1),
            "read_more": Out(MORE_BITS),
            "read_ready": wiring.In(1),
            "reply_valid": wiring.In(1),
            "reply_tag": wiring.In(1),
            "reply_data": wiring.In(8 * granule_bytes),
            "write_valid": Out(1),
            "write_granule": Out(index_bits),
            "write_data": Out(8 * granule_bytes),
            "write_mask": Out(granule_bytes),
            "write_last": Out(1),
            "write_more": Out(MORE_BITS),
            "write_ready": wiring.In(1),
            "write_done": wiring.In(1),
        })
