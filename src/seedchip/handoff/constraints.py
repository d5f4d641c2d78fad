"""Timing constraints (SDC) of the chip: clock, delays at the pins, what is not timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amaranth.lib.wiring import In, Out

from seedchip.rtl.chip import MEMORY_PREFIX, REGISTER_PREFIX
from seedchip.rtl.host.axi import Axi4, AxiLite

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

PIN_SHARE = 0.3
"""Of a period, that the outside takes before an input and after an output."""
UNCERTAINTY_SHARE = 0.05
"""Of a period, for jitter and skew before the clock tree is built."""


def write_sdc(spec: ChipSpec) -> str:
    """The constraints at the clock of ``spec.clock``."""
    period = 1e9 / spec.clock.hz
    inputs, outputs = pins(spec)
    lines = [
        f"# Constraints of the chip {spec.name} at {spec.clock.hz:,} Hz; times in nanoseconds.",
        "# One clock. All inputs and outputs belong to it: the AXI interfaces and the interrupt are synchronous.",
        f"create_clock -name clk -period {period:.4f} [get_ports clk]",
        f"set_clock_uncertainty {UNCERTAINTY_SHARE * period:.4f} [get_clocks clk]",
        "",
        f"# The neighbours' share: {PIN_SHARE:.0%} of a period at each pin. The reset is synchronous and is timed too.",
        f"set_input_delay {PIN_SHARE * period:.4f} -clock clk [get_ports {{{' '.join(inputs)}}}]",
        f"set_output_delay {PIN_SHARE * period:.4f} -clock clk [get_ports {{{' '.join(outputs)}}}]",
        "",
        "# The chip has no straps and no asynchronous pins. AxPROT of the registers is taken and not looked at.",
        f"set_false_path -from [get_ports {{{' '.join(UNUSED)}}}]",
        "",
    ]
    return "\n".join(lines)


UNUSED = ("s_axi_awprot", "s_axi_arprot")


def pins(spec: ChipSpec) -> tuple[list[str], list[str]]:
    """Names of inputs (without the clock) and outputs of the top."""
    interfaces = {REGISTER_PREFIX: AxiLite().flip(), MEMORY_PREFIX: Axi4(spec.memory.granule_bytes)}
    flows = {prefix + name: member.flow for prefix, signature in interfaces.items()
             for name, member in signature.members.items()}
    return (["rst", *(name for name, flow in flows.items() if flow is In)],
            [*(name for name, flow in flows.items() if flow is Out), "irq"])
