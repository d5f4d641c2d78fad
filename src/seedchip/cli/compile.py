"""`seedchip compile`: a model as a program file, or what lies on the way to it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seedchip.cli.options import (
    CalibrationOption,
    ChipOption,
    HostFallbackOption,
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
    from seedchip.build import BuildOptions
    from seedchip.compiler import Compilation
    from seedchip.program import Program
    from seedchip.spec import ChipSpec


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
    host_fallback: HostFallbackOption = False,
    until: Annotated[Level | None, typer.Option("--until", help="Stop at this level and print it.")] = None,
) -> None:
    """Compile a model for a chip."""
    if (output is None) == (until is None):
        raise typer.BadParameter("exactly one of --output FILE and --until LEVEL must be given",
                                 param_hint="'--output'")
    if host_fallback and output is not None:
        raise typer.BadParameter("a program file holds no nodes for the host; print the parts with --until, or run the "
                                 "model with seedchip run", param_hint="'--host-fallback'")
    options = build_options(precision, shape, (calibration, method), read_options("0", "1", None))
    from seedchip.build import import_graph, quantise_graph
    from seedchip.compiler import compile_levels
    from seedchip.spec import load

    spec = load(chip)
    if host_fallback and (parts := _parts(model, options, spec, until)):
        typer.echo("\n".join(parts))
        return
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


def _parts(model: Path, options: BuildOptions, spec: ChipSpec, level: Level | None) -> list[str]:
    """Every part of a model with nodes on the host at one level, and those nodes between; empty without such nodes."""
    from seedchip.build import build_with_host
    from seedchip.compiler import compile_levels
    from seedchip.partition import HostNode

    with steps(1) as step:
        step(f"compiling {model.name}")
        built = build_with_host(model, spec, options)
        if built is None:
            return []
        texts = []
        for part, graph in zip(built.partition.steps, built.quantised, strict=True):
            if graph is not None:
                texts.append(_level(compile_levels(graph, spec), level))
            elif isinstance(part, HostNode):
                texts.append(f"host {part.name} ({part.operator}): {part.rule}")
    return texts


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
