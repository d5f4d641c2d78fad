"""From a model to a program in one call: front end, quantisation, compiler. Each step is a plain value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seedchip.inputs import InputSpec

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from seedchip.graph.ir import Graph
    from seedchip.partition import PartitionBuild
    from seedchip.program import Program
    from seedchip.spec import ChipSpec

Calibration = Callable[[Sequence[InputSpec]], "list[dict[str, np.ndarray]]"]
"""Gives calibration samples for the inputs of a network."""


@dataclass(frozen=True)
class BuildOptions:
    """What the caller can choose. ``shapes`` binds symbolic sizes; without ``calibration`` scales are dynamic, with it
    ``method`` says how a clipping threshold follows from what was seen (see `seedchip.quantise`)."""

    precision: Literal["int8", "int16", "int24", "auto"] = "int8"
    shapes: Mapping[str, int] = field(default_factory=dict)
    calibration: Calibration | None = None
    method: Literal["minmax", "percentile", "mse"] = "minmax"


@dataclass(frozen=True)
class Build:
    """A model at each door: binary32 graph, quantised graph, program."""

    graph: Graph
    quantised: Graph
    program: Program


def import_graph(model: str | os.PathLike[str] | onnx.ModelProto, options: BuildOptions) -> Graph:
    """The network in binary32 as the model has it. Raises `ModelError`."""
    from seedchip.frontend import load_model

    return load_model(model, shapes=options.shapes)


def quantise_graph(graph: Graph, options: BuildOptions) -> Graph:
    """The network in the chip's numbers. Raises `QuantiseError`."""
    from seedchip.quantise import quantise

    samples = None if options.calibration is None else options.calibration(graph_inputs(graph))
    return quantise(graph, precision=options.precision, calibration=samples, method=options.method)


def build(model: str | os.PathLike[str] | onnx.ModelProto, spec: ChipSpec, options: BuildOptions) -> Build:
    """The program that computes ``model`` on a chip, and what lies on the way. Raises the errors of every step."""
    from seedchip.compiler import compile_graph

    graph = import_graph(model, options)
    quantised = quantise_graph(graph, options)
    return Build(graph, quantised, compile_graph(quantised, spec))


def build_with_host(model: str | os.PathLike[str] | onnx.ModelProto, spec: ChipSpec,
                    options: BuildOptions) -> PartitionBuild | None:
    """Programs for what the chip can compute, with the nodes that it refuses left to the host; None when there are
    none. Raises the errors of every step."""
    from seedchip.partition import build_partition, partition_model

    partition = partition_model(model, options.shapes)
    if not partition.host_nodes:
        return None
    samples = None if options.calibration is None else options.calibration(partition.input_specs)
    return build_partition(partition, spec, options.precision, (samples, options.method))


def graph_inputs(graph: Graph) -> list[InputSpec]:
    return [InputSpec(name, graph.types[name].shape, graph.types[name].dtype) for name in graph.inputs]


def program_inputs(program: Program) -> list[InputSpec]:
    return [InputSpec(p.name, p.shape, p.dtype) for p in program.inputs]


def is_program_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file looks like a safetensors container: a header that fits opens a JSON object at byte 8.

    Raises `OSError` when it cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size - 8
