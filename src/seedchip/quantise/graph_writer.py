"""Writes a new graph node by node; names are unique, equal constants are stored once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Map, Op
from seedchip.quantise.term import Term, to_expression


class GraphWriter:
    """A graph under construction that has the inputs of ``source``."""

    def __init__(self, source: Graph) -> None:
        self.source = source
        self.types: dict[str, TensorType] = {name: source.types[name] for name in source.inputs}
        self.constants: dict[str, np.ndarray] = {}
        self.nodes: list[Node] = []
        self.place = ""
        """the model's node that the next nodes come from"""
        self._reserved = set(source.types)
        self._known: dict[tuple[object, ...], str] = {}

    def _fresh(self, hint: str) -> str:
        name, count = hint, 0
        while name in self.types or name in self._reserved:
            count += 1
            name = f"{hint}.{count}"
        return name

    def constant(self, array: np.ndarray, hint: str) -> str:
        """A constant tensor with these values."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        key = (array.dtype.name, array.shape, hashlib.sha1(array.tobytes()).digest())
        if key not in self._known:
            name = self._fresh(hint)
            self.constants[name] = array
            self.types[name] = TensorType(array.shape, array.dtype.name)
            self._known[key] = name
        return self._known[key]

    def keep_constant(self, name: str) -> str:
        """A constant of the source graph under its own name."""
        if name not in self.constants:
            self.constants[name] = self.source.constants[name]
            self.types[name] = self.source.types[name]
        return name

    def emit(self, op: Op, inputs: Sequence[str], name: str) -> str:
        """Adds a node. ``name`` is taken as it is when the source graph has that tensor, else made unique."""
        name = name if name in self._reserved and name not in self.types else self._fresh(name)
        self.types[name] = op.infer(*(self.types[i] for i in inputs))
        self.nodes.append(Node(op, tuple(inputs), name, self.place))
        return name

    def map(self, term: Term, name: str, dtype: str, shape: tuple[int, ...]) -> str:
        """Adds a map that gives ``term`` in ``shape``; a bare tensor of that type and shape is returned as it is."""
        if term.operator == "tensor" and self.types[term.tensor] == TensorType(shape, dtype):
            return term.tensor
        for keep_shapes in (False, True):
            expression, names = to_expression(term, lambda a: self.constant(a, f"{name}/constant"),
                                              keep_shapes=keep_shapes)
            if names and np.broadcast_shapes(*(self.types[n].shape for n in names)) == shape:
                return self.emit(Map(expression, dtype), names, name)
        names.append(self.constant(np.zeros(shape, np.float32), f"{name}/shape"))
        return self.emit(Map(expression, dtype), names, name)

    def finish(self, outputs: dict[str, str]) -> Graph:
        """The graph, without nodes and constants that no output needs."""
        needed = set(outputs.values())
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if node.output in needed:
                kept.append(node)
                needed.update(node.inputs)
        constants = {name: array for name, array in self.constants.items() if name in needed}
        names = {*self.source.inputs, *constants, *(node.output for node in kept)}
        return replace(self.source, outputs=outputs, constants=constants, nodes=tuple(reversed(kept)),
                       types={name: t for name, t in self.types.items() if name in names})
