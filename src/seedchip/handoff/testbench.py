"""The self-checking testbench of one chip, in SystemVerilog that any simulator reads."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from seedchip.conformance.data import MEMORY_BYTES
from seedchip.isa.instruction import ISA_VERSION
from seedchip.rtl.host.registers import HASH_WORDS, MAGIC, REGISTERS
from seedchip.rtl.simulation.verilator import ACKNOWLEDGE_STAGES, REPLY_STAGES

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

TEMPLATE = Path(__file__).with_name("testbench.sv")
_USED = ("MAGIC", "ISA_VERSION", "CHIP_HASH", "CONTROL", "STATUS", "INTERRUPT_ENABLE", "INTERRUPT_STATUS", "FAULT",
         "PROGRAM_ADDRESS", "PROGRAM_WORDS", "MEMORY_BASE", "CYCLES")


def write_testbench(spec: ChipSpec) -> str:
    """The text; its memory has the latency of the chip's description."""
    offsets = {r.name: r.offset for r in REGISTERS}
    hash_bytes = bytes.fromhex(spec.hash)
    checks = [f"    expect_register(CHIP_HASH + {4 * i}, "
              f"32'h{int.from_bytes(hash_bytes[4 * i:4 * i + 4], 'little'):08x});" for i in range(HASH_WORDS)]
    latency = spec.memory.latency_cycles
    return Template(TEMPLATE.read_text("utf-8")).substitute(
        chip=spec.name, granule=spec.memory.granule_bytes, words=MEMORY_BYTES // spec.memory.granule_bytes,
        read_delay=latency - REPLY_STAGES, write_delay=latency - ACKNOWLEDGE_STAGES,
        registers=", ".join(f"{name} = 12'h{offsets[name]:03x}" for name in _USED),
        magic=f"{MAGIC:08x}", isa_version=ISA_VERSION, hash_checks="\n".join(checks))
