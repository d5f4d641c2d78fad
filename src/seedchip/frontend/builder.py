"""Builds a `Graph` node by node: each method adds operations and returns the tensor that they make.

A `Tensor` is a runtime value; a NumPy array is a value known at import. Methods take both where that makes sense and
drop operations that change nothing (a transpose that keeps the order, a slice of everything).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from seedchip.frontend.errors import ModelError
from seedchip.graph import ops
from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import GraphError, Op
from seedchip.numerics.expression import Expression, apply, argument, constant

MAX_TENSOR_ELEMENTS = 2**31 - 1
MAX_REDUCTION = 8192
"""Longest row that one Reduce takes; longer ones are reduced in stages."""


@dataclass(frozen=True)
class Tensor:
    """A runtime tensor: its graph name and type, the element type that the model gave it, and the code of its zero.

    The model's value is the graph's value + ``offset``: uint8 codes live in int8 tensors with offset 128.
    """

    name: str
    type: TensorType
    dtype: str = "float32"
    offset: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def rank(self) -> int:
        return len(self.type.shape)

    def as_dtype(self, dtype: str) -> Tensor:
        return replace(self, dtype=dtype)


Value = Tensor | np.ndarray
FLOATS = ("float32", "float16", "float64", "bfloat16")
NARROW_FLOATS = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float4_e2m1fn")
"""Only read: binary32 holds them exactly; no operation makes them."""
NARROW_INTEGERS = ("int4", "uint4", "int2", "uint2")


def graph_dtype(dtype: str) -> str:
    """Type of a graph tensor that carries model values of NumPy type ``dtype``. Raises KeyError for other types."""
    if dtype in FLOATS or dtype in NARROW_FLOATS:
        return "float32"
    if dtype in ("int8", "bool") or dtype in NARROW_INTEGERS:
        return "int8"
    return {"int16": "int32", "int32": "int32", "int64": "int32", "uint8": "int32", "uint16": "int32",
            "uint32": "int32", "uint64": "int32"}[dtype]


class Builder:
    """Collects nodes, constants and types of one graph."""

    def __init__(self) -> None:
        self.inputs: list[str] = []
        self.nodes: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}
        self.types: dict[str, TensorType] = {}
        self.source = ""
        self.prefix = "value"
        self._constant_names: dict[int, tuple[np.ndarray, str]] = {}

    # names -----------------------------------------------------------------------------------------------------------
    def _fresh(self, hint: str) -> str:
        name, count = hint, 0
        while name in self.types:
            count += 1
            name = f"{hint}.{count}"
        return name

    def add_input(self, name: str, shape: tuple[int, ...], dtype: str) -> Tensor:
        tensor_type = TensorType(shape, graph_dtype(dtype))
        self.inputs.append(name)
        self.types[name] = tensor_type
        return Tensor(name, tensor_type, dtype)

    def rename_last(self, tensor: Tensor, name: str) -> Tensor:
        """Gives the tensor that the last node makes the model's own name, if that is free."""
        if not self.nodes or self.nodes[-1].output != tensor.name or name in self.types:
            return tensor
        self.nodes[-1] = replace(self.nodes[-1], output=name)
        self.types[name] = self.types.pop(tensor.name)
        return replace(tensor, name=name)

    # values ----------------------------------------------------------------------------------------------------------
    def constant(self, array: np.ndarray, hint: str = "") -> Tensor:
        """A constant as a graph tensor; integers must fit in int32."""
        known = self._constant_names.get(id(array))
        if known and known[0] is array:
            return Tensor(known[1], self.types[known[1]], array.dtype.name)
        values = self.to_graph_values(array)
        name = self._fresh(hint or f"{self.prefix}/constant")
        self.constants[name] = values
        self.types[name] = TensorType(values.shape, values.dtype.name)
        self._constant_names[id(array)] = (array, name)
        return Tensor(name, self.types[name], array.dtype.name)

    def to_graph_values(self, array: np.ndarray) -> np.ndarray:
        try:
            dtype = graph_dtype(array.dtype.name)
        except KeyError:
            raise ModelError(f"{self.source}: a tensor must hold real numbers, not {array.dtype.name}; "
                             "convert the model to float32 or int8") from None
        if dtype == "int32" and array.size and (array.max() > 2**31 - 1 or array.min() < -(2**31)):
            raise ModelError(f"{self.source}: integer values must fit in 32 bits, not {int(array.max())} and "
                             f"{int(array.min())}; reduce the range of the values")
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(array, dtype=dtype).reshape(array.shape)

    def tensor(self, value: Value) -> Tensor:
        """``value`` as a graph tensor that holds the model's values themselves (offset 0)."""
        if not isinstance(value, Tensor):
            return self.constant(value)
        if not value.offset:
            return value
        offset = float(value.offset)
        plain = self.map(lambda q: apply("add", q, offset), replace(value, offset=0), dtype="int32")
        return plain.as_dtype(value.dtype)

    def emit(self, op: Op, inputs: Sequence[Tensor], dtype: str | None = None) -> Tensor:
        """Adds one node; ``dtype`` is the model's element type (that of the first input if not given)."""
        try:
            result = op.infer(*(t.type for t in inputs))
        except GraphError as error:
            raise ModelError(f"{self.source}: {error}; repair the model") from None
        if result.num_elements > MAX_TENSOR_ELEMENTS:
            raise ModelError(f"{self.source}: a tensor must not have more than {MAX_TENSOR_ELEMENTS} elements, not "
                             f"{result}; bind smaller sizes")
        name = self._fresh(f"{self.prefix}/{op.name}")
        self.nodes.append(Node(op, tuple(t.name for t in inputs), name, self.source))
        self.types[name] = result
        offset = inputs[0].offset if result.dtype == inputs[0].type.dtype and not isinstance(op, ops.Map) else 0
        return Tensor(name, result, dtype or inputs[0].dtype, offset)

    def only_input(self, name: str) -> str:
        """The single graph input that tensor ``name`` is computed from; the tensor itself if there are more or none."""
        made = {node.output: node for node in self.nodes}
        found, pending = set(), [name]
        while pending:
            current = pending.pop()
            if current in made:
                pending.extend(made[current].inputs)
            elif current in self.inputs:
                found.add(current)
        return found.pop() if len(found) == 1 else name

    # element-wise ----------------------------------------------------------------------------------------------------
    def map(self, function: Callable[..., Expression], *values: Value, dtype: str = "float32") -> Tensor:
        """``function`` of expressions applied element by element; ``dtype`` is the graph type of the result.

        Constants with a single element become numbers inside the expression.
        """
        rank = max((np.ndim(v) if not isinstance(v, Tensor) else v.rank for v in values), default=0)
        leaves: list[Expression] = []
        operands: list[Tensor] = []
        for value in values:
            if not isinstance(value, Tensor) and value.size == 1:
                leaves.append(constant(float(value.reshape(())[()])))
                continue
            operand = self.tensor(value)
            names = [o.name for o in operands]
            if operand.name in names:
                leaves.append(argument(names.index(operand.name)))
                continue
            leaves.append(argument(len(operands)))
            operands.append(operand)
        if not operands:
            operands.append(self.constant(np.zeros((1,) * rank, np.float32)))
        if operands[0].rank < rank and all(o.rank < rank for o in operands):
            operands[0] = self.reshape(operands[0], (1,) * (rank - operands[0].rank) + operands[0].shape)
        return self.emit(ops.Map(_shared(function(*leaves)), dtype), operands, dtype)

    # movement --------------------------------------------------------------------------------------------------------
    def transpose(self, x: Tensor, perm: Sequence[int]) -> Tensor:
        return x if list(perm) == list(range(x.rank)) else self.emit(ops.Transpose(tuple(perm)), [x])

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        shape = tuple(int(s) for s in shape)
        return x if shape == x.shape else self.emit(ops.Reshape(shape), [x])

    def expand(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        shape = tuple(int(s) for s in shape)
        return x if shape == x.shape else self.emit(ops.Expand(shape), [x])

    def slice(self, x: Tensor, starts: Sequence[int], sizes: Sequence[int],
              steps: Sequence[int] | None = None) -> Tensor:
        steps = tuple(steps or (1,) * x.rank)
        if tuple(sizes) == x.shape and all(s == 1 or n <= 1 for s, n in zip(steps, sizes, strict=True)):
            return x
        return self.emit(ops.Slice(tuple(starts), tuple(sizes), steps), [x])

    def slice_axis(self, x: Tensor, axis: int, start: int, size: int, step: int = 1) -> Tensor:
        starts, sizes, steps = [0] * x.rank, list(x.shape), [1] * x.rank
        starts[axis], sizes[axis], steps[axis] = start, size, step
        return self.slice(x, starts, sizes, steps)

    def take(self, x: Tensor, axis: int, indices: Sequence[int]) -> Tensor:
        """Entries of one axis; a regular pattern becomes a slice."""
        indices = [int(i) for i in indices]
        if indices == list(range(x.shape[axis])):
            return x
        steps = {b - a for a, b in pairwise(indices)}
        if len(indices) == 1 or (len(steps) == 1 and 0 not in steps):
            return self.slice_axis(x, axis, indices[0], len(indices), steps.pop() if steps else 1)
        return self.emit(ops.Take(axis, tuple(indices)), [x])

    def concat(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        tensors = [t for t in tensors if t.shape[axis]] or list(tensors[:1])
        if len({t.offset for t in tensors}) > 1:
            tensors = [self.tensor(t) for t in tensors]
        return tensors[0] if len(tensors) == 1 else self.emit(ops.Concat(axis), tensors)

    def pad(self, x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
        if not any(before) and not any(after):
            return x
        return self.emit(ops.Pad(tuple(before), tuple(after), value - x.offset), [x])

    # matrices and reductions -----------------------------------------------------------------------------------------
    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        for x in (a, b):
            self._check_weights(x)
        return self.emit(ops.MatMul(), [a, b], "int32" if a.type.dtype == "int8" else "float32")

    def conv(self, x: Tensor, w: Tensor, op: ops.Conv) -> Tensor:
        self._check_weights(w)
        return self.emit(op, [x, w], "int32" if x.type.dtype == "int8" else "float32")

    def _check_weights(self, x: Tensor) -> None:
        array = self.constants.get(x.name)
        if array is not None and array.dtype == np.float32 and not np.isfinite(np.sum(array, dtype=np.float64)):
            raise ModelError(f"{self.source}: weights {x.name!r} must be finite numbers; repair or train the model "
                             "again")

    def reduce_last(self, kind: str, x: Tensor) -> Tensor:
        """Reduction of the last axis (kept, size 1), in stages of at most `MAX_REDUCTION` elements."""
        length = x.shape[-1]
        if length == 1:
            return x if x.type.dtype == "float32" else self.map(lambda a: a, x)
        if length > MAX_REDUCTION:
            inner = next((d for d in range(MAX_REDUCTION, 1, -1) if length % d == 0), 1)
            if inner < 64:
                inner = MAX_REDUCTION
                x = self._fill_row(kind, x, -length % inner)
            rows = self.reshape(x, (*x.shape[:-1], x.shape[-1] // inner, inner))
            partial = self.emit(ops.Reduce(kind), [rows], "float32")  # type: ignore[arg-type]
            return self.reduce_last(kind, self.reshape(partial, partial.shape[:-1]))
        return self.emit(ops.Reduce(kind), [x], "float32")  # type: ignore[arg-type]

    def _fill_row(self, kind: str, x: Tensor, count: int) -> Tensor:
        zeros = [0] * (x.rank - 1)
        if kind == "sum":
            return self.pad(x, [0] * x.rank, [*zeros, count])
        return self.concat([x, self.expand(self.slice_axis(x, x.rank - 1, 0, 1), (*x.shape[:-1], count))], x.rank - 1)

    def reduce(self, kind: str, x: Tensor, axes: Sequence[int], keepdims: bool = True) -> Tensor:
        """Reduction over any axes; float32 out. Spatial axes of an image are reduced as one window, per channel."""
        axes = sorted({a % x.rank for a in axes}) if x.rank else []
        kept = [a for a in range(x.rank) if a not in axes]
        shape = [1 if a in axes else n for a, n in enumerate(x.shape)] if keepdims else [x.shape[a] for a in kept]
        if not axes:
            return x if x.type.dtype == "float32" else self.map(lambda a: a, x)
        if x.rank == 4 and axes == [2, 3] and kind in ("sum", "max"):
            image = self.transpose(x, (0, 2, 3, 1))
            pooled = self.global_pool(kind, image)
            return self.reshape(self.transpose(pooled, (0, 3, 1, 2)), shape)
        moved = self.transpose(x, [*kept, *axes])
        rows = self.reshape(moved, [*(x.shape[a] for a in kept), int(np.prod([x.shape[a] for a in axes]))])
        return self.reshape(self.reduce_last(kind, rows), shape)

    def global_pool(self, kind: str, image: Tensor) -> Tensor:
        """One value per channel of an NHWC image; large images column by column, then row by row."""
        height, width = image.shape[1:3]
        if height * width <= 256:
            return self.emit(ops.Pool(kind, (height, width)), [image], "float32")  # type: ignore[arg-type]
        columns = self.emit(ops.Pool(kind, (1, width), (1, 1)), [image], "float32")  # type: ignore[arg-type]
        return self.emit(ops.Pool(kind, (height, 1)), [columns], "float32")  # type: ignore[arg-type]

    def finish(self, name: str, outputs: dict[str, Tensor], dtypes: dict[str, str]) -> Graph:
        return Graph(name, tuple(self.inputs), {k: t.name for k, t in outputs.items()}, self.constants,
                     tuple(self.nodes), self.types, dtypes)


@lru_cache(maxsize=4096)
def _shared(expression: Expression) -> Expression:
    """One object for equal expressions, so that later comparisons are of identities."""
    return expression
