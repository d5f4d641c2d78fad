"""Writes a new graph from an old one: passes read the old graph's nodes in order and emit what takes their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import Map, Op, Reshape, Transpose
from seedchip.numerics.expression import (
    Expression,
    argument,
    evaluate,
    merge,
    pattern,
    postorder,
    substitute,
)


class Rewriter:
    """The graph under construction. Names of the old graph stay valid for tensors that are copied."""

    def __init__(self, graph: Graph) -> None:
        self.old = graph
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = dict(graph.constants)
        self.types: dict[str, TensorType] = {n: graph.types[n] for n in (*graph.inputs, *graph.constants)}
        self._reserved = set(graph.types)

    def fresh(self, hint: str) -> str:
        name, count = hint, 0
        while name in self.types or name in self._reserved:
            count += 1
            name = f"{hint}.{count}"
        return name

    def emit(self, op: Op, inputs: Sequence[str], source: str = "", name: str = "") -> str:
        """Adds a node and returns its output; ``name`` is taken as it is when no other node has it."""
        output = name if name and name not in self.types else self.fresh(f"{name or inputs[0]}/{op.name}")
        self.types[output] = op.infer(*(self.types[i] for i in inputs))
        self.nodes.append(Node(op, tuple(inputs), output, source))
        return output

    def copy(self, node: Node, inputs: Sequence[str] | None = None) -> str:
        return self.emit(node.op, node.inputs if inputs is None else inputs, node.source, node.output)

    def constant(self, array: np.ndarray, hint: str) -> str:
        name = self.fresh(hint)
        self.constants[name] = np.ascontiguousarray(array)
        self.types[name] = TensorType(array.shape, array.dtype.name)
        return name

    def transpose(self, x: str, perm: Sequence[int], source: str = "", name: str = "") -> str:
        """Transpose of a tensor: of a constant at once, as a reshape where only axes of size 1 move."""
        shape = self.types[x].shape
        if list(perm) == list(range(len(shape))):
            return x
        if x in self.constants:
            return self.constant(self.constants[x].transpose(perm), x)
        if moves_only_units(shape, perm):
            return self.emit(Reshape(tuple(shape[p] for p in perm)), [x], source, name)
        return self.emit(Transpose(tuple(perm)), [x], source, name)

    def reshape(self, x: str, shape: Sequence[int], source: str = "", name: str = "") -> str:
        if self.types[x].shape == tuple(shape):
            return x
        if x in self.constants:
            return self.constant(self.constants[x].reshape(shape), x)
        return self.emit(Reshape(tuple(shape)), [x], source, name)

    def map(self, expression: Expression, inputs: Sequence[str], dtype: str, place: tuple[str, str]) -> str:
        """A map in normal form; ``place`` is its source and the name of its output."""
        expression, kept = normal_map(expression, inputs, self.types, self.constants)
        return self.emit(Map(expression, dtype), kept, *place)

    def finish(self, outputs: Mapping[str, str]) -> Graph:
        return remove_dead(self.old.replace(outputs=dict(outputs), constants=self.constants, nodes=tuple(self.nodes),
                                            types=self.types))


def remove_dead(graph: Graph) -> Graph:
    """The graph without nodes and constants that no output depends on."""
    needed = set(graph.outputs.values())
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    constants = {n: a for n, a in graph.constants.items() if n in needed}
    names = {*graph.inputs, *constants, *(n.output for n in kept)}
    return graph.replace(nodes=tuple(reversed(kept)), constants=constants,
                         types={n: t for n, t in graph.types.items() if n in names})


def moves_only_units(shape: Sequence[int], perm: Sequence[int]) -> bool:
    """Whether the axes that are longer than 1 keep their order."""
    moved = [p for p in perm if shape[p] != 1]
    return moved == sorted(moved)


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(perm))


def normal_map(expression: Expression, inputs: Sequence[str], types: Mapping[str, TensorType],
               constants: Mapping[str, np.ndarray]) -> tuple[Expression, list[str]]:
    """A map with equal operands merged, unread ones dropped, single-element constants written as numbers, and constant
    sub-expressions computed. The output's shape is kept."""
    shape = np.broadcast_shapes(*(types[i].shape for i in inputs))
    leaves: list[tuple[str, int]] = []
    for name in inputs:
        if name in constants and constants[name].size == 1:
            leaves.append(("constant", int(constants[name].astype(np.float32).reshape(1).view(np.int32)[0])))
        else:
            leaves.append(("argument", inputs.index(name)))
    expression, read = _with_leaves(expression, tuple(leaves))
    used = list(read)
    if not used or np.broadcast_shapes(*(types[inputs[i]].shape for i in used)) != shape:
        used = sorted({*used, *_shape_givers(inputs, used, types, shape)})
    if used == list(range(len(inputs))):
        return expression, list(inputs)
    numbers = {old: new for new, old in enumerate(used)}
    kept = tuple(("argument", numbers.get(i, 0)) for i in range(len(inputs)))
    return _with_leaves(expression, kept)[0], [inputs[i] for i in used]


@lru_cache(maxsize=4096)
def _with_leaves(expression: Expression, leaves: tuple[tuple[str, int], ...]) -> tuple[Expression, tuple[int, ...]]:
    """The expression with its arguments replaced by arguments or bit patterns and what is constant computed; and the
    arguments that it still reads. Networks repeat their layers, so most calls are answered from the cache."""
    values = [argument(v) if kind == "argument" else pattern(v) for kind, v in leaves]
    result = _computed(substitute(expression, values))
    return result, tuple(sorted({e.value for e in postorder(result) if e.operator == "argument"}))


def _shape_givers(inputs: Sequence[str], used: Sequence[int], types: Mapping[str, TensorType],
                  shape: tuple[int, ...]) -> list[int]:
    """Operands that an expression doesn't read but that give the result its shape."""
    chosen = list(used)
    for i in sorted(range(len(inputs)), key=lambda i: -len(types[inputs[i]].shape)):
        if np.broadcast_shapes(*(types[inputs[j]].shape for j in {*chosen, i})) != \
                (np.broadcast_shapes(*(types[inputs[j]].shape for j in chosen)) if chosen else None):
            chosen.append(i)
        if np.broadcast_shapes(*(types[inputs[j]].shape for j in chosen)) == shape:
            break
    return chosen


def _computed(root: Expression) -> Expression:
    built: dict[int, Expression] = {}
    for e in postorder(root):
        operands = tuple(built[id(o)] for o in e.operands)
        if operands and all(o.operator == "constant" for o in operands):
            value = evaluate(Expression(e.operator, operands), [])
            built[id(e)] = pattern(int(np.asarray(value, np.float32).reshape(1).view(np.int32)[0]))
        else:
            built[id(e)] = Expression(e.operator, operands, e.value) if operands else e
    return merge(built[id(root)])
