"""`seedchip fpga`: a bitstream for an FPGA board with a chip and, if wanted, a program in its memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seedchip.fpga.flow import Bitstream


def fpga(
    chip: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped chip or a .toml file; pico fits.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where bitstream and reports go.")],
    board: Annotated[str, typer.Option("--board", metavar="NAME", help="The board.")] = "ulx3s-85f",
    program: Annotated[Path | None, typer.Option(
        "--program", metavar="FILE", help="A program that lies in memory from the start (seedchip compile).")] = None,
) -> None:
    """Place and route a chip for an FPGA board, and write its bitstream.

    Minutes for a chip that is new; what was done before is not done again, and another program takes seconds.
    """
    from seedchip.cli.progress import steps
    from seedchip.device import DeviceError
    from seedchip.spec import load

    try:
        from seedchip.fpga.boards import find_board
        from seedchip.fpga.flow import make_bitstream
        from seedchip.fpga.host import memory_image
    except ModuleNotFoundError as error:
        raise DeviceError(f"the flow needs the module {error.name}, which is not installed: "
                          "pip install 'seedchip[rtl,fpga]'") from None
    spec, target, image = load(chip), find_board(board), b""
    if program is not None:
        from seedchip.program import load as load_program

        image = memory_image(load_program(program, spec), spec)
    with steps(1) as step:
        step("beginning")
        made = make_bitstream(spec, target, image, output, step.say)
    _show(made)


def _show(made: Bitstream) -> None:
    from rich.table import Table

    from seedchip.cli.console import output_console
    from seedchip.fpga.flow import utilisation

    console, placement = output_console(), made.placement
    table = Table(title=f"{made.chip} on {made.board}", title_justify="left", title_style="bold", box=None,
                  pad_edge=False, header_style="dim")
    for index, heading in enumerate(("cells", "used", "of", "share")):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    for name, used, available in utilisation(placement):
        table.add_row(name, f"{used:,}", f"{available:,}", f"{used / available:.1%}")
    console.print(table)
    console.print(f"fastest clock {placement.fmax_hz / 1e6:.1f} MHz, the board's is {placement.constraint_hz / 1e6:g} "
                  f"MHz{'' if placement.met else ': too fast for this chip'}")
    stages = ", ".join(f"{s.name} {s.seconds:.0f} s{' (done before)' if s.cached else ''}" for s in made.stages)
    console.print(stages, style="dim")
    typer.echo(str(made.path))
