"""Finds the nodes that the chip refuses, all in one pass, and slices the graph around them."""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from seedchip.frontend.builder import Tensor, graph_dtype
from seedchip.frontend.errors import UnsupportedOperator
from seedchip.frontend.importer import Importer
from seedchip.frontend.loading import LoadedModel, check_model, read_model
from seedchip.inputs import InputSpec
from seedchip.partition.host import HostError, HostNode, HostValue, open_node, reads
from seedchip.partition.slicing import ChipPart, slice_graph

_REFUSAL = " can't run on the chip: "
"""What stands between the place and the reason in the front end's refusals."""


@dataclass(frozen=True)
class Port:
    """An input or output of the model; a size is None when it is known only at run time."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Partition:
    """A model as chip parts and host nodes in the order in which they run.

    ``results`` maps each output to the graph tensor or host value that it is; ``constants`` are graph tensors known at
    import that are outputs or operands of host nodes.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    steps: tuple[ChipPart | HostNode, ...]
    results: Mapping[str, str]
    constants: Mapping[str, np.ndarray]

    @property
    def input_specs(self) -> list[InputSpec]:
        return [InputSpec(p.name, tuple(size or 0 for size in p.shape), p.dtype) for p in self.inputs]

    @property
    def host_nodes(self) -> tuple[HostNode, ...]:
        return tuple(step for step in self.steps if isinstance(step, HostNode))


class PartitioningImporter(Importer):
    """An import that goes on after a refusal: the node's outputs become inputs of the graph, or stay on the host."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__(model)
        self.host_nodes: list[HostNode] = []
        self.host_outputs: dict[str, HostValue] = {}

    def run_graph(self, graph: onnx.GraphProto, scope: ChainMap[str, Any]) -> list[Any]:
        results = super().run_graph(graph, scope)
        if self.depth:
            return results
        for value, result in zip(graph.output, results, strict=True):
            if isinstance(result, HostValue):
                self.host_outputs[value.name] = result
        return [np.zeros((), np.float32) if isinstance(r, HostValue) else r for r in results]  # taken out afterwards

    def run_node(self, node: onnx.NodeProto, scope: ChainMap[str, Any], place: str) -> None:
        if self.depth != 1:
            super().run_node(node, scope, place)
            return
        stays = next((name for name in reads(node) if isinstance(scope[name], HostValue)), None)
        if stays is not None:
            self._to_host(node, scope, place, UnsupportedOperator(
                f"{place}{_REFUSAL}it reads {stays!r}, which the host makes and whose size is known only at run time"))
            return
        first, version = len(self.build.nodes), self.opset
        try:
            super().run_node(node, scope, place)
        except UnsupportedOperator as refusal:
            del self.build.nodes[first:]
            self.depth, self.opset = 1, version
            self._to_host(node, scope, place, refusal)

    def _to_host(self, node: onnx.NodeProto, scope: ChainMap[str, Any], place: str,
                 refusal: UnsupportedOperator) -> None:
        """Records a host node and puts its outputs into ``scope``."""
        operands = {name: self._operand(scope[name]) for name in reads(node)}
        try:
            session, outputs = open_node(node, operands, self.model.proto.opset_import)
        except HostError as error:
            raise UnsupportedOperator(f"{refusal}; and ONNX Runtime can't run it on the host: {error}") from None
        position = len(self.build.nodes)
        arrivals: dict[str, Tensor] = {}
        for made in outputs:
            tensor = self._arrival(made)
            scope[made.name] = tensor or made
            if tensor:
                arrivals[made.name] = tensor
        self.host_nodes.append(HostNode(
            node.name or place.rpartition(": node ")[2].rpartition(" (")[0], node.op_type,
            str(refusal).partition(_REFUSAL)[2] or str(refusal), session,
            {n: v for n, v in operands.items() if isinstance(v, Tensor)},
            tuple(n for n, v in operands.items() if isinstance(v, HostValue)),
            tuple(o for o in node.output if o), arrivals, position))

    def _operand(self, value: Any) -> Any:
        return self.build.tensor(value) if isinstance(value, Tensor) else value

    def _arrival(self, made: HostValue) -> Tensor | None:
        """The graph input that a host node's output becomes; None when the chip can't take it."""
        try:
            graph_dtype(made.dtype)
        except KeyError:
            return None
        shape = () if made.shape is None else tuple(size for size in made.shape if size is not None)
        if made.shape != shape:
            return None
        name = made.name
        while name in self.build.types:
            name += "'"
        return self.build.add_input(name, shape, made.dtype)


def partition_model(source: str | os.PathLike[str] | onnx.ModelProto, shapes: Mapping[str, int]) -> Partition:
    """The chip parts and host nodes of an ONNX model.

    Raises `ModelError`, and `UnsupportedOperator` for a node that neither chip nor host can compute.
    """
    if isinstance(source, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(source)
        model = check_model(LoadedModel(copy, copy.graph.name or "model", None))
    else:
        model = read_model(source)
    importer = PartitioningImporter(model)
    graph = importer.run(shapes, {}, {})
    on_host = importer.host_outputs
    arrived = {t.name for node in importer.host_nodes for t in node.arrivals.values()}
    results = {public: name for public, name in graph.outputs.items() if public not in on_host}
    outputs = [Port(public, on_host[public].shape or (), on_host[public].dtype) if public in on_host else
               Port(public, graph.types[name].shape, graph.output_dtypes.get(public, graph.types[name].dtype))
               for public, name in graph.outputs.items()]
    steps = slice_graph(graph.replace(outputs=results), importer.host_nodes, tuple(v.name for v in on_host.values()))
    outside = {*results.values(), *(t.name for node in importer.host_nodes for t in node.tensors.values())}
    inputs = [Port(n, graph.types[n].shape, graph.types[n].dtype) for n in graph.inputs if n not in arrived]
    return Partition(
        graph.name, tuple(inputs), tuple(outputs), steps,
        results | {public: value.name for public, value in on_host.items()},
        {name: graph.constants[name] for name in outside if name in graph.constants})

