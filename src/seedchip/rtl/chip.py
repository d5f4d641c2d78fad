"""The chip: the core behind its host registers (AXI4-Lite) and its memory port (AXI4). This is what is handed off."""

from __future__ import annotations

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from seedchip.isa.causes import ENGINE_CAUSES
from seedchip.rtl.core import GRANULES, MEMORY_ERROR, Core
from seedchip.rtl.host.axi import Axi4, AxiLite
from seedchip.rtl.host.axi_lite import AxiLiteRegisters
from seedchip.rtl.host.axi_memory import AxiMemory
from seedchip.rtl.host.run_control import RunControl
from seedchip.spec import ChipSpec

REGISTER_PREFIX, MEMORY_PREFIX = "s_axi_", "m_axi_"


def _ports(prefix: str, signature: wiring.Signature) -> dict[str, wiring.Member]:
    """The members of an interface as ports under the names that tools look for."""
    return {prefix + name: member for name, member in signature.members.items()}


class Chip(wiring.Component):
    """``s_axi_`` is the subordinate with the registers of docs/03_reference/registers.md, ``m_axi_`` the manager for
    memory, ``irq`` the interrupt, a level. Clock and synchronous reset (active high) are those of the domain ``sync``.

    The core has a domain of its own with the same clock: it is reset before every run.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        super().__init__({
            **_ports(REGISTER_PREFIX, AxiLite().flip()),
            **_ports(MEMORY_PREFIX, Axi4(spec.memory.granule_bytes)),
            "irq": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.core = core = DomainRenamer("core")(Core(self._spec))
        m.submodules.registers = registers = AxiLiteRegisters(self._spec)
        m.submodules.memory = memory = AxiMemory(self._spec)
        m.submodules.control = control = RunControl()
        m.domains += ClockDomain("core", local=True)
        m.d.comb += [ClockSignal("core").eq(ClockSignal()), ResetSignal("core").eq(control.core_reset)]
        wiring.connect(m, core.memory, memory.bus)
        self._connect_pins(m, REGISTER_PREFIX, registers.axi, AxiLite().flip())
        self._connect_pins(m, MEMORY_PREFIX, memory.axi, Axi4(self._spec.memory.granule_bytes))
        m.d.comb += [
            core.program_address.eq(registers.program_address), core.program_words.eq(registers.program_words),
            core.memory_limit.eq(registers.memory_limit),
            *(core.memory_error[who].eq(getattr(memory, f"error_{who}")) for who in MEMORY_ERROR.members),
            memory.page.eq(registers.memory_base), memory.stop.eq(control.stop),
            control.start.eq(registers.control_start), control.clear.eq(registers.control_clear),
            control.core_done.eq(core.done), control.core_fault.eq(core.fault.any()),
            control.stopped.eq(memory.stopped), control.quiet.eq(memory.quiet),
        ]
        self._connect_state(m, registers, core, control, memory)
        return m

    def _connect_pins(self, m: Module, prefix: str, inside: wiring.PureInterface, signature: wiring.Signature) -> None:
        """``inside`` to the ports of the same names; ``signature``: seen from the chip."""
        for name, member in signature.members.items():
            pin, signal = getattr(self, prefix + name), getattr(inside, name)
            m.d.comb += pin.eq(signal) if member.flow is Out else signal.eq(pin)

    def _connect_state(self, m: Module, registers: AxiLiteRegisters, core: Core, control: RunControl,
                       memory: AxiMemory) -> None:
        """What the host can read, and the interrupt."""
        m.d.comb += [
            registers.locked.eq(control.running | ~memory.quiet),
            registers.status_running.eq(control.running), registers.status_done.eq(control.done),
            registers.status_fault.eq(control.fault), registers.status_quiet.eq(memory.quiet),
            registers.interrupt_status_done.eq(control.ended_well),
            registers.interrupt_status_fault.eq(control.ended_badly),
            self.irq.eq((registers.interrupt_enable_done & registers.held_interrupt_status_done)
                              | (registers.interrupt_enable_fault & registers.held_interrupt_status_fault)),
            registers.fault.eq(core.fault), registers.cycles.eq(core.cycles),
            *(getattr(registers, f"granules_{name}").eq(core.granules[name]) for name in GRANULES.members),
        ]
        for engine, causes in ENGINE_CAUSES.items():
            name = engine.name.lower()
            m.d.comb += [getattr(registers, f"{name}_{cause.name.lower()}").eq(core.counts[name][cause.name.lower()])
                         for cause in causes]
        m.d.comb += [registers.fault_engine.eq(core.fault_engine),
                     registers.fault_instruction.eq(core.fault_instruction)]
