"""From a partitioned model to programs: every chip part is quantised and compiled on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler import compile_graph
from seedchip.graph.ir import Graph
from seedchip.graph.passes import simplify
from seedchip.graph.reference import evaluate
from seedchip.partition.host import HostNode
from seedchip.partition.importer import Partition
from seedchip.partition.values import Values
from seedchip.program import Program
from seedchip.quantise import quantise
from seedchip.quantise.calibration import Feeds, Method
from seedchip.quantise.options import Precision

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec


@dataclass(frozen=True)
class PartitionBuild:
    """A partition with every chip part at each door: binary32 graph, quantised graph, program (None for host nodes)."""

    partition: Partition
    graphs: tuple[Graph | None, ...]
    quantised: tuple[Graph | None, ...]
    programs: tuple[Program | None, ...]


def build_partition(partition: Partition, spec: ChipSpec, precision: Precision = "int8",
                    calibration: tuple[Sequence[Feeds] | None, Method] = (None, "minmax")) -> PartitionBuild:
    """A program for every chip part.

    ``calibration`` is feeds of the whole model (None for scales found at run time) and the method. What reaches each
    part is computed from the feeds in binary32. Raises `QuantiseError` and `CompileError`.
    """
    samples, method = calibration
    graphs = tuple(None if isinstance(step, HostNode) else simplify(step.graph) for step in partition.steps)
    arriving = None if samples is None else _arriving(partition, graphs, samples)
    quantised = tuple(
        None if graph is None else quantise(graph, precision=precision, method=method,
                                            calibration=None if arriving is None else arriving[index])
        for index, graph in enumerate(graphs))
    return PartitionBuild(partition, graphs, quantised,
                          tuple(None if graph is None else compile_graph(graph, spec) for graph in quantised))


def _arriving(partition: Partition, graphs: Sequence[Graph | None],
              samples: Sequence[Feeds]) -> list[list[dict[str, np.ndarray]]]:
    """For every step, what its graph is fed with for each sample."""
    arriving: list[list[dict[str, np.ndarray]]] = [[] for _ in graphs]
    for sample in samples:
        values = Values(partition, sample)
        for index, (step, graph) in enumerate(zip(partition.steps, graphs, strict=True)):
            if isinstance(step, HostNode):
                values.run_host(step)
            elif graph is not None:
                feeds = {name: values.read(name).astype(graph.types[name].dtype) for name in graph.inputs}
                arriving[index].append(feeds)
                values.tensors.update(evaluate(graph, feeds))
    return arriving
