"""The FPGA's memory answers the core at the times of the rules, whatever the host wants, and the host in between."""

import dataclasses

import numpy as np
import pytest
from amaranth.sim import Simulator

from seedchip.fpga.block_memory import ACKNOWLEDGE_STAGES, REPLY_STAGES, BlockMemory
from seedchip.spec import ChipSpec, load

CYCLES = 400


def chip(latency: int) -> ChipSpec:
    pico = load("pico")
    return dataclasses.replace(pico, memory=dataclasses.replace(pico.memory, bytes=4096, latency_cycles=latency))


@pytest.mark.parametrize("latency", [4, 5, 9])
def test_reads_writes_and_bytes_of_the_host_against_a_model_cycle_by_cycle(latency):
    """Random requests of the core and of the host; what memory holds, and when it says so, is followed in NumPy."""
    spec, rng = chip(latency), np.random.default_rng(latency)
    memory, model = BlockMemory(spec), np.zeros(4096, np.uint8)
    replies: dict[int, tuple[int, bytes]] = {}
    acknowledged, taken = set(), 0
    host_reply: tuple[int, int] | None = None

    async def drive(ctx):
        nonlocal taken, host_reply
        bus, host = memory.bus, memory.host
        for cycle in range(CYCLES):
            read, write, last, tag = (int(x) for x in rng.integers(0, 2, 4))
            granule, other, mask = (int(rng.integers(0, n)) for n in (512, 512, 256))
            data = rng.bytes(8)
            asks, stores, address = bool(rng.integers(2)), int(rng.integers(2)), int(rng.integers(4096))
            for signal, value in ((bus.read_valid, read), (bus.read_granule, granule), (bus.read_tag, tag),
                                  (bus.write_valid, write), (bus.write_granule, other), (bus.write_mask, mask),
                                  (bus.write_data, int.from_bytes(data, "little")), (bus.write_last, last),
                                  (host.valid, asks), (host.write, stores), (host.address, address),
                                  (host.data, data[0])):
                ctx.set(signal, value)
            assert ctx.get(bus.read_ready) and ctx.get(bus.write_ready)
            expected = replies.pop(cycle, None)
            assert ctx.get(bus.reply_valid) == (expected is not None)
            if expected is not None:
                assert (ctx.get(bus.reply_tag), ctx.get(bus.reply_data)) == (
                    expected[0], int.from_bytes(expected[1], "little"))
            assert ctx.get(bus.write_done) == (cycle in acknowledged)
            assert ctx.get(host.reply_valid) == (host_reply is not None and host_reply[0] == cycle)
            if host_reply is not None and host_reply[0] == cycle:
                assert ctx.get(host.reply_data) == host_reply[1]
            ready = ctx.get(host.ready)
            assert ready == (asks and not (write if stores else read))
            if read:
                replies[cycle + latency - REPLY_STAGES] = tag, model[8 * granule:8 * granule + 8].tobytes()
            if ready and not stores:
                host_reply = cycle + 1, int(model[address])
            if ready and stores:
                model[address] = data[0]
            if write:
                chosen = np.unpackbits(np.uint8(mask), bitorder="little").astype(bool)
                model[8 * other:8 * other + 8][chosen] = np.frombuffer(data, np.uint8)[chosen]
                if last:
                    acknowledged.add(cycle + latency - ACKNOWLEDGE_STAGES)
            taken += ready
            await ctx.tick()

    simulate(memory, drive)
    assert taken > CYCLES // 8


def test_a_core_that_is_stopped_gets_its_last_reply_and_is_not_heard_any_more():
    memory, seen = BlockMemory(chip(6)), []

    async def drive(ctx):
        ctx.set(memory.bus.read_valid, 1)
        await ctx.tick()
        ctx.set(memory.stop, 1)
        ctx.set(memory.bus.write_valid, 1)
        ctx.set(memory.bus.write_mask, 0xFF)
        ctx.set(memory.bus.write_data, 1)
        for _ in range(8):
            assert not ctx.get(memory.bus.read_ready) and not ctx.get(memory.bus.write_ready)
            seen.append((ctx.get(memory.bus.reply_valid), ctx.get(memory.quiet)))
            await ctx.tick()
        ctx.set(memory.host.valid, 1)
        await ctx.tick()
        assert ctx.get(memory.host.reply_valid) and ctx.get(memory.host.reply_data) == 0

    simulate(memory, drive)
    assert seen == [(0, 0), (0, 0), (0, 0), (1, 0), *[(0, 1)] * 4]


def simulate(memory: BlockMemory, drive) -> None:
    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
