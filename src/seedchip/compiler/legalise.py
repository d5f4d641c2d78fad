"""Graph rewriting for the engines' limits: what one instruction cannot say in one step is said in several."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.placement import CompileError
from seedchip.compiler.products import block_channels
from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import (
    Concat,
    Conv,
    Expand,
    Gather,
    Map,
    MatMul,
    Op,
    Pad,
    Pool,
    Reduce,
    Reshape,
    Slice,
    Transpose,
)
from seedchip.isa.vector import MAX_CONSTANTS, MAX_OPERATIONS
from seedchip.numerics.expression import Expression, apply, argument, postorder, substitute

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

MAX_TENSORS, MAX_COLUMNS = 3, 8


def legalise(graph: Graph, spec: ChipSpec) -> Graph:
    """A graph with the same values in which every node is one step of an engine. Scalars get one axis."""
    return _Legaliser(graph, spec).run()


class _Legaliser:
    def __init__(self, graph: Graph, spec: ChipSpec) -> None:
        self.graph, self.spec = graph, spec
        self.types = {k: TensorType(t.shape or (1,), t.dtype) for k, t in graph.types.items()}
        self.constants: dict[str, np.ndarray] = {k: np.asarray(v).reshape(np.shape(v) or (1,))
                                                 for k, v in graph.constants.items()}
        self.nodes: list[Node] = []

    def run(self) -> Graph:
        for name in self.graph.inputs:
            self._not_empty(name, self.graph.name)
        for node in self.graph:
            self._not_empty(node.output, node.source or node.output)
            self._node(node)
        return self.graph.replace(nodes=tuple(self.nodes), types=self.types, constants=self.constants)

    def _not_empty(self, name: str, where: str) -> None:
        if self.types[name].num_elements == 0:
            raise CompileError(f"{where}: tensor {name} has no elements ({self.types[name]}); bind the dimensions to "
                               "sizes above 0")

    def _add(self, op: Op, inputs: tuple[str, ...], like: Node, output: str = "") -> str:
        name = output or f"{like.output}/{len(self.nodes)}"
        result = op.infer(*(self.types[n] for n in inputs))
        self.types[name] = TensorType(result.shape or (1,), result.dtype)
        self.nodes.append(Node(op, inputs, name, like.source))
        return name

    def _node(self, node: Node) -> None:
        op = node.op
        if isinstance(op, (MatMul, Conv)) and self.types[node.output].dtype != "int32":
            raise CompileError(f"{node.source or node.output}: {op.name} on {self.types[node.inputs[0]]} must be "
                               "quantised first")
        if isinstance(op, Map):
            self._map(node, op)
        elif isinstance(op, (MatMul, Conv)) and self.types[node.output].shape[-1] == 1:
            self._thin_product(node, op)
        elif isinstance(op, Gather):
            self._gather(node, op)
        elif isinstance(op, Conv) and op.groups > 1:
            self._grouped(node, op)
        elif isinstance(op, Pool) and self.types[node.output].shape[3] == 1:
            self._thin_pool(node, op)
        elif isinstance(op, Reduce) and self.types[node.inputs[0]].shape[-1] == 1:
            self._add(Map(apply("add", argument(0), 0.0)), node.inputs, node, node.output)
        elif isinstance(op, Reshape):
            self._add(Reshape(op.shape or (1,)), node.inputs, node, node.output)
        elif isinstance(op, Expand):
            self._add(Expand(op.shape or (1,)), node.inputs, node, node.output)
        elif isinstance(op, (Transpose, Slice)) and not self.graph.types[node.output].shape:
            self._add(Reshape((1,)), node.inputs, node, node.output)
        else:
            self.nodes.append(node)

    # Convolutions --------------------------------------------------------------------------------------------------

    def _grouped(self, node: Node, op: Conv) -> None:
        """Groups that fit the array side by side stay one step; others go one by one, or as one kernel with zeros."""
        columns = self.spec.matrix.columns
        shape = self.types[node.inputs[1]].shape
        block = block_channels(columns, op, shape)
        per_group = shape[3] // op.groups
        constant = all(n in self.constants for n in node.inputs[1::2])
        if constant and block and (block <= self.spec.matrix.rows or per_group == columns):
            self.nodes.append(node)
        elif constant and per_group * 2 < columns:
            self._dense(node, op)
        else:
            self._one_by_one(node, op)

    def _dense(self, node: Node, op: Conv) -> None:
        """One convolution whose kernel is zero off the groups."""
        inputs = list(node.inputs)
        for i in range(1, len(inputs), 2):
            value = self.constants[inputs[i]]
            kh, kw, depth, width = value.shape
            whole = np.zeros((kh, kw, depth * op.groups, width), value.dtype)
            per_group = width // op.groups
            for g in range(op.groups):
                part = slice(g * per_group, (g + 1) * per_group)
                whole[:, :, g * depth:(g + 1) * depth, part] = value[..., part]
            inputs[i] = self._constant(f"{inputs[i]}/dense", whole)
        self._add(Conv(op.strides, op.dilations, op.pads, 1, op.pad_value), tuple(inputs), node, node.output)

    def _one_by_one(self, node: Node, op: Conv) -> None:
        parts = []
        for g in range(op.groups):
            inputs = [self._part(name, 3, g, op.groups, node) for name in node.inputs]
            single = Conv(op.strides, op.dilations, op.pads, 1, op.pad_value)
            if self.types[inputs[1]].shape[3] == 1:
                inputs = [self._widened(n, node) if i % 2 else n for i, n in enumerate(inputs)]
                wide = self._add(single, tuple(inputs), node)
                shape = (*self.types[wide].shape[:3], 1)
                parts.append(self._add(Slice((0,) * 4, shape, (1,) * 4), (wide,), node))
            else:
                parts.append(self._add(single, tuple(inputs), node))
        self._add(Concat(3), tuple(parts), node, node.output)

    def _part(self, name: str, axis: int, index: int, count: int, like: Node) -> str:
        shape = self.types[name].shape
        size = shape[axis] // count
        if name in self.constants:
            return self._constant(f"{name}/{index}", self.constants[name][..., index * size:(index + 1) * size])
        starts = tuple(index * size if i == axis else 0 for i in range(len(shape)))
        sizes = tuple(size if i == axis else n for i, n in enumerate(shape))
        return self._add(Slice(starts, sizes, (1,) * len(shape)), (name,), like)

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = np.ascontiguousarray(value)
        self.types[name] = TensorType(value.shape, str(value.dtype))
        return name

    # Rows of one element --------------------------------------------------------------------------------------------
    # They are packed in memory, which the engines' wide writes can't do: a second column is put beside the first.

    def _widened(self, name: str, like: Node) -> str:
        """The tensor with a second column of zeros."""
        axes = len(self.types[name].shape)
        if name in self.constants:
            return self._constant(f"{name}/wide", np.pad(self.constants[name], [(0, 0)] * (axes - 1) + [(0, 1)]))
        return self._add(Pad((0,) * axes, (*(0,) * (axes - 1), 1)), (name,), like)

    def _first_column(self, name: str, node: Node) -> None:
        shape = self.types[node.output].shape
        self._add(Slice((0,) * len(shape), shape, (1,) * len(shape)), (name,), node, node.output)

    def _thin_product(self, node: Node, op: MatMul | Conv) -> None:
        """One output column; a convolution with one output channel has one group."""
        inputs = [self._widened(n, node) if i % 2 else n for i, n in enumerate(node.inputs)]
        self._first_column(self._add(op, tuple(inputs), node), node)

    def _gather(self, node: Node, op: Gather) -> None:
        """Tables of one column are widened; one row by a scalar index is a list of one row, taken out of it."""
        table, indices = node.inputs
        thin = self.types[table].shape[1] == 1
        if self.graph.types[indices].shape:
            if thin:
                self._first_column(self._add(op, (self._widened(table, node), indices), node), node)
            else:
                self.nodes.append(node)
            return
        row = self._add(op, (self._widened(table, node) if thin else table, indices), node)
        if thin:
            row = self._add(Slice((0, 0), (1, 1), (1, 1)), (row,), node)
        self._add(Reshape(self.types[node.output].shape), (row,), node, node.output)

    def _thin_pool(self, node: Node, op: Pool) -> None:
        """A window over one channel: rows of one element are packed, so a second channel is put beside it."""
        self._first_column(self._add(op, (self._widened(node.inputs[0], node),), node), node)

    # Maps ----------------------------------------------------------------------------------------------------------

    def _map(self, node: Node, op: Map) -> None:
        inputs = tuple(self._fitting(name, self.types[node.output].shape, node) for name in node.inputs)
        if self._fits(op.expression, inputs):
            self._add(op, inputs, node, node.output)
        else:
            self._split(node, op, inputs)

    def _fitting(self, name: str, shape: tuple[int, ...], like: Node) -> str:
        """Operands of one-element rows must be whole or single: others are broadcast by copying."""
        own = self.types[name].shape
        if shape[-1] != 1 or prod(own) in (1, prod(shape)):
            return name
        return self._add(Expand(shape), (name,), like)

    def _split(self, node: Node, op: Map, inputs: tuple[str, ...]) -> None:
        """Emit a map that is too large in pieces, each a map of its own."""
        root, names = op.expression, list(inputs)
        while not self._fits(root, tuple(names)):
            piece = self._largest_piece(root, tuple(names), node)
            used = sorted({e.value for e in postorder(piece) if e.operator == "argument"})
            local = _renumber(piece, used)
            name = self._add(Map(local), tuple(names[i] for i in used), node)
            root = _replace(root, piece, argument(len(names)))
            names.append(name)
        used = sorted({e.value for e in postorder(root) if e.operator == "argument"})
        local = _renumber(root, used)
        self._add(Map(local, op.dtype), tuple(names[i] for i in used), node, node.output)

    def _largest_piece(self, root: Expression, names: tuple[str, ...], node: Node) -> Expression:
        """The largest proper sub-expression that fits one instruction and leaves fewer tensors or operations."""
        pieces = [e for e in postorder(root) if e.operands and e is not root and self._fits(e, names)
                  and any(o.operator == "argument" for o in postorder(e))]
        shape = self.types[node.output].shape
        whole = [e for e in pieces if self._shape(e, names) == shape] or pieces
        if not whole:
            raise CompileError(f"{node.source or node.output}: the element-wise function cannot be split into "
                               "instructions")
        return max(whole, key=lambda e: (len(self._tensors(e, names)), len(postorder(e))))

    def _shape(self, e: Expression, names: tuple[str, ...]) -> tuple[int, ...]:
        leaves = [o for o in postorder(e) if o.operator == "argument"]
        return np.broadcast_shapes(*(self.types[names[o.value]].shape for o in leaves))

    def _tensors(self, e: Expression, names: tuple[str, ...]) -> set[str]:
        used = {names[o.value] for o in postorder(e) if o.operator == "argument"}
        return {n for n in used if not self._is_column(n)}

    def _is_column(self, name: str) -> bool:
        return name in self.constants and self.types[name].shape[-1] == self.types[name].num_elements

    def _fits(self, e: Expression, names: tuple[str, ...]) -> bool:
        order = postorder(e)
        used = {names[o.value] for o in order if o.operator == "argument"}
        columns = [n for n in used if self._is_column(n) and self.types[n].num_elements > 1]
        constants = {o.value for o in order if o.operator == "constant"}
        constants |= {n for n in used if self._is_column(n) and self.types[n].num_elements == 1}  # type: ignore[misc]
        operations = sum(1 for o in order if o.operands)
        return (len(self._tensors(e, names)) <= MAX_TENSORS and len(columns) <= MAX_COLUMNS
                and operations <= MAX_OPERATIONS and len(constants) <= MAX_CONSTANTS)


def _renumber(root: Expression, used: list[int]) -> Expression:
    """``root``, whose arguments are ``used``, with these as arguments 0, 1, ..."""
    place = {old: argument(new) for new, old in enumerate(used)}
    return substitute(root, [place.get(i, argument(0)) for i in range(max(used, default=-1) + 1)])


def _replace(root: Expression, piece: Expression, by: Expression) -> Expression:
    built: dict[int, Expression] = {}
    for e in postorder(root):
        if e is piece:
            built[id(e)] = by
        elif not e.operands:
            built[id(e)] = e
        else:
            built[id(e)] = Expression(e.operator, tuple(built[id(o)] for o in e.operands), e.value)
    return built[id(root)]
