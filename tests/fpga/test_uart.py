"""The two halves of the serial line, alone and against each other."""

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from seedchip.fpga.uart_receiver import UartReceiver
from seedchip.fpga.uart_transmitter import UartTransmitter


class Loop(wiring.Component):
    """A transmitter whose line goes into a receiver, each with its own idea of a bit's length."""

    def __init__(self, sent_clocks: int, received_clocks: int) -> None:
        self._sent, self._received = sent_clocks, received_clocks
        super().__init__({"valid": In(1), "byte": In(8), "ready": Out(1), "line": Out(1), "received": Out(1),
                          "received_byte": Out(8)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.transmitter = transmitter = UartTransmitter(self._sent)
        m.submodules.receiver = receiver = UartReceiver(self._received)
        m.d.comb += [transmitter.valid.eq(self.valid), transmitter.byte.eq(self.byte), self.ready.eq(transmitter.ready),
                     self.line.eq(transmitter.line), receiver.line.eq(transmitter.line),
                     self.received.eq(receiver.valid), self.received_byte.eq(receiver.byte)]
        return m


def through(loop: Loop, data: bytes) -> bytes:
    """What comes out of the receiver when the transmitter is given ``data`` without a pause."""
    found = bytearray()

    async def send(ctx):
        for byte in data:
            ctx.set(loop.byte, byte)
            ctx.set(loop.valid, 1)
            await ctx.tick().until(loop.ready)
        ctx.set(loop.valid, 0)
        await ctx.tick().repeat(300)

    async def listen(ctx):
        async for _, _, valid, byte in ctx.tick().sample(loop.received, loop.received_byte):
            if valid:
                found.append(byte)

    simulator = Simulator(loop)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_process(listen)
    simulator.run()
    return bytes(found)


@pytest.mark.parametrize(("sent", "received"), [(4, 4), (8, 8), (25, 25), (24, 25), (26, 25)])
def test_every_byte_comes_through_also_with_clocks_that_are_four_per_cent_apart(sent, received):
    data = bytes(range(256))[::5] + b"\x00\xff\x00\xff\x55\xaa"
    assert through(Loop(sent, received), data) == data


def test_a_frame_on_the_wire_is_a_start_bit_eight_bits_least_first_and_a_stop_bit():
    transmitter, seen = UartTransmitter(4), []

    async def send(ctx):
        ctx.set(transmitter.byte, 0b1100_0101)
        ctx.set(transmitter.valid, 1)
        await ctx.tick()
        ctx.set(transmitter.valid, 0)
        for _ in range(44):
            seen.append(ctx.get(transmitter.line))
            await ctx.tick()

    simulator = Simulator(transmitter)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.run()
    frame = [0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1]
    assert seen == [bit for bit in frame for _ in range(4)]


@pytest.mark.parametrize(("levels", "what"), [([0] * 3 + [1] * 300, "noise of three clocks"),
                                              ([0] * 200 + [1] * 300, "a byte without stop bit")])
def test_what_is_no_frame_gives_no_byte(levels, what):
    receiver, found = UartReceiver(16), []

    async def drive(ctx):
        for level in levels:
            ctx.set(receiver.line, level)
            await ctx.tick()
            found.extend([what] * ctx.get(receiver.valid))

    simulator = Simulator(receiver)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.run()
    assert not found
