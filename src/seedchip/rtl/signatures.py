"""Ports between the parts of the core, grouped by partner."""

from __future__ import annotations

from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out
from amaranth.utils import ceil_log2

ADDRESS_BITS = 24
MEMORY_ADDRESS_BITS = 40

OCCUPATION = data.StructLayout(dict.fromkeys(("active", "weights", "memory", "drain"), 1))
"""What an engine does with the instruction that it has begun, one of `seedchip.isa.causes.Cause` at most; none when it
could take, or waits for, the next one. Shown one cycle after the cycle of the rules."""


class ReadPort(wiring.Signature):
    """A read of up to ``num_bytes`` bytes at any byte address: request in one cycle, ``data`` two cycles later."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        super().__init__({
            "valid": Out(1),
            "address": Out(ADDRESS_BITS),
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
    """Granules to and from external memory. Replies come in order, a fixed number of cycles after the request.

    ``read_tag`` comes back as ``reply_tag`` (1 for instruction fetch). ``write_mask`` has a bit for every byte;
    ``write_last`` marks a store's last granule, ``write_done`` answers it.
    """

    def __init__(self, granule_bytes: int) -> None:
        index_bits = MEMORY_ADDRESS_BITS - ceil_log2(granule_bytes)
        super().__init__({
            "read_valid": Out(1),
            "read_granule": Out(index_bits),
            "read_tag": Out(1),
            "reply_valid": wiring.In(1),
            "reply_tag": wiring.In(1),
            "reply_data": wiring.In(8 * granule_bytes),
            "write_valid": Out(1),
            "write_granule": Out(index_bits),
            "write_data": Out(8 * granule_bytes),
            "write_mask": Out(granule_bytes),
            "write_last": Out(1),
            "write_done": wiring.In(1),
        })
