"""The host registers over AXI4-Lite, against a model of what their declaration says."""

import random
from typing import Any

import pytest
from amaranth.sim import Simulator
from chips import TINY

from seedchip.isa import ISA_VERSION
from seedchip.rtl.host.axi import Response
from seedchip.rtl.host.axi_lite import AxiLiteRegisters, port_name
from seedchip.rtl.host.registers import ADDRESS_BITS, MAGIC, REGISTERS, Access, reset_value

OFFSETS = {r.name: r.offset for r in REGISTERS}


class Host:
    """Reads and writes with random waits on every channel."""

    def __init__(self, ctx: Any, registers: AxiLiteRegisters, seed: int) -> None:
        self.ctx, self.registers, self.axi = ctx, registers, registers.axi
        self.random = random.Random(seed)

    async def wait(self) -> None:
        for _ in range(self.random.choice([0, 0, 0, 1, 3])):
            await self.ctx.tick()

    async def send(self, valid: Any, ready: Any) -> None:
        """Hold ``valid`` until it is taken."""
        self.ctx.set(valid, 1)
        while not self.ctx.get(ready):
            await self.ctx.tick()
        await self.ctx.tick()
        self.ctx.set(valid, 0)

    async def read(self, address: int) -> tuple[int, Response]:
        await self.wait()
        self.ctx.set(self.axi.araddr, address)
        await self.send(self.axi.arvalid, self.axi.arready)
        await self.wait()
        while not self.ctx.get(self.axi.rvalid):
            await self.ctx.tick()
        found = self.ctx.get(self.axi.rdata), Response(self.ctx.get(self.axi.rresp))
        await self.send(self.axi.rready, self.axi.rvalid)
        return found

    async def write(self, address: int, data: int, strobes: int = 15) -> Response:
        await self.wait()
        self.ctx.set(self.axi.awaddr, address)
        self.ctx.set(self.axi.wdata, data)
        self.ctx.set(self.axi.wstrb, strobes)
        sides = [(self.axi.awvalid, self.axi.awready), (self.axi.wvalid, self.axi.wready)]
        self.random.shuffle(sides)
        for valid, ready in sides:
            await self.send(valid, ready)
            await self.wait()
        while not self.ctx.get(self.axi.bvalid):
            await self.ctx.tick()
        response = Response(self.ctx.get(self.axi.bresp))
        await self.send(self.axi.bready, self.axi.bvalid)
        return response


def drive(test: Any, seed: int = 0) -> None:
    registers = AxiLiteRegisters(TINY)
    simulator = Simulator(registers)
    simulator.add_clock(1e-6)

    async def bench(ctx: Any) -> None:
        await test(Host(ctx, registers, seed))

    simulator.add_testbench(bench)
    simulator.run()


def test_a_host_finds_what_it_talks_to():
    async def test(host: Host) -> None:
        assert await host.read(OFFSETS["MAGIC"]) == (MAGIC, Response.OKAY)
        assert (await host.read(OFFSETS["ISA_VERSION"]))[0] == ISA_VERSION
        words = [(await host.read(OFFSETS["CHIP_HASH"] + 4 * i))[0] for i in range(8)]
        assert b"".join(w.to_bytes(4, "little") for w in words).hex() == TINY.hash
        assert (await host.read(OFFSETS["MEMORY_LIMIT"]))[0] == TINY.memory.bytes

    drive(test)


def merge(old: int, new: int, strobes: int) -> int:
    mask = sum(0xFF << 8 * i for i in range(4) if strobes >> i & 1)
    return (old & ~mask) | (new & mask)


