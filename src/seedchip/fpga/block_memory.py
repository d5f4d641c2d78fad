"""Memory inside the FPGA behind the core's memory bus, with the latency that `ChipSpec` gives external memory."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.fpga.block_ram import BlockRam
from seedchip.rtl.signatures import MemoryBus
from seedchip.spec import ChipSpec

REPLY_STAGES, ACKNOWLEDGE_STAGES = 2, 3
"""Cycles of ``memory.latency_cycles`` that are the core's own: to write a reply, and to read what it has stored."""


class BytePort(wiring.Signature):
    """One byte at a time: a request is taken in a cycle with ``valid`` and ``ready``; a read's byte comes later, with
    ``reply_valid``."""

    def __init__(self, memory_bytes: int) -> None:
        super().__init__({
            "valid": Out(1),
            "write": Out(1),
            "address": Out(range(memory_bytes)),
            "data": Out(8),
            "ready": In(1),
            "reply_valid": In(1),
            "reply_data": In(8),
        })


class BlockMemory(wiring.Component):
    """``memory.bytes`` of block RAM. The core is always answered at the times of docs/03_reference/timing.md; ``host``
    gets the cycles in which the core asks for nothing.

    With ``stop`` the core is not heard any more; ``quiet`` says that it has got its last reply.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._granule, self._bytes = spec.memory.granule_bytes, spec.memory.bytes
        self._latency = spec.memory.latency_cycles
        super().__init__({
            "bus": In(MemoryBus(self._granule)),
            "stop": In(1),
            "quiet": Out(1),
            "host": In(BytePort(self._bytes)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, host, granule = self.bus, self.host, self._granule
        m.submodules.ram = ram = BlockRam(granule, self._bytes // granule)
        byte_bits = ceil_log2(granule)
        place, row = host.address[:byte_bits], host.address[byte_bits:]
        core_reads, core_writes = bus.read_valid & ~self.stop, bus.write_valid & ~self.stop
        host_reads, host_writes = host.valid & ~host.write & ~core_reads, host.valid & host.write & ~core_writes
        m.d.comb += [
            bus.read_ready.eq(~self.stop), bus.write_ready.eq(~self.stop), host.ready.eq(host_reads | host_writes),
            ram.read_address.eq(Mux(core_reads, bus.read_granule, row)),
            ram.write_address.eq(Mux(core_writes, bus.write_granule, row)),
            ram.write_data.eq(Mux(core_writes, bus.write_data, host.data.replicate(granule))),
            ram.write_enable.eq(Mux(core_writes, bus.write_mask, host_writes << place)),
        ]
        self._reply(m, core_reads, ram.read_data)
        self._acknowledge(m, core_writes & bus.write_last)
        seen = Signal(byte_bits)
        m.d.sync += [host.reply_valid.eq(host_reads), seen.eq(place)]
        m.d.comb += host.reply_data.eq(ram.read_data.word_select(seen, 8))
        return m

    def _reply(self, m: Module, valid: Value, data: Value) -> None:
        """What was read, to the core at its time."""
        bus, tag, waiting = self.bus, self.bus.read_tag, []
        for i in range(self._latency - REPLY_STAGES):
            valid_later, tag_later = Signal(name=f"valid_{i}"), Signal(name=f"tag_{i}", reset_less=True)
            m.d.sync += [valid_later.eq(valid), tag_later.eq(tag)]
            if i:  # the memory itself is the first register
                data_later = Signal(len(data), name=f"data_{i}", reset_less=True)
                m.d.sync += data_later.eq(data)
                data = data_later
            valid, tag = valid_later, tag_later
            waiting.append(valid)
        m.d.comb += [bus.reply_valid.eq(valid), bus.reply_tag.eq(tag), bus.reply_data.eq(data),
                     self.quiet.eq(~Cat(*waiting).any())]

    def _acknowledge(self, m: Module, done: Value) -> None:
        for i in range(self._latency - ACKNOWLEDGE_STAGES):
            later = Signal(name=f"done_{i}")
            m.d.sync += later.eq(done)
            done = later
        m.d.comb += self.bus.write_done.eq(done)
