"""The page that the receiving team reads first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seedchip.handoff.constraints import PIN_SHARE
from seedchip.handoff.lint import WAIVERS
from seedchip.isa.instruction import ISA_VERSION
from seedchip.quantities import format_bytes, format_si

if TYPE_CHECKING:
    from seedchip.handoff.memory_list import MemoryShape
    from seedchip.spec import ChipSpec


def write_readme(spec: ChipSpec, memories: Sequence[MemoryShape], num_vectors: int, num_modules: int) -> str:
    """The page for ``spec``."""
    return "\n".join([*_overview(spec, num_modules), *_memories(memories), *_verification(num_vectors), *_lint(), ""])


def _overview(spec: ChipSpec, num_modules: int) -> list[str]:
    return [
        f"# The chip `{spec.name}`", "",
        f"An INT8 inference chip: {spec.matrix.rows} x {spec.matrix.columns} systolic array, {spec.vector.lanes} "
        f"binary32 lanes, {format_bytes(spec.scratchpad.bytes)} scratchpad, {format_si(spec.clock.hz, 'Hz')}. One "
        "clock `clk`, one synchronous reset `rst`, active high. The host's registers are an AXI4-Lite subordinate "
        f"(`s_axi_`), memory an AXI4 manager (`m_axi_`, {8 * spec.memory.granule_bytes} bits), `irq` is a level.", "",
        f"- chip hash (SHA-256 of its description) `{spec.hash}`, instruction set version {ISA_VERSION}; both can be "
        "read in the registers", "",
        "| file | what |", "|---|---|",
        f"| `chip.f`, `rtl/` | {num_modules} modules, one a file; the top is `chip` |",
        "| `constraints/chip.sdc` | clock, "
        f"{PIN_SHARE:.0%} of a period at the pins, what is not timed |",
        "| `registers/registers.rdl`, `registers/registers.xml` | register map as SystemRDL 2.0 and IP-XACT |",
        "| `memories/memories.csv` | every memory with its shape, count and places |",
        "| `verification/` | self-checking testbench, programs, expected memory and cycles |",
        "| `lint/waivers.vlt` | what Verilator is told not to report, with reasons |",
        "| `docs/` | registers and instruction set for readers |",
        "| `manifest.json` | SHA-256 of every file, the chip's description, versions of the tools |", "",
        "Everything is written by a program from the chip's description: change that and write the folder again.", "",
    ]


def _memories(memories: Sequence[MemoryShape]) -> list[str]:
    rows = [f"| {m.kind} | {m.words} x {m.width} | {m.enable_bits} | {len(m.paths)} | `{m.paths[0]}` |"
            for m in memories]
    return [
        "## Memories", "",
        "| kind | words x bits | bits a write enable | count | first |", "|---|---|---|---|---|", *rows, "",
        "- `sram`: instances of `rtl/sram.v` with one read and one write port on the same clock. Data come one cycle "
        "after the address and stay until the next read; a read of the word that is written gives the old content; "
        "nothing relies on content after power-up. Replace the module by one that chooses a macro by `WIDTH`, `DEPTH` "
        "and `GRAIN` (bits that share an enable) and has the same ports. Tie off test pins there.",
        "- `array`: described inside a module as an array of registers with several read ports; register files or "
        "flip-flops.", "",
    ]


def _verification(num_vectors: int) -> list[str]:
    return [
        "## Verification", "",
        f"`verification/testbench.sv` runs {num_vectors} programs through the registers, with a memory of the "
        "described latency, and compares all of memory, the fault register and the number of cycles with the "
        "simulator's. In this folder:", "",
        "```",
        "verilator --binary --timing -Wno-fatal -Wno-lint --top-module testbench -f chip.f verification/testbench.sv",
        "./obj_dir/Vtestbench +vectors=verification/vectors          # ends with PASS",
        "```", "",
        "`+cases=N` runs the first N. `verification/vectors/cases.csv` names each program and the SHA-256 of memory "
        "after it; `case_N.initial.hex` lies over `image_K.hex`, `case_N.expected.hex` over that.", "",
    ]


def _lint() -> list[str]:
    rows = [f"| `{name}` | {reason} |" for name, reason in WAIVERS.items()]
    return ["## Lint", "", "`verilator --lint-only -Wall lint/waivers.vlt -f chip.f --top-module chip` says nothing. "
            "What is waived:", "", "| warning | why |", "|---|---|", *rows]
