"""Address generator of transfers: three loops of runs of bytes, one granule a cycle."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.signatures import ADDRESS_BITS, MEMORY_ADDRESS_BITS, MORE_BITS, OFFSET_BITS, PAGE_BYTES

LOOPS = range(3)


class RunWalker(wiring.Component):
    """Walks the loops of `Load` and `Store`; beats are taken one by one.

    When all are taken at once, beat k of an instruction that starts at t is shown in cycle t + 1 + k.

    A beat is the part of a run inside one memory granule: ``count`` bytes, the first ``offset`` bytes into granule
    ``memory_address``; the walker goes on to the next beat when ``step`` takes this one. ``more`` says how many of the
    following beats are the following granules of the same run and page (`seedchip.rtl.signatures.MemoryBus`). With
    ``fill`` memory is left out and a beat is a scratchpad line's length of a run. A gather adds ``row``, a
    multiple of the granule, to every address in memory; ``run_last`` marks a run's final beat.
    ``last`` marks the final beat; the next instruction may start in the cycle that takes it.

    ``beyond`` says that what is left of the run is not all within the first ``limit`` bytes of memory: it must not be
    taken then. With ``stop`` the walk ends where nothing is announced (``more``).
    """

    def __init__(self, granule_bytes: int, line_bytes: int) -> None:
        self._granule_bytes, self._line_bytes = granule_bytes, line_bytes
        super().__init__({
            "start": In(1),
            "start_memory": In(MEMORY_ADDRESS_BITS),
            "start_local": In(ADDRESS_BITS),
            "run_bytes": In(20),
            **{f"count{i}": In(16) for i in LOOPS},
            **{f"memory_stride{i}": In(signed(32)) for i in LOOPS},
            **{f"local_stride{i}": In(signed(ADDRESS_BITS)) for i in LOOPS},
            "fill": In(1),
            "step": In(1),
            "row": In(signed(OFFSET_BITS)),
            "limit": In(MEMORY_ADDRESS_BITS + 1),
            "stop": In(1),
            "active": Out(1),
            "beyond": Out(1),
            "last": Out(1),
            "run_last": Out(1),
            "memory_address": Out(MEMORY_ADDRESS_BITS),
            "local_address": Out(ADDRESS_BITS),
            "offset": Out(range(granule_bytes)) if granule_bytes > 1 else Out(1),
            "count": Out(range(line_bytes + 1)),
            "more": Out(MORE_BITS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        granule_log2 = ceil_log2(self._granule_bytes)
        # One bit more than addresses have: a step from inside memory to outside of it is never one to inside.
        memory, local = Signal(MEMORY_ADDRESS_BITS + 1, reset_less=True), self.local_address
        address = Signal(signed(OFFSET_BITS + 2))
        bound = {name: Signal(getattr(self, name).shape(), name=name, reset_less=True) for name in (
            "run_bytes", *(f"{n}{i}" for i in LOOPS for n in ("count", "memory_stride", "local_stride")))}
        done = [Signal(16, name=f"done{i}", reset_less=True) for i in LOOPS]
        memory_base = [Signal(MEMORY_ADDRESS_BITS + 1, name=f"memory_base{i}", reset_less=True) for i in LOOPS]
        local_base = [Signal(ADDRESS_BITS, name=f"local_base{i}", reset_less=True) for i in LOOPS]
        left, fill = Signal(20, reset_less=True), Signal(reset_less=True)

        piece = Signal(range(self._line_bytes + 1))
        m.d.comb += [
            self.offset.eq(Mux(fill, 0, memory[:granule_log2])),
            piece.eq(Mux(fill, self._line_bytes, self._granule_bytes - self.offset)),
            self.count.eq(Mux(left < piece, left, piece)),
        ]
        ends = [done[i] + 1 == bound[f"count{i}"] for i in LOOPS]
        m.d.comb += [
            self.run_last.eq(left <= piece), self.last.eq(self.active & self.run_last & ends[0] & ends[1] & ends[2]),
            address.eq(memory + self.row), self.memory_address.eq(address),
            self.beyond.eq(~fill & ((address < 0) | (address + left > self.limit))),
            self.more.eq(self._more(left - self.count)),
        ]
        with m.If(self.active & self.step):
            with m.If(~self.run_last):
                m.d.sync += [memory.eq(memory + self.count), local.eq(local + self.count), left.eq(left - self.count)]
            with m.Else():
                m.d.sync += left.eq(bound["run_bytes"])
                self._next_run(m, ends, done, bound, [(memory, memory_base, "memory"), (local, local_base, "local")])
            with m.If(self.last | (self.stop & (fill | (self.more == 0)))):
                m.d.sync += self.active.eq(0)
        with m.If(self.start):
            m.d.sync += [s.eq(getattr(self, name)) for name, s in bound.items()]
            m.d.sync += [s.eq(self.start_memory) for s in (memory, *memory_base)]
            m.d.sync += [s.eq(self.start_local) for s in (local, *local_base)]
            m.d.sync += [*(d.eq(0) for d in done), left.eq(self.run_bytes), fill.eq(self.fill), self.active.eq(1)]
        return m

    def _more(self, rest: Value) -> Value:
        """Granules behind this one that run (``rest`` bytes of it) and page still hold."""
        granule_log2 = ceil_log2(self._granule_bytes)
        of_run = (rest + self._granule_bytes - 1)[granule_log2:20]
        of_page = ~self.memory_address[granule_log2:ceil_log2(PAGE_BYTES)]
        most = (1 << MORE_BITS) - 1
        of_both = Mux(of_run < of_page, of_run, of_page)
        return Mux(of_both < most, of_both, most)

    @staticmethod
    def _next_run(m: Module, ends: list, done: list, bound: dict, spaces: list) -> None:
        """Step the innermost loop that has not ended; the loops inside it begin again."""
        for i in LOOPS:
            inner = ends[0] if i == 1 else ends[0] & ends[1] if i == 2 else 1
            with m.If(inner & ~ends[i]):
                m.d.sync += [done[i].eq(done[i] + 1), *(done[j].eq(0) for j in range(i))]
                for current, base, space in spaces:
                    step = base[i] + bound[f"{space}_stride{i}"]
                    m.d.sync += [current.eq(step), *(base[j].eq(step) for j in range(i + 1))]
