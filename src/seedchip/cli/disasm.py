"""`seedchip disasm`: the instructions of a program file as assembly text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def disasm(file: Annotated[Path, typer.Argument(metavar="FILE", help="A program file.")]) -> None:
    """Print a program's instructions."""
    from seedchip.isa.assembler import disassemble
    from seedchip.program import load

    typer.echo(disassemble(load(file).code), nl=False)
