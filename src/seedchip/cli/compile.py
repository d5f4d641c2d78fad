"""`seedchip compile`: a model as a program file, or what lies on the way to it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedchip.cli.options import (
    CalibrationOption,
    ChipOption,
    Method,
    MethodOption,
    ModelArgument,
    Precision,
    PrecisionOption,
    ShapeOption,
    build_options,
    read_options,
)
from seedchip.cli.progress import steps

if TYPE_CHECKING:
    from seedchip.compiler import Compilation
    from seedchip.program import Program


class Level(StrEnum):
    """Where the pipeline stops and prints what it has."""

    GRAPH = "graph"
    TILE = "tile"
    PROGRAM = "program"


def compile(
    model: ModelArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="The program file.")] = None,
    chip: ChipOption = "micro",
    shape: ShapeOption = [],  # noqa: B006
    precision: PrecisionOption = Precision.INT8,
    calibration: CalibrationOption = None,
    method: MethodOption = Method.MINMAX,
    until: Annotated[Level | None, typer.Option("--until", help="Stop at this level and print it.")] = None,
) -> None:
    """Compile a model for a chip."""
    if (output is None) == (until is None):
        raise typer.BadParameter("exactly one of --output FILE and --until LEVEL must be given",
                                 param_hint="'--output'")
    options = build_options(precision, shape, (calibration, method), read_options("0", "1", None))
    from seedchip.build import import_graph, quantise_graph
    from seedchip.compiler import compile_levels
    from seedchip.spec import load

    spec = load(chip)
    with steps(3) as step:
        step(f"reading {model.name}")
        graph = import_graph(model, options)
        step("quantising")
        graph = quantise_graph(graph, options)
        step("compiling")
        made = compile_levels(graph, spec)
    if output is None:
        typer.echo(_level(made, until))
    else:
        _save(made.program, output)


def _level(made: Compilation, level: Level | None) -> str:
    if level is Level.GRAPH:
        return str(made.graph)
    if level is Level.TILE:
        return "\n".join(made.tiles)
    from seedchip.isa.assembler import disassemble

    return disassemble(made.program.code).rstrip("\n")


def _save(program: Program, output: Path) -> None:
    from seedchip.program import save
    from seedchip.quantities import format_bytes

    save(program, output)
    typer.echo(f"{output}: {len(program.instructions)} instructions for {program.chip_name}, "
               f"{format_bytes(sum(len(s.data) for s in program.segments))} of constants, "
               f"{format_bytes(program.memory_bytes)} of memory")
