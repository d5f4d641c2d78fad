"""The core's memory bus as an AXI4 manager."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.host.axi import BURST_INCREMENTING, CACHE_BUFFERABLE, Axi4
from seedchip.rtl.host.registers import PAGE_BITS
from seedchip.rtl.signatures import MEMORY_ADDRESS_BITS, MORE_BITS, MemoryBus
from seedchip.spec import ChipSpec

OUTSTANDING_BITS = 32


class AxiMemory(wiring.Component):
    """Bursts of granules, without a register between core and memory: a memory that is always ready and has the
    latency of the chip's description gives the core the times of docs/03_reference/timing.md.

    A stretch that the core announces (`MemoryBus`) is one incrementing burst; it lies inside a page of 4 KiB. Loads
    read with ID 0, instruction fetches with ID 1, so that RID tells them apart; writes have ID 0. ``page`` is the place
    of the core's first page in the system. ``error_load``, ``error_fetch`` and ``error_store`` are raised with an
    answer other than OKAY.

    ``stop`` ends the traffic without breaking a handshake: no burst is begun any more, a write burst that is under way
    is filled up with bytes that are not written. From ``stopped`` on the core may be reset; ``quiet`` says that
    nothing is asked for and everything has been answered.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._granule = spec.memory.granule_bytes
        self._max_writes_log2 = ceil_log2(spec.memory.latency_cycles + 1)
        super().__init__({
            "bus": In(MemoryBus(self._granule)),
            "axi": Out(Axi4(self._granule)),
            "page": In(MEMORY_ADDRESS_BITS - PAGE_BITS),
            "error_load": Out(1),
            "error_fetch": Out(1),
            "error_store": Out(1),
            "stop": In(1),
            "stopped": Out(1),
            "quiet": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus, axi = self.bus, self.axi
        for channel in ("aw", "ar"):
            m.d.comb += [
                getattr(axi, f"{channel}size").eq(ceil_log2(self._granule)),
                getattr(axi, f"{channel}burst").eq(BURST_INCREMENTING),
                getattr(axi, f"{channel}cache").eq(CACHE_BUFFERABLE),
            ]
        stopped = Signal()
        reads = self._read(m, stopped)
        writes, in_burst = self._write(m, stopped)
        kept_waiting = (bus.read_valid & ~bus.read_ready) | (bus.write_valid & ~bus.write_ready)
        m.d.sync += stopped.eq(self.stop & (stopped | ~kept_waiting))
        m.d.comb += [self.stopped.eq(stopped), self.quiet.eq(
            (reads == 0) & (writes == 0) & ~in_burst & (stopped | ~(bus.read_valid | bus.write_valid)))]
        return m

    def _address(self, granule: Value) -> Value:
        """A granule's place in the system."""
        split = PAGE_BITS - ceil_log2(self._granule)
        return Cat(Const(0, ceil_log2(self._granule)), granule[:split], self.page + granule[split:])

    def _read(self, m: Module, stopped: Signal) -> Value:
        """Addresses and data; the beats that are still to come."""
        bus, axi = self.bus, self.axi
        left, first = Signal(MORE_BITS), Signal()  # granules of the burst that the core has not asked for yet
        m.d.comb += [
            first.eq(left == 0), axi.arvalid.eq(bus.read_valid & first & ~stopped), axi.arid.eq(bus.read_tag),
            axi.araddr.eq(self._address(bus.read_granule)), axi.arlen.eq(bus.read_more),
            bus.read_ready.eq(Mux(first, axi.arready, 1) & ~stopped),
            axi.rready.eq(1), bus.reply_valid.eq(axi.rvalid), bus.reply_tag.eq(axi.rid), bus.reply_data.eq(axi.rdata),
        ]
        wrong = axi.rvalid & (axi.rresp != 0)
        m.d.comb += [self.error_load.eq(wrong & ~axi.rid), self.error_fetch.eq(wrong & axi.rid)]
        with m.If(stopped):
            m.d.sync += left.eq(0)  # the core asks no more; the beats come all the same
        with m.Elif(bus.read_valid & bus.read_ready):
            m.d.sync += left.eq(Mux(first, bus.read_more, left - 1))
        outstanding = Signal(OUTSTANDING_BITS)
        m.d.sync += outstanding.eq(outstanding + Mux(axi.arvalid & axi.arready, axi.arlen + 1, 0) - axi.rvalid)
        return outstanding

    def _write(self, m: Module, stopped: Signal) -> tuple[Value, Value]:
        """Addresses, data and answers; bursts that are not answered, and whether there is one that has not ended.

        Address and first data of a burst are offered together and may be taken in any order; the core's granule is
        taken when both are. A burst is filled up, once stopped, without the core.
        """
        bus, axi = self.bus, self.axi
        left, first = Signal(MORE_BITS), Signal()  # granules of the burst that are still to come
        address_taken, data_taken, taken, ends = Signal(), Signal(), Signal(), Signal()
        bursts, room = self._answers(m, ends)
        offered = bus.write_valid & ~stopped & (~first | room)
        m.d.comb += [
            first.eq(left == 0),
            axi.awvalid.eq(offered & first & ~address_taken), axi.awaddr.eq(self._address(bus.write_granule)),
            axi.awlen.eq(bus.write_more),
            axi.wvalid.eq(Mux(stopped, ~first, offered & ~data_taken)), axi.wdata.eq(bus.write_data),
            axi.wstrb.eq(Mux(stopped, 0, bus.write_mask)), axi.wlast.eq(Mux(first, bus.write_more == 0, left == 1)),
            taken.eq(Mux(stopped, axi.wvalid & axi.wready,
                         offered & (axi.wready | data_taken) & (axi.awready | address_taken | ~first))),
            bus.write_ready.eq(taken & ~stopped), ends.eq(taken & axi.wlast),
        ]
        with m.If(taken):
            m.d.sync += [left.eq(Mux(first, bus.write_more, left - 1)), address_taken.eq(0), data_taken.eq(0)]
        with m.Else():
            m.d.sync += [address_taken.eq(address_taken | (axi.awvalid & axi.awready)),
                         data_taken.eq(data_taken | (offered & axi.wvalid & axi.wready))]
        return bursts, ~first

    def _answers(self, m: Module, ends: Value) -> tuple[Value, Value]:
        """Bursts that are not answered yet, and whether there may be one more. Of each it is kept whether it is its
        store's last one; ``ends``: the last data of a burst are taken."""
        bus, axi = self.bus, self.axi
        m.submodules.lasts = lasts = Memory(shape=1, depth=1 << self._max_writes_log2, init=[])
        write, read = lasts.write_port(), lasts.read_port(domain="comb")
        newest, oldest = Signal(self._max_writes_log2), Signal(self._max_writes_log2)
        bursts = Signal(self._max_writes_log2 + 1)
        m.d.comb += [
            write.addr.eq(newest), write.en.eq(ends), write.data.eq(bus.write_last),
            read.addr.eq(oldest), axi.bready.eq(1), bus.write_done.eq(axi.bvalid & read.data),
            self.error_store.eq(axi.bvalid & (axi.bresp != 0)),
        ]
        m.d.sync += [newest.eq(newest + ends), oldest.eq(oldest + axi.bvalid), bursts.eq(bursts + ends - axi.bvalid)]
        return bursts, ~bursts[-1]
