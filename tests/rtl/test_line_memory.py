"""The scratchpad's banks: any stretch of a line's length in a cycle, and what must not meet."""

from typing import Any

import numpy as np
from amaranth.sim import Simulator

from seedchip.rtl.memory.line_memory import LineMemory


def simulate(unit: Any, testbench: Any) -> None:
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_every_stretch_is_written_and_read_at_every_address():
    memory = LineMemory(64, 8, 2, {"reader": 8}, ["writer"])
    rng = np.random.default_rng(0)
    expected = np.zeros(64, np.uint8)
    wrong = []

    async def drive(ctx: Any) -> None:
        ctx.set(memory.writer.valid, 1)
        for address in range(57):
            count = int(rng.integers(1, 9))
            data = rng.integers(0, 256, 8, dtype=np.uint8)
            expected[address:address + count] = data[:count]
            ctx.set(memory.writer.address, address)
            ctx.set(memory.writer.count, count)
            ctx.set(memory.writer.data, int.from_bytes(data.tobytes(), "little"))
            await ctx.tick()
        ctx.set(memory.writer.valid, 0)
        ctx.set(memory.reader.valid, 1)
        ctx.set(memory.reader.count, 8)
        for address in range(59):
            ctx.set(memory.reader.address, address)
            found = ctx.get(memory.reader.data).to_bytes(8, "little")
            if address >= 2 and found != expected[address - 2:address + 6].tobytes():
                wrong.append(address - 2)
            await ctx.tick()

    simulate(memory, drive)
    assert wrong == []


def test_readers_meet_only_in_the_same_bank_and_the_same_half_of_it():
    memory = LineMemory(64, 8, 2, {"one": 8, "other": 8}, ["writer"])
    seen = {}

    async def drive(ctx: Any) -> None:
        for port in (memory.one, memory.other):
            ctx.set(port.valid, 1)
            ctx.set(port.count, 8)
        for one in range(0, 57, 4):
            for other in range(0, 57, 4):
                ctx.set(memory.one.address, one)
                ctx.set(memory.other.address, other)
                seen[one, other] = ctx.get(memory.conflict)
                await ctx.tick()

    def halves(address: int) -> set[tuple[int, int]]:
        return {(line // 4, line % 2) for line in range(address // 8, (address + 7) // 8 + 1)}

    simulate(memory, drive)
    assert seen == {(a, b): int(bool(halves(a) & halves(b))) for a, b in seen}
