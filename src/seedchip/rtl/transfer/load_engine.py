"""The load engine: runs of bytes from memory, or a fill value, into scratchpad and parameter memory."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from seedchip.isa import Load
from seedchip.isa.dma import GRANULES, INDEX_BYTES, POSITIVE
from seedchip.rtl.layout import instruction_layout
from seedchip.rtl.signatures import ADDRESS_BITS, MEMORY_ADDRESS_BITS, MORE_BITS, OCCUPATION, ReadPort, WritePort
from seedchip.rtl.transfer.gather_rows import GatherRows
from seedchip.rtl.transfer.run_walker import LOOPS, RunWalker
from seedchip.spec import ChipSpec

LAYOUT = instruction_layout(Load)


class LoadEngine(wiring.Component):
    """Requests a granule a cycle; what is to happen to each reply waits in a queue until the reply is there.

    Taken at once, ``request_valid`` (granule ``request_granule``) in cycle t + 1 + k belongs to beat k, in a gather
    `GATHER_SETUP_CYCLES` later; the reply's bytes are written one cycle after it came. Requests wait while the queue is
    full, which it never is when replies come within the chip's latency. A fill writes a line a cycle and does not use
    the memory port.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        granule = spec.memory.granule_bytes
        super().__init__({
            "instruction": In(LAYOUT.size),
            "start": In(1),
            "ready": Out(1),
            "needs_port": Out(1),
            "busy": In(1),
            "complete": Out(1),
            "malformed": Out(1),
            "beyond": Out(1),
            "memory_limit": In(MEMORY_ADDRESS_BITS + 1),
            "stop": In(1),
            "occupation": Out(OCCUPATION),
            "port_free": In(1),
            "port_held": Out(1),
            "request_valid": Out(1),
            "request_granule": Out(MEMORY_ADDRESS_BITS - ceil_log2(granule)),
            "request_more": Out(MORE_BITS),
            "request_ready": In(1),
            "reply_valid": In(1),
            "reply_data": In(8 * granule),
            "scratchpad": Out(WritePort(spec.line_bytes)),
            "parameter": Out(WritePort(spec.line_bytes)),
            "indices": Out(ReadPort(INDEX_BYTES)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self._spec
        load = data.View(LAYOUT, self.instruction)
        granule = spec.memory.granule_bytes
        m.submodules.walker = walker = RunWalker(granule, spec.line_bytes)
        m.submodules.rows = rows = GatherRows()
        filling, was_fill, gathering, space = Signal(), Signal(), Signal(), Signal(reset_less=True)
        fill_value = Signal(8, reset_less=True)
        self._start(m, load, walker, rows)
        with m.If(self.start):
            m.d.sync += [filling.eq(load.fill), was_fill.eq(load.fill), gathering.eq(load.gather & ~load.fill),
                         fill_value.eq(load.fill_value), space.eq(load.space)]
        with m.Elif(walker.last):
            m.d.sync += filling.eq(0)
        filled, done = Signal(), Signal()
        wants = walker.active & ~filling & (~gathering | rows.valid)
        far = walker.beyond | (gathering & rows.row.far)
        asks = wants & ~far
        reply, ended = self._replies(m, walker, asks, Cat(space, gathering & rows.row.outside))
        m.d.sync += [filled.eq(walker.last & filling), done.eq(ended)]
        m.d.comb += [
            self.beyond.eq(wants & far), walker.limit.eq(self.memory_limit), walker.stop.eq(self.stop),
            self.needs_port.eq(~load.fill),
            self.ready.eq(~(self.busy & (load.fill != was_fill))
                          & Mux(load.fill, ~filling, self.port_free & ~filling)),
            self.port_held.eq(walker.active & ~(walker.last & walker.step) & ~filling),
            walker.step.eq(filling | (self.request_valid & self.request_ready)),
            walker.row.eq(Mux(gathering, rows.row.offset, 0)), rows.take.eq(gathering & walker.step & walker.run_last),
            self.complete.eq(done | filled), self.occupation.drain.eq(filled),
            self.occupation.active.eq(walker.active & (walker.step | (gathering & ~rows.valid))),
            self.occupation.memory.eq(walker.active & ~self.occupation.active),
        ]
        connect(m, flipped(self.indices), rows.scratchpad)
        fill_beat = walker.active & filling
        for port, chosen in ((self.scratchpad, 0), (self.parameter, 1)):
            m.d.comb += [
                port.valid.eq(Mux(filling, fill_beat & (space == chosen), reply.valid & (reply.space == chosen))),
                port.address.eq(Mux(filling, walker.local_address, reply.address)),
                port.count.eq(Mux(filling, walker.count, reply.count)),
                port.data.eq(Mux(filling, fill_value.replicate(spec.line_bytes), reply.data)),
            ]
        return m

    def _start(self, m: Module, load: data.View, walker: RunWalker, rows: GatherRows) -> None:
        """What the instruction tells the walker, and the rows of a gather, when it starts."""
        m.d.comb += [
            walker.start.eq(self.start & ~self.malformed), walker.start_memory.eq(load.memory_address),
            walker.start_local.eq(load.local_address), walker.run_bytes.eq(load.run_bytes), walker.fill.eq(load.fill),
            *(getattr(walker, f"{n}{i}").eq(load[f"{n}{i}"])
              for i in LOOPS for n in ("count", "memory_stride", "local_stride")),
            rows.start.eq(walker.start & load.gather & ~load.fill), rows.index_address.eq(load.index_address),
            rows.count0.eq(load.count0), rows.repeats[0].eq(load.count1), rows.repeats[1].eq(load.count2),
            rows.table_rows.eq(load.table_rows), rows.stride.eq(load.memory_stride0),
            self.malformed.eq(self.start & Cat(self._wrong(load)).any()),
        ]
        with m.If(load.gather):
            m.d.comb += walker.memory_stride0.eq(0)

    def _wrong(self, load: data.View) -> list[Value]:
        """What an instruction must not ask for: loops of length 0, and a gather that is not made of whole granules."""
        part_bits = ceil_log2(self._spec.memory.granule_bytes)
        parts = [load[name][:part_bits].any() for name in GRANULES]
        gather = Cat(*parts, load.index_address[:ceil_log2(INDEX_BYTES)].any(), load.table_rows == 0).any()
        return [*(load[name] == 0 for name in POSITIVE), load.gather & ~load.fill & gather]

    def _replies(self, m: Module, walker: RunWalker, asks: Value, fate_bits: Value) -> tuple[data.View, Value]:
        """Send requests while the walker ``asks``; each reply, its first byte in front, and where it belongs.

        ``fate_bits`` are the beat's space and whether it is of a row that is not there, of which zeros are written.
        """
        spec = self._spec
        granule = spec.memory.granule_bytes
        index_bits = ceil_log2(spec.memory.latency_cycles + 1)
        depth = 1 << index_bits
        fate = data.StructLayout({"address": ADDRESS_BITS, "offset": len(walker.offset),
                                  "count": ceil_log2(granule + 1), "space": 1, "outside": 1, "last": 1})
        m.submodules.fates = fates = Memory(shape=fate, depth=depth, init=[])
        write, read = fates.write_port(), fates.read_port(domain="comb")
        first, last = Signal(index_bits + 1), Signal(index_bits + 1)
        taken = self.request_valid & self.request_ready
        m.d.sync += [last.eq(last + taken), first.eq(first + self.reply_valid)]
        m.d.comb += [
            self.request_valid.eq(asks & ((last - first)[:index_bits + 1] != depth)),
            self.request_granule.eq(walker.memory_address >> ceil_log2(granule)), self.request_more.eq(walker.more),
            write.en.eq(taken), write.addr.eq(last[:index_bits]), read.addr.eq(first[:index_bits]),
            write.data.address.eq(walker.local_address), write.data.offset.eq(walker.offset),
            write.data.count.eq(walker.count), Cat(write.data.space, write.data.outside).eq(fate_bits),
            write.data.last.eq(walker.last),
        ]
        reply = Signal(data.StructLayout({"valid": 1, "address": ADDRESS_BITS, "count": fate["count"].shape, "space": 1,
                                          "data": 8 * granule}))
        m.d.sync += [
            reply.valid.eq(self.reply_valid), reply.address.eq(read.data.address), reply.count.eq(read.data.count),
            reply.space.eq(read.data.space),
            reply.data.eq(Mux(read.data.outside, 0, self.reply_data >> Cat(Const(0, 3), read.data.offset))),
        ]
        ended = Signal()
        m.d.sync += ended.eq(self.reply_valid & read.data.last)
        return reply, ended
