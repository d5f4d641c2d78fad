"""`seedchip rtl`: the folder that a foundry's or design house's team gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rtl(
    chip: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped chip or a .toml file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where the files go.")],
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files.")] = False,
) -> None:
    """Write a chip as Verilog with constraints, register map, memory list and test vectors."""
    from seedchip.spec import load

    spec = load(chip)
    from seedchip.cli.progress import steps
    from seedchip.handoff.package import NUM_STEPS, hand_off

    with steps(NUM_STEPS) as say:
        done = hand_off(spec, output, force=force, say=say)
    size = sum(map(len, done.files.values()))
    typer.echo(f"{output}: {len(done.files)} files, {size / 1e6:.1f} MB, {done.num_vectors} test vectors; begin with "
               f"{output / 'README.md'}")