@pytest.mark.parametrize("seed", range(3))
def test_random_accesses_do_what_the_declaration_says(seed):
    """Every word of the space, with random strobes; locked registers refuse while a run is under way."""
    rng = random.Random(seed)
    by_word = {(r.offset + i * r.width // 8) // 4 + half: (r, i, half)
               for r in REGISTERS for i in range(r.count) for half in range(r.width // 32)}
    state = {(r.name, f.name, i): reset_value(r, f, TINY, i) for r in REGISTERS for f in r.fields
             for i in range(r.count)}

    def shown(register, index):
        return sum(state[register.name, f.name, index] << f.low for f in register.fields if f.access != Access.PULSE)

    def change(register, half, data, strobes):
        for f in register.fields:
            key, old = (register.name, f.name, 0), state[register.name, f.name, 0] << f.low
            word = old >> 32 * half & 0xFFFFFFFF
            if f.access is Access.READ_WRITE:
                word = merge(word, data, strobes)
            elif f.access is Access.WRITE_ONE_TO_CLEAR:
                word &= ~merge(0, data, strobes)
            new = (old & ~(0xFFFFFFFF << 32 * half) | word << 32 * half) >> f.low
            state[key] = new & (1 << f.width) - 1

    async def test(host: Host) -> None:
        for _ in range(400):
            for r in REGISTERS:
                for f in r.fields:
                    if f.access is Access.READ_ONLY:
                        state[r.name, f.name, 0] = rng.getrandbits(f.width)
                        host.ctx.set(getattr(host.registers, port_name(r, f)), state[r.name, f.name, 0])
            word = rng.choice([*by_word, rng.randrange(1 << ADDRESS_BITS - 2)])
            register, index, half = by_word.get(word, (None, 0, 0))
            if rng.random() < 0.5 and register is not None and register.width == 64:  # both words belong together
                value = shown(register, index)
                assert await host.read(4 * (word - half)) == (value & 0xFFFFFFFF, Response.OKAY)
                if not register.writable:
                    host.ctx.set(getattr(host.registers, port_name(register, register.fields[0])), 0)
                assert await host.read(4 * (word - half) + 4) == (value >> 32, Response.OKAY)
            elif rng.random() < 0.5 and (register is None or register.width == 32):
                expected = (0, Response.SLVERR) if register is None else (shown(register, index), Response.OKAY)
                assert await host.read(4 * word) == expected
            else:
                locked, data, strobes = rng.random() < 0.3, rng.getrandbits(32), rng.randrange(16)
                host.ctx.set(host.registers.locked, locked)
                accepts = register is not None and register.writable and not (register.locked and locked)
                expected = Response.OKAY if accepts else Response.SLVERR
                assert await host.write(4 * word, data, strobes) == expected
                if accepts:
                    change(register, half, data, strobes)
            for r in REGISTERS:
                for f in r.fields:
                    if f.access is Access.READ_WRITE:
                        assert host.ctx.get(getattr(host.registers, port_name(r, f))) == state[r.name, f.name, 0]

    drive(test, seed)


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_host_that_does_not_wait_for_answers_gets_one_for_each_access(side):
    """Valid all the time, ready at random: nothing is lost, nothing doubled, everything in order."""
    addresses = [OFFSETS["CHIP_HASH"] + 4 * i for i in range(8)] * 5

    async def test(host: Host) -> None:
        ctx, axi = host.ctx, host.axi
        asked, sent, offered, answers = 0, 0, False, []
        ask, answer = ("ar", "r") if side == "read" else ("aw", "b")
        while len(answers) < len(addresses):
            ctx.set(getattr(axi, ask + "addr"), addresses[asked % len(addresses)] if side == "read" else 4 * asked)
            ctx.set(getattr(axi, ask + "valid"), asked < len(addresses))
            ready = host.random.random() < 0.4
            ctx.set(getattr(axi, answer + "ready"), ready)
            if side == "write":
                offered = sent < len(addresses) and (offered or host.random.random() < 0.7)
                ctx.set(axi.wvalid, offered)
                if offered and ctx.get(axi.wready):
                    sent, offered = sent + 1, False
            if ready and ctx.get(getattr(axi, answer + "valid")):
                answers.append(ctx.get(axi.rdata) if side == "read" else Response(ctx.get(axi.bresp)))
            asked += ctx.get(getattr(axi, ask + "valid")) and ctx.get(getattr(axi, ask + "ready"))
            await ctx.tick()
        for _ in range(10):
            assert not ctx.get(getattr(axi, answer + "valid"))
            await ctx.tick()
        hashed = bytes.fromhex(TINY.hash)
        words = [int.from_bytes(hashed[4 * i:4 * i + 4], "little") for i in range(8)] * 5
        writable = {r.offset + 4 * i for r in REGISTERS if r.writable for i in range(r.width // 32)}
        accepted = [Response.OKAY if 4 * i in writable else Response.SLVERR for i in range(len(addresses))]
        assert answers == (words if side == "read" else accepted)
        assert side == "read" or sent == len(addresses)

    drive(test, 3)


def test_an_event_is_held_until_a_one_is_written_and_a_command_lasts_a_cycle():
    async def test(host: Host) -> None:
        ctx, registers = host.ctx, host.registers
        ctx.set(registers.interrupt_status_done, 1)
        await ctx.tick()
        ctx.set(registers.interrupt_status_done, 0)
        assert (await host.read(OFFSETS["INTERRUPT_STATUS"]))[0] == 1
        await host.write(OFFSETS["INTERRUPT_STATUS"], 2)
        assert ctx.get(registers.held_interrupt_status_done) == 1
        await host.write(OFFSETS["INTERRUPT_STATUS"], 1)
        assert ctx.get(registers.held_interrupt_status_done) == 0
        pulses = 0
        ctx.set(registers.axi.awaddr, OFFSETS["CONTROL"])
        for name, value in (("awvalid", 1), ("wvalid", 1), ("wdata", 1), ("wstrb", 1), ("bready", 1)):
            ctx.set(getattr(registers.axi, name), value)
        for cycle in range(8):
            await ctx.tick()
            if cycle == 0:
                ctx.set(registers.axi.awvalid, 0)
                ctx.set(registers.axi.wvalid, 0)
            pulses += ctx.get(registers.control_start)
        assert pulses == 1
        assert ctx.get(registers.control_clear) == 0

    drive(test)
