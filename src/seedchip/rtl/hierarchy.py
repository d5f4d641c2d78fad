"""Verilog with one module for every kind of part, however often it is used.

Amaranth writes a module for every instance. Parts that come many times (array elements, lanes, SRAMs) are put into
their parents with `place`: Amaranth's own simulator gets them as they are; a conversion with the platform
`SharedParts` gets instances of a module that is converted once. SRAMs become instances of ``sram.v``, in whose stead
a chip has macros.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amaranth import ClockDomain, ClockSignal, Instance, Module, ResetSignal
from amaranth.back import verilog
from amaranth.hdl import Value
from amaranth.lib import wiring

SRAM_MODEL = Path(__file__).parent / "memory" / "sram.v"


class SharedParts:
    """The platform of a conversion: holds one component of each kind that was placed."""

    def __init__(self) -> None:
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


def convert(top: wiring.Component, name: str) -> str:
    """``top`` and its shared parts as Verilog, with the model of an SRAM."""
    platform = SharedParts()
    texts = [verilog.convert(top, name=name, platform=platform, strip_internal_attrs=True)]
    done: set[str] = set()
    while waiting := [part for part in platform.parts if part not in done]:
        for part in waiting:
            texts.append(_convert_part(part, platform.parts[part], platform))
            done.add(part)
    return "\n".join([*texts, SRAM_MODEL.read_text("utf-8")])


def _convert_part(name: str, component: wiring.Component, platform: SharedParts) -> str:
    """The module of a part, always with clock and reset."""
    m, clock = Module(), ClockDomain("sync")
    m.domains += clock
    m.submodules.part = component
    ports: dict[str, tuple[Value, None]] = {"clk": (clock.clk, None), "rst": (clock.rst, None)}
    for path, _, value in component.signature.flatten(component):
        ports["__".join(map(str, path))] = (Value.cast(value), None)
    return verilog.convert(m, name=name, platform=platform, ports=ports, strip_internal_attrs=True)
