"""The store engine: runs of bytes from the scratchpad to memory."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.isa import Store
from seedchip.rtl.layout import instruction_layout
from seedchip.rtl.signatures import MEMORY_ADDRESS_BITS, OCCUPATION, ReadPort
from seedchip.rtl.transfer.run_walker import LOOPS, RunWalker
from seedchip.spec import ChipSpec

LAYOUT = instruction_layout(Store)
READ_CYCLES = 2
"""From the request to the scratchpad to its data."""


class StoreEngine(wiring.Component):
    """Reads a granule's bytes a cycle; they are written two cycles later. Complete when memory has answered the last.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        granule = spec.memory.granule_bytes
        super().__init__({
            "instruction": In(LAYOUT.size),
            "start": In(1),
            "ready": Out(1),
            "complete": Out(1),
            "fault": Out(1),
            "occupation": Out(OCCUPATION),
            "port_free": In(1),
            "port_held": Out(1),
            "scratchpad": Out(ReadPort(granule)),
            "write_valid": Out(1),
            "write_granule": Out(MEMORY_ADDRESS_BITS - ceil_log2(granule)),
            "write_data": Out(8 * granule),
            "write_mask": Out(granule),
            "write_last": Out(1),
            "write_done": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        granule = self._spec.memory.granule_bytes
        store = data.View(LAYOUT, self.instruction)
        m.submodules.walker = walker = RunWalker(granule, self._spec.line_bytes)
        m.d.comb += [
            walker.start.eq(self.start), walker.start_memory.eq(store.memory_address),
            walker.start_local.eq(store.local_address), walker.run_bytes.eq(store.run_bytes),
            *(getattr(walker, f"{n}{i}").eq(store[f"{n}{i}"])
              for i in LOOPS for n in ("count", "memory_stride", "local_stride")),
            self.ready.eq(self.port_free), self.port_held.eq(walker.active & ~walker.last),
            self.fault.eq(self.start & ((store.run_bytes == 0) | (store.count0 == 0) | (store.count1 == 0)
                                        | (store.count2 == 0))),
            self.scratchpad.valid.eq(walker.active), self.scratchpad.address.eq(walker.local_address),
            self.scratchpad.count.eq(walker.count), self.occupation.active.eq(walker.active),
        ]
        beat = Signal(data.StructLayout({"valid": 1, "last": 1, "offset": len(walker.offset),
                                         "count": ceil_log2(granule + 1), "granule": len(self.write_granule)}))
        m.d.comb += [beat.valid.eq(walker.active), beat.last.eq(walker.last), beat.offset.eq(walker.offset),
                     beat.count.eq(walker.count), beat.granule.eq(walker.memory_address >> ceil_log2(granule))]
        for stage in range(READ_CYCLES):
            later = Signal(beat.shape(), name=f"beat_{stage + 1}")
            m.d.sync += later.eq(beat)
            beat = later
        m.d.comb += [
            self.write_valid.eq(beat.valid), self.write_last.eq(beat.last), self.write_granule.eq(beat.granule),
            self.write_mask.eq(((1 << beat.count) - 1) << beat.offset),
            self.write_data.eq(self.scratchpad.data << Cat(Const(0, 3), beat.offset)),
        ]
        m.d.sync += self.complete.eq(self.write_done)
        return m
