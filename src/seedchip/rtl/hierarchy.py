"""Verilog with one module for every kind of part, however often it is used.

Amaranth writes a module for every instance. Parts that come many times (array elements, lanes, SRAMs) are put into
their parents with `place`: Amaranth's own simulator gets them as they are; a conversion with the platform
`SharedParts` gets instances of a module that is converted once. SRAMs become instances of ``sram.v``, in whose stead
a chip has macros.

Parts that stand still between instructions are added with `gate`. On request their clock stops there, through
``clock_gate.v``, in whose stead a chip has clock-gating cells; it changes nothing that can be seen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amaranth import ClockDomain, ClockSignal, DomainRenamer, Instance, Module, ResetSignal, Signal
from amaranth.back import verilog
from amaranth.hdl import Value
from amaranth.lib import wiring

SRAM_MODEL = Path(__file__).parent / "memory" / "sram.v"
CLOCK_GATE_MODEL = Path(__file__).with_name("clock_gate.v")
CYCLES_TO_STILLNESS = 15
"""After an instruction's last cycle: more than the registers that follow each other without its help."""


class SharedParts:
    """The platform of a conversion: holds one component of each kind that was placed, and knows whether parts that
    stand still have their clocks stopped."""

    def __init__(self, clock_gates: bool = False) -> None:
        self.clock_gates = clock_gates
        self.parts: dict[str, wiring.Component] = {}

    def instance(self, kind: type[wiring.Component]) -> tuple[Instance, wiring.PureInterface]:
        """An instance of the shared module of ``kind``, and the ports that it is wired to."""
        part = self.parts.get(kind.__name__) or self.parts.setdefault(kind.__name__, kind())
        interface = part.signature.create()
        wires: dict[str, Value] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in part.signature.flatten(interface):
            wires[f"{'i' if member.flow is wiring.In else 'o'}_{'__'.join(map(str, path))}"] = Value.cast(value)
        return Instance(kind.__name__, **wires), interface  # type: ignore[arg-type]


def place(m: Module, platform: object, name: str, kind: type[wiring.Component]) -> Any:
    """Add a component of class ``kind``, which takes no parameters, to ``m`` as submodule ``name``; its ports."""
    if isinstance(platform, SharedParts):
        m.submodules[name], ports = platform.instance(kind)
        return ports
    m.submodules[name] = component = kind()
    return component


def gate(m: Module, platform: object, name: str, component: wiring.Component, moves: Value) -> None:
    """Add ``component`` to ``m`` as submodule ``name``. Only in cycles with ``moves``, and a few after them, does
    anything in it change, its memories included."""
    if not isinstance(platform, SharedParts) or not platform.clock_gates:
        m.submodules[name] = component
        return
    still = Signal(range(CYCLES_TO_STILLNESS + 1), name=f"{name}_still")
    with m.If(moves):
        m.d.sync += still.eq(0)
    with m.Elif(still != CYCLES_TO_STILLNESS):
        m.d.sync += still.eq(still + 1)
    m.domains += (domain := ClockDomain(f"{name}_gated", local=True))
    m.d.comb += domain.rst.eq(ResetSignal())
    m.submodules[f"{name}_gate"] = Instance(
        "clock_gate", i_clk=ClockSignal(), i_enable=moves | (still != CYCLES_TO_STILLNESS) | ResetSignal(),
        o_gated=domain.clk)
    m.submodules[name] = DomainRenamer(domain.name)(component)


def convert(top: wiring.Component, name: str, clock_gates: bool = False, sram: Path = SRAM_MODEL) -> str:
    """``top`` and its shared parts as Verilog, with the SRAM module of the file ``sram`` and a clock gate's model."""
    platform = SharedParts(clock_gates)
    texts = [verilog.convert(top, name=name, platform=platform, strip_internal_attrs=True)]
    done: set[str] = set()
    while waiting := [part for part in platform.parts if part not in done]:
        for part in waiting:
            texts.append(_convert_part(part, platform.parts[part], platform))
            done.add(part)
    models = [sram, CLOCK_GATE_MODEL] if clock_gates else [sram]
    return "\n".join([*texts, *(path.read_text("utf-8") for path in models)])


def _convert_part(name: str, component: wiring.Component, platform: SharedParts) -> str:
    """The module of a part, always with clock and reset."""
    m, clock = Module(), ClockDomain("sync")
    m.domains += clock
    m.submodules.part = component
    ports: dict[str, tuple[Value, None]] = {"clk": (clock.clk, None), "rst": (clock.rst, None)}
    for path, _, value in component.signature.flatten(component):
        ports["__".join(map(str, path))] = (Value.cast(value), None)
    return verilog.convert(m, name=name, platform=platform, ports=ports, strip_internal_attrs=True)
