"""The store engine: runs of bytes from the scratchpad to memory."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.isa import Store
from seedchip.isa.dma import POSITIVE
from seedchip.rtl.layout import instruction_layout
from seedchip.rtl.signatures import MEMORY_ADDRESS_BITS, MORE_BITS, OCCUPATION, ReadPort
from seedchip.rtl.transfer.run_walker import LOOPS, RunWalker
from seedchip.spec import ChipSpec

LAYOUT = instruction_layout(Store)
READ_CYCLES = 2
"""From the request to the scratchpad to its data."""
QUEUE_DEPTH = 4
"""Granules between their read and memory's taking them; two are always on their way."""


class StoreEngine(wiring.Component):
    """Reads a granule's bytes a cycle; they are at the memory port two cycles later, or wait there in a queue until it
    takes them. Complete when memory has answered the last.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        granule = spec.memory.granule_bytes
        super().__init__({
            "instruction": In(LAYOUT.size),
            "start": In(1),
            "ready": Out(1),
            "complete": Out(1),
            "malformed": Out(1),
            "beyond": Out(1),
            "memory_limit": In(MEMORY_ADDRESS_BITS + 1),
            "stop": In(1),
            "occupation": Out(OCCUPATION),
            "port_free": In(1),
            "port_held": Out(1),
            "scratchpad": Out(ReadPort(granule)),
            "write_valid": Out(1),
            "write_granule": Out(MEMORY_ADDRESS_BITS - ceil_log2(granule)),
            "write_data": Out(8 * granule),
            "write_mask": Out(granule),
            "write_last": Out(1),
            "write_more": Out(MORE_BITS),
            "write_ready": In(1),
            "write_done": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        granule = self._spec.memory.granule_bytes
        store = data.View(LAYOUT, self.instruction)
        m.submodules.walker = walker = RunWalker(granule, self._spec.line_bytes)
        read = Signal()
        m.d.comb += [
            walker.start.eq(self.start & ~self.malformed), walker.start_memory.eq(store.memory_address),
            walker.start_local.eq(store.local_address), walker.run_bytes.eq(store.run_bytes),
            *(getattr(walker, f"{n}{i}").eq(store[f"{n}{i}"])
              for i in LOOPS for n in ("count", "memory_stride", "local_stride")),
            self.ready.eq(self.port_free), self.port_held.eq(walker.active & ~(walker.last & walker.step)),
            self.malformed.eq(self.start & Cat(store[name] == 0 for name in POSITIVE).any()),
            self.beyond.eq(walker.active & walker.beyond), walker.limit.eq(self.memory_limit),
            walker.stop.eq(self.stop),
            self.scratchpad.valid.eq(read), self.scratchpad.address.eq(walker.local_address),
            self.scratchpad.count.eq(walker.count), self.occupation.active.eq(read),
            self.occupation.memory.eq(walker.active & ~read),
        ]
        self._write(m, walker, read)
        m.d.sync += self.complete.eq(self.write_done)
        return m

    def _write(self, m: Module, walker: RunWalker, read: Signal) -> None:
        """Beats that were read go to the port at once, or through a queue when it is not ready.

        A beat is read only when there will be room for it.
        """
        granule = self._spec.memory.granule_bytes
        place = data.StructLayout({"last": 1, "more": MORE_BITS, "mask": granule, "granule": len(self.write_granule)})
        beat = Signal(place)
        m.d.comb += [beat.last.eq(walker.last), beat.more.eq(walker.more),
                     beat.mask.eq(((1 << walker.count) - 1) << walker.offset),
                     beat.granule.eq(walker.memory_address >> ceil_log2(granule))]
        valid, offset = read, walker.offset
        for stage in range(READ_CYCLES):
            valid_later, offset_later = Signal(name=f"valid_{stage}"), Signal.like(offset, name=f"offset_{stage}")
            beat_later = Signal(place, name=f"beat_{stage}", reset_less=True)
            m.d.sync += [valid_later.eq(valid), offset_later.eq(offset), beat_later.eq(beat)]
            valid, offset, beat = valid_later, offset_later, beat_later
        entry = data.StructLayout({"place": place, "data": 8 * granule})
        m.submodules.queue = queue = Memory(shape=entry, depth=QUEUE_DEPTH, init=[])
        enter, leave = queue.write_port(), queue.read_port(domain="comb")
        first, last = Signal(range(QUEUE_DEPTH)), Signal(range(QUEUE_DEPTH))
        waiting, promised = Signal(range(QUEUE_DEPTH + 1)), Signal(range(QUEUE_DEPTH + 1))
        head, taken = Signal(entry), self.write_valid & self.write_ready
        push, pop = valid & ((waiting != 0) | ~self.write_ready), (waiting != 0) & self.write_ready
        m.d.comb += [
            walker.step.eq((promised != QUEUE_DEPTH) & ~walker.beyond), read.eq(walker.active & walker.step),
            enter.data.place.eq(beat), enter.data.data.eq(self.scratchpad.data << Cat(Const(0, 3), offset)),
            enter.addr.eq(last), enter.en.eq(push), leave.addr.eq(first),
            head.eq(Mux(waiting != 0, leave.data, enter.data)), self.write_valid.eq(valid | (waiting != 0)),
            self.write_last.eq(head.place.last), self.write_more.eq(head.place.more),
            self.write_mask.eq(head.place.mask), self.write_granule.eq(head.place.granule),
            self.write_data.eq(head.data),
        ]
        m.d.sync += [first.eq(first + pop), last.eq(last + push), waiting.eq(waiting + push - pop),
                     promised.eq(promised + read - taken)]
