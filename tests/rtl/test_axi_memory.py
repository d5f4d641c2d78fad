"""The memory bus as an AXI4 manager: bursts, answers and the way to a standstill, cycle by cycle."""

from typing import Any

import pytest
from amaranth.sim import Simulator
from chips import TINY

from seedchip.rtl.host.axi_memory import AxiMemory

GRANULE = TINY.memory.granule_bytes


def drive(test: Any) -> None:
    unit = AxiMemory(TINY)
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)

    async def bench(ctx: Any) -> None:
        await test(Bench(ctx, unit))

    simulator.add_testbench(bench)
    simulator.run()


class Bench:
    def __init__(self, ctx: Any, unit: AxiMemory) -> None:
        self.ctx, self.unit, self.bus, self.axi = ctx, unit, unit.bus, unit.axi

    def set(self, **values: int) -> None:
        """Inputs by name: of the bus, of the AXI side, or of the unit."""
        for name, value in values.items():
            for place in (self.bus, self.axi, self.unit):
                if hasattr(place, name):
                    self.ctx.set(getattr(place, name), value)

    def get(self, *names: str) -> tuple[int, ...]:
        return tuple(self.ctx.get(getattr(next(p for p in (self.bus, self.axi, self.unit) if hasattr(p, n)), n))
                     for n in names)

    async def tick(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            await self.ctx.tick()

    def offer(self, granule: int, more: int, last: int = 0) -> None:
        self.set(write_valid=1, write_granule=granule, write_more=more, write_last=last, write_data=granule,
                 write_mask=0b0110)


def test_a_stretch_of_reads_is_one_burst_and_needs_no_ready_after_the_first():
    async def test(b: Bench) -> None:
        assert b.get("quiet") == (1,)
        b.set(page=0x80000, read_valid=1, read_granule=0x1005, read_more=2, read_tag=1)
        assert b.get("quiet") == (0,)
        await b.tick()
        assert b.get("arvalid", "read_ready") == (1, 0)
        b.set(arready=1)
        assert b.get("araddr", "arlen", "arid", "arsize", "read_ready") == (0x80004014, 2, 1, 2, 1)
        await b.tick()
        for granule in (0x1006, 0x1007):
            b.set(arready=0, read_granule=granule, read_more=0x1007 - granule)
            assert b.get("arvalid", "read_ready") == (0, 1)
            await b.tick()
        b.set(read_granule=0x2000)
        assert b.get("arvalid", "read_ready", "arlen") == (1, 0, 0)
        assert b.get("quiet") == (0,)
        b.set(read_valid=0, rvalid=1, rid=1)
        await b.tick(2)
        assert b.get("reply_valid", "reply_tag", "quiet", "rready") == (1, 1, 0, 1)
        await b.tick()
        b.set(rvalid=0)
        assert b.get("quiet") == (1,)

    drive(test)


@pytest.mark.parametrize("ready", [(1, 1), (1, 2), (2, 1), (4, 4), (5, 2)])
def test_address_and_first_data_are_each_offered_until_taken(ready):
    """``ready``: the cycles in which memory takes the address, and the data."""
    async def test(b: Bench) -> None:
        b.offer(0x40, 1)
        for cycle in range(1, max(ready) + 1):
            b.set(awready=cycle == ready[0], wready=cycle == ready[1])
            assert b.get("awvalid", "wvalid") == (cycle <= ready[0], cycle <= ready[1])
            assert b.get("write_ready") == (cycle == max(ready),)
            assert b.get("awaddr", "awlen", "wlast", "wstrb") == (0x100, 1, 0, 0b0110)
            await b.tick()
        b.offer(0x41, 0)
        b.set(wready=1, awready=0)
        assert b.get("awvalid", "wvalid", "wlast", "wdata", "write_ready") == (0, 1, 1, 0x41, 1)

    drive(test)


def test_a_store_is_done_when_the_last_of_its_bursts_is_answered():
    async def test(b: Bench) -> None:
        b.set(awready=1, wready=1)
        for granule, more, last in ((0, 1, 0), (1, 0, 0), (8, 0, 1), (64, 0, 1)):
            b.offer(granule, more, last)
            await b.tick()
        b.set(write_valid=0, bvalid=1)
        done = []
        for _ in range(3):
            done += b.get("write_done")
            assert b.get("quiet") == (0,)
            await b.tick()
        b.set(bvalid=0)
        assert done == [0, 1, 1]
        assert b.get("quiet") == (1,)

    drive(test)


def test_no_more_bursts_are_begun_than_answers_can_be_told_apart():
    async def test(b: Bench) -> None:
        b.set(awready=1, wready=1)
        taken = 0
        for granule in range(40):
            b.offer(granule, 0)
            taken += b.get("write_ready")[0]
            await b.tick()
        assert taken == 8  # the next power of two behind the latency of 7
        b.set(bvalid=1)
        await b.tick()
        b.set(bvalid=0)
        assert b.get("write_ready", "awvalid", "wvalid") == (1, 1, 1)

    drive(test)


def test_a_burst_is_filled_up_with_bytes_that_are_not_written_before_a_stop():
    async def test(b: Bench) -> None:
        b.set(awready=1, wready=1)
        b.offer(0x10, 3, 0)
        await b.tick()
        b.offer(0x11, 2, 0)
        b.set(wready=0, stop=1)
        await b.tick(3)
        assert b.get("stopped", "wvalid", "wstrb") == (0, 1, 0b0110)  # what was offered stays
        b.set(wready=1)
        await b.tick()
        b.offer(0x12, 1, 0)
        beats = []
        for _ in range(4):
            assert b.get("stopped", "write_ready", "awvalid", "quiet") == (1, 0, 0, 0)
            beats.append(b.get("wvalid", "wstrb", "wlast"))
            await b.tick()
        assert beats == [(1, 0, 0), (1, 0, 1), (0, 0, 0), (0, 0, 0)]
        assert b.get("quiet") == (0,)
        b.set(bvalid=1)
        await b.tick()
        b.set(bvalid=0, write_valid=0)
        assert b.get("quiet", "stopped") == (1, 1)
        b.set(stop=0)
        await b.tick()
        b.offer(0x20, 0, 1)
        assert b.get("awvalid", "wvalid", "wstrb", "awaddr") == (1, 1, 0b0110, 0x80)

    drive(test)


def test_reads_that_were_asked_for_are_awaited_before_the_bus_is_quiet():
    async def test(b: Bench) -> None:
        b.set(read_valid=1, read_granule=4, read_more=7, arready=1)
        await b.tick()
        b.set(read_granule=5, read_more=6, stop=1)
        await b.tick()
        assert b.get("stopped", "arvalid", "read_ready") == (1, 0, 0)
        b.set(read_valid=0, rvalid=1)
        for _ in range(8):
            assert b.get("quiet") == (0,)
            await b.tick()
        b.set(rvalid=0, stop=0)
        assert b.get("quiet") == (1,)
        await b.tick()
        b.set(read_valid=1, read_granule=9, read_more=0)
        assert b.get("arvalid", "araddr", "arlen") == (1, 36, 0)

    drive(test)


@pytest.mark.parametrize("response", [2, 3])
def test_errors_are_told_apart_by_what_was_asked_for(response):
    async def test(b: Bench) -> None:
        b.set(rvalid=1, rresp=response)
        assert b.get("error_load", "error_fetch", "error_store") == (1, 0, 0)
        b.set(rid=1)
        assert b.get("error_load", "error_fetch", "error_store") == (0, 1, 0)
        b.set(rvalid=0, bvalid=1, bresp=response)
        assert b.get("error_load", "error_fetch", "error_store") == (0, 0, 1)
        b.set(bresp=0)
        assert b.get("error_load", "error_fetch", "error_store") == (0, 0, 0)

    drive(test)
