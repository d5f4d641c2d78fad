"""Options that several commands share, and how their text becomes values. Wrong text is wrong usage (exit code 2)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seedchip.build import BuildOptions
    from seedchip.inputs import ReadOptions


class Precision(StrEnum):
    """How many INT8 limbs an operand has; ``auto`` takes more where a layer needs it."""

    INT8 = "int8"
    INT16 = "int16"
    INT24 = "int24"
    AUTO = "auto"


class Method(StrEnum):
    """How a clipping threshold follows from what calibration saw."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"
    MSE = "mse"


class Body(StrEnum):
    """What a program runs on."""

    SIM = "sim"
    RTL = "rtl"


ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX model, or a program file.")]
ChipOption = Annotated[str, typer.Option("--chip", metavar="NAME|FILE", help="A shipped chip or a .toml file.")]
ShapeOption = Annotated[list[str], typer.Option("--shape", metavar="NAME=N", help="Size of a symbolic dimension.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Numbers in matrix products.")]
CalibrationOption = Annotated[Path | None, typer.Option(
    "--calibration", metavar="FOLDER|FILE.npz",
    help="Samples that fix the scales of activations; without them scales are found while running.")]
MethodOption = Annotated[Method, typer.Option("--method", help="Clipping thresholds of calibrated scales.")]
DeviceOption = Annotated[Body, typer.Option(
    "--device", help="The exact simulator, or the hardware in lockstep with it: every bit and every cycle compared.")]
HostFallbackOption = Annotated[bool, typer.Option(
    "--host-fallback", help="Run what the chip cannot compute in ONNX Runtime; the report lists it.")]
MeanOption = Annotated[str, typer.Option(metavar="M[,M,M]", help="Subtracted from a picture's values in [0, 1].")]
StdOption = Annotated[str, typer.Option(metavar="S[,S,S]", help="Divides a picture's values after that.")]
TokenizerOption = Annotated[Path | None, typer.Option("--tokenizer", metavar="FILE", help="tokenizer.json for texts.")]


def parse_shapes(texts: Sequence[str]) -> dict[str, int]:
    """``["batch=2"]`` as ``{"batch": 2}``."""
    shapes = {}
    for text in texts:
        name, equals, size = text.rpartition("=")
        if not equals or not name or not size.isdecimal() or len(size) > 10:
            raise typer.BadParameter(f"must be NAME=SIZE, not {text!r}", param_hint="'--shape'")
        shapes[name] = int(size)
    return shapes


def parse_numbers(text: str, option: str) -> tuple[float, ...]:
    """``"0.5,0.5,0.5"`` as three floats."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"must be numbers between commas, not {text!r}", param_hint=f"'{option}'") from None


def read_options(mean: str, std: str, tokenizer: Path | None) -> ReadOptions:
    from seedchip.inputs import ReadOptions

    return ReadOptions(parse_numbers(mean, "--mean"), parse_numbers(std, "--std"), tokenizer)


def build_options(precision: Precision, shapes: Sequence[str], calibration: tuple[Path | None, Method],
                  reading: ReadOptions) -> BuildOptions:
    """The options of `seedchip.build`; ``calibration`` is where the samples are, and the method."""
    from seedchip.build import BuildOptions
    from seedchip.calibration import calibration_reader

    samples, method = calibration
    reader = None if samples is None else calibration_reader(samples, reading)
    return BuildOptions(precision.value, parse_shapes(shapes), reader, method.value)
