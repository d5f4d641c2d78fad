"""What is put into the FPGA: the core, block RAM behind its memory bus, and a serial line to the host."""

from __future__ import annotations

from amaranth import Cat, ClockDomain, ClockSignal, Const, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from seedchip.fpga.block_memory import BlockMemory
from seedchip.fpga.serial_host import SerialHost
from seedchip.fpga.uart_receiver import UartReceiver
from seedchip.fpga.uart_transmitter import UartTransmitter
from seedchip.rtl.core import Core
from seedchip.rtl.host.run_control import RunControl
from seedchip.spec import ChipSpec

NUM_LEDS = 8


class BoardTop(wiring.Component):
    """``clock`` is the only clock, ``reset`` a button; ``receive`` and ``transmit`` the serial line, seen from here;
    ``awake`` is always high.

    Lights: 0 a run goes on, 1 the last one has ended, 2 with a fault, 7 the board is configured.
    """

    def __init__(self, spec: ChipSpec, clocks_per_bit: int) -> None:
        self._spec, self._clocks_per_bit = spec, clocks_per_bit
        super().__init__({
            "clock": In(1),
            "reset": In(1),
            "receive": In(1, init=1),
            "transmit": Out(1, init=1),
            "awake": Out(1, init=1),
            "leds": Out(NUM_LEDS),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains += [ClockDomain("sync", local=True), ClockDomain("core", local=True)]
        m.submodules.reset = FFSynchronizer(self.reset, ResetSignal("sync"))
        m.submodules.control = control = RunControl()
        m.d.comb += [
            ClockSignal("sync").eq(self.clock), ClockSignal("core").eq(self.clock),
            ResetSignal("core").eq(control.core_reset),
        ]
        m.submodules.core = core = DomainRenamer("core")(Core(self._spec))
        m.submodules.memory = memory = BlockMemory(self._spec)
        m.submodules.receiver = receiver = UartReceiver(self._clocks_per_bit)
        m.submodules.transmitter = transmitter = UartTransmitter(self._clocks_per_bit)
        m.submodules.host = host = SerialHost(self._spec)
        wiring.connect(m, core.memory, memory.bus)
        wiring.connect(m, host.memory, memory.host)
        m.d.comb += [
            receiver.line.eq(self.receive), self.transmit.eq(transmitter.line),
            host.received.eq(receiver.valid), host.received_byte.eq(receiver.byte),
            transmitter.valid.eq(host.send), transmitter.byte.eq(host.send_byte), host.send_ready.eq(transmitter.ready),
            core.program_address.eq(host.program_address), core.program_words.eq(host.program_words),
            core.memory_limit.eq(self._spec.memory.bytes),
            control.start.eq(host.start), control.clear.eq(host.give_up), host.done.eq(control.done),
            control.core_done.eq(core.done), control.core_fault.eq(core.fault.any()),
            host.fault.eq(core.fault), host.cycles.eq(core.cycles),
            memory.stop.eq(control.stop), control.stopped.eq(1), control.quiet.eq(memory.quiet),
            self.leds.eq(Cat(control.running, control.done, control.fault, Const(1, 1) << NUM_LEDS - 4)),
        ]
        return m
