"""The graph: what a network computes, in the few operations that a chip's engines know.

A `Graph` is immutable. Every tensor has a name, a static shape and one of three types; every operation is a frozen
dataclass from `seedchip.graph.ops`. Image tensors are NHWC. Nothing here knows about a chip, a tile or an address.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seedchip.graph.ops import Op

DTYPES = ("float32", "int32", "int8")
"""Types of tensors. Boolean values are int8 0 and 1; int64 tensors of a model become int32, range-checked."""


@dataclass(frozen=True)
class TensorType:
    """Static shape and element type of one tensor. A scalar has shape ``()``; zero-sized tensors are legal."""

    shape: tuple[int, ...]
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"TensorType.dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")

    @property
    def num_elements(self) -> int:
        return prod(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{'x'.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Node:
    """One operation: reads tensors by name, defines ``output``. ``source`` names the model's node it came from."""

    op: Op
    inputs: tuple[str, ...]
    output: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.output} = {self.op}({', '.join(self.inputs)})"


@dataclass(frozen=True)
class Graph:
    """A network: inputs, constants and nodes in topological order.

    ``types`` holds the type of every tensor (inputs, constants, node outputs). ``outputs`` maps the model's output name
    to the tensor that carries it. ``output_dtypes`` gives the NumPy type in which each output is handed to the user
    (a model's int64 or bool output lives on the chip as int32 or int8).
    """

    name: str
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]
    constants: Mapping[str, np.ndarray]
    nodes: tuple[Node, ...]
    types: Mapping[str, TensorType]
    output_dtypes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("outputs", "constants", "types", "output_dtypes"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def replace(self, **changes: object) -> Graph:
        return replace(self, **changes)  # type: ignore[arg-type]

    def producers(self) -> dict[str, Node]:
        return {node.output: node for node in self.nodes}

    def consumers(self) -> dict[str, list[Node]]:
        """Nodes that read each tensor (a node that reads it twice appears once)."""
        table: dict[str, list[Node]] = {name: [] for name in self.types}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                table[name].append(node)
        return table

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __str__(self) -> str:
        lines = [f"graph {self.name}"]
        lines += [f"  input {name}: {self.types[name]}" for name in self.inputs]
        lines += [f"  constant {name}: {self.types[name]}" for name in self.constants]
        lines += [f"  {node}  : {self.types[node.output]}" for node in self.nodes]
        lines += [f"  output {public} = {name}" for public, name in self.outputs.items()]
        return "\n".join(lines)
