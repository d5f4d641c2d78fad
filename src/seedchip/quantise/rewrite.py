"""Rewrites a binary32 graph: matrix nodes become int8, everything between them becomes maps with folded constants.

Every binary32 tensor of the source has a *value*, a `Term` over tensors of the new graph. A matrix node's value is its
int32 sums times its scales; a map's value is its program over its operands' values. Values are written out as maps only
where `Storage` says so, and the simplifier folds what meets there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Conv, Map, MatMul, Op, Pad, Pool, Slice
from seedchip.numerics.expression import argument
from seedchip.numerics.limbs import diagonals, max_depth, recombine, unit
from seedchip.quantise.calibration import Statistics
from seedchip.quantise.dynamic import DynamicCodes, Extent, quantise_dynamically, write_limbs
from seedchip.quantise.errors import QuantiseError
from seedchip.quantise.graph_writer import GraphWriter
from seedchip.quantise.options import LayerChoice
from seedchip.quantise.scales import AffineScale, ScaleRule, activation_scales
from seedchip.quantise.simplify import simplify
from seedchip.quantise.storage import is_float_matrix, moves_codes, plan_storage
from seedchip.quantise.term import Term, const, from_expression, operate, read, trim
from seedchip.quantise.weights import quantise_weights


@dataclass(frozen=True)
class Operand:
    """One side of a quantised product: limb tensors, lowest first, and what the product is multiplied with."""

    limbs: tuple[str, ...]
    scale: np.ndarray = field(default_factory=lambda: np.array(1.0))
    runtime_scale: str = ""
    correction: np.ndarray | None = None


class Rewriter:
    """One run of the rewriting; `run` gives the new graph."""

    def __init__(self, graph: Graph, choices: Mapping[str, LayerChoice], statistics: Mapping[str, Statistics],
                 rule: ScaleRule) -> None:
        self.graph, self.choices, self.statistics, self.rule = graph, choices, statistics, rule
        self.storage = plan_storage(graph, choices, rule.options, frozenset(statistics))
        self.scales = activation_scales(graph, self.storage, choices, rule, statistics)
        self.writer = GraphWriter(graph)
        self.values: dict[str, Term] = {name: read(name) for name in graph.inputs}
        self.tensors: dict[str, str] = {}
        self.codes: dict[str, str] = {}
        self.dynamic: dict[tuple[str, Extent, int], DynamicCodes] = {}
        self.limbs: dict[tuple[str, int], Operand] = {}

    def run(self) -> Graph:
        for name in self.graph.inputs:
            self._settle(name)
        for node in self.graph.nodes:
            self.writer.place = node.source
            self._rewrite(node)
        self.writer.place = ""
        return self.writer.finish({public: self._tensor(name) for public, name in self.graph.outputs.items()})

    # values ----------------------------------------------------------------------------------------------------------
    def _value(self, name: str) -> Term:
        """What a map reads for ``name``."""
        if name in self.graph.constants:
            array = self.graph.constants[name]
            return const(array) if array.dtype == np.float32 and not np.isnan(array).any() \
                else read(self.writer.keep_constant(name))
        return self.values[name]

    def _tensor(self, name: str) -> str:
        """``name`` as a tensor of its own type in the new graph."""
        if name in self.graph.constants:
            return self.writer.keep_constant(name)
        if name not in self.tensors:
            declared = self.graph.types[name]
            self.tensors[name] = self.writer.map(simplify(self.values[name]), name, declared.dtype, declared.shape)
            if name not in self.codes or name in self.storage.floats:
                self.values[name] = read(self.tensors[name])
        return self.tensors[name]

    def _codes(self, name: str) -> str:
        """``name`` as int8 codes in its planned scale."""
        if name not in self.codes:
            if name in self.graph.constants:
                codes = self.scales[name].quantised(self.graph.constants[name])
                self.codes[name] = self.writer.constant(codes, f"{name}/int8")
            else:
                term = self.scales[name].code(self.values[name])
                self.codes[name] = self.writer.map(term, f"{name}/int8", "int8", self.graph.types[name].shape)
        return self.codes[name]

    def _settle(self, name: str) -> None:
        """Writes ``name`` out in the forms that its storage asks for."""
        if name in self.storage.inlined:
            return
        if name in self.storage.floats and name not in self.graph.inputs:
            self._tensor(name)
        if name in self.storage.codes:
            codes = self._codes(name)
            if name not in self.storage.floats:
                self.values[name] = self.scales[name].real(read(codes))

    # nodes -----------------------------------------------------------------------------------------------------------
    def _rewrite(self, node: Node) -> None:
        name, declared = node.output, self.graph.types[node.output]
        if is_float_matrix(self.graph, node):
            self.values[name] = self._matrix(node)
        elif isinstance(node.op, Map):
            term = simplify(from_expression(node.op.expression, [self._value(n) for n in node.inputs]))
            self.values[name] = term
            if declared.dtype != "float32":
                self.values[name] = read(self.writer.map(term, name, declared.dtype, declared.shape))
                return
        elif declared.dtype != "float32":
            self.values[name] = read(self.writer.emit(node.op, [self._tensor(n) for n in node.inputs], name))
            return
        elif isinstance(node.op, Pool):
            self._pool(node)
        elif moves_codes(node) and name in self.storage.codes and name not in self.storage.floats:
            op = replace(node.op, value=float(self.scales[name].zero)) if isinstance(node.op, Pad) else node.op
            self.codes[name] = self.writer.emit(op, [self._codes(n) for n in node.inputs], f"{name}/int8")
            self.values[name] = self.scales[name].real(read(self.codes[name]))
        else:
            self.values[name] = read(self.writer.emit(node.op, [self._tensor(n) for n in node.inputs], name))
        self._settle(name)

    def _pool(self, node: Node) -> None:
        """Windows of ``codes * scale + shift`` are taken of the codes; scale and shift follow."""
        value = self._value(node.inputs[0])
        kernel = (1, 1) if node.op.kind == "max" else node.op.kernel  # type: ignore[attr-defined]
        constants = value.operands[1:]
        affine = value.operator in ("mul", "mad") and value.operands[0].operator == "tensor" \
            and all(c.is_constant and trim(c.array).ndim <= 1 for c in constants) \
            and bool(np.all(constants[0].array > 0))
        if not affine or (len(constants) == 2 and kernel != (1, 1) and any(node.op.pads)):  # type: ignore[attr-defined]
            self.values[node.output] = read(self.writer.emit(node.op, [self._tensor(node.inputs[0])], node.output))
            return
        pooled = read(self.writer.emit(node.op, [value.operands[0].tensor], f"{node.output}/pooled"))
        shift = [const(c.array * kernel[0] * kernel[1]) for c in constants[1:]]
        self.values[node.output] = operate(value.operator, pooled, constants[0], *shift)

    # matrix nodes ----------------------------------------------------------------------------------------------------
    def _matrix(self, node: Node) -> Term:
        shape = self.graph.types[node.output].shape
        if len(node.inputs) != 2:
            raise QuantiseError(f"matrix node {node.source or node.output!r} must have two operands before "
                                f"quantisation, not {len(node.inputs)}; split it into one node a product")
        if 0 in (*shape, *self.graph.types[node.inputs[0]].shape, *self.graph.types[node.inputs[1]].shape):
            return const(np.zeros(shape))
        self._check_depth(node)
        choice = self.choices[node.output]
        a, b = self._operand(node, 0, choice), self._operand(node, 1, choice)
        value = self._product(node, a, b, choice.num_limbs)
        for operand in (a, b):
            if operand.runtime_scale:
                value = operate("mul", value, read(operand.runtime_scale))
        value = operate("mul", value, const(a.scale * b.scale * unit(choice.num_limbs)))
        return value if b.correction is None else operate("add", value, const(b.correction))

    def _check_depth(self, node: Node) -> None:
        if isinstance(node.op, Conv):
            depth = int(np.prod(self.graph.types[node.inputs[1]].shape[:3]))
            longest = max_depth(self.choices[node.output].num_limbs)
            if depth > longest:
                raise QuantiseError(f"convolution {node.source or node.output!r} must sum at most {longest} products "
                                    f"for each result, not {depth}; lower its precision or split its channels")

    def _product(self, node: Node, a: Operand, b: Operand, num_limbs: int) -> Term:
        """Sum of the limb products in units of the highest diagonal; long inner axes are cut to keep sums exact."""
        depth = self.graph.types[node.inputs[0]].shape[-1]
        longest = max_depth(num_limbs) if isinstance(node.op, MatMul) else depth
        total: Term | None = None
        for start in range(0, depth, longest):
            size = min(longest, depth - start)
            left = tuple(self._cut(n, -1, start, size) for n in a.limbs)
            right = tuple(self._cut(n, -2, start, size) for n in b.limbs) if isinstance(node.op, MatMul) else b.limbs
            sums = []
            op = self._padded(node)
            for index, pairs in enumerate(diagonals(num_limbs)):
                operands = [n for i, j in pairs for n in (left[i], right[j])]
                suffix = "sum" if num_limbs == 1 else f"sum{index}"
                sums.append(read(self.writer.emit(op, operands, f"{node.output}/{suffix}")))
            value = from_expression(recombine([argument(i) for i in range(len(sums))]), sums)
            total = value if total is None else operate("add", total, value)
        if total is None:
            raise QuantiseError(f"matrix node {node.output!r} must sum over at least one product; remove it")
        return total

    def _padded(self, node: Node) -> Op:
        """A convolution pads with the code of real zero."""
        scale = self.scales.get(node.inputs[0])
        by_codes = self.choices[node.output] == LayerChoice(1, True)
        return replace(node.op, pad_value=scale.zero) if isinstance(node.op, Conv) and by_codes and scale else node.op

    def _cut(self, name: str, axis: int, start: int, size: int) -> str:
        shape = self.writer.types[name].shape
        if shape[axis] == size:
            return name
        starts, sizes = [0] * len(shape), list(shape)
        starts[axis], sizes[axis] = start, size
        return self.writer.emit(Slice(tuple(starts), tuple(sizes), (1,) * len(shape)), [name], f"{name}/part")

    def _operand(self, node: Node, side: int, choice: LayerChoice) -> Operand:
        name = node.inputs[side]
        if name in self.graph.constants:
            return self._constant_operand(node, side, choice)
        if not choice.static:
            extents: tuple[Extent, Extent] = ("sample", "tensor") if isinstance(node.op, Conv) else ("row", "matrix")
            key = (name, extents[side], choice.num_limbs)
            if key not in self.dynamic:
                self.dynamic[key] = quantise_dynamically(self.writer, self._tensor(name), *key[1:])
            return Operand(self.dynamic[key].limbs, runtime_scale=self.dynamic[key].scale)
        if choice.num_limbs == 1:
            scale = self.scales[name].scale
            return Operand((self._codes(name),), scale if scale.ndim == 0 else np.array(1.0))
        return self._static_limbs(name, choice.num_limbs)

    def _static_limbs(self, name: str, num_limbs: int) -> Operand:
        if (name, num_limbs) not in self.limbs:
            scale = self.rule.tensor_scale(self.statistics[name], num_limbs)
            tensor = self._tensor(name)
            codes = operate("mul", read(tensor), const(1.0 / scale))
            self.limbs[name, num_limbs] = Operand(write_limbs(self.writer, tensor, codes, num_limbs),
                                                  np.array(scale))
        return self.limbs[name, num_limbs]

    def _constant_operand(self, node: Node, side: int, choice: LayerChoice) -> Operand:
        name, other = node.inputs[side], node.inputs[1 - side]
        weights = np.asarray(self.graph.constants[name], np.float64)
        scale = self.scales.get(other) if choice.static and choice.num_limbs == 1 and side == 1 else None
        if scale is not None and scale.scale.ndim:
            weights = weights * _spread(node, scale.scale, weights.shape)
        if isinstance(node.op, Conv):
            axes: tuple[int, ...] = (0, 1, 2) if side == 1 else (1, 2, 3)
        else:
            axes = (weights.ndim - 2,) if side == 1 else (weights.ndim - 1,)
        quantised = quantise_weights(weights, axes, choice.num_limbs, f"{name!r} of {node.source or node.output!r}")
        limbs = tuple(self.writer.constant(x, f"{name}/int8" if choice.num_limbs == 1 else f"{name}/limb{i}")
                      for i, x in enumerate(quantised.limbs))
        correction = None if scale is None else self._correction(node, quantised.error, scale)
        if scale is not None and scale.zero:
            missing = -float(scale.zero) * (weights - quantised.error).sum(axis=axes, keepdims=True)
            missing = missing if scale.scale.ndim else missing * scale.scale
            missing = missing.reshape(-1) if isinstance(node.op, Conv) else missing
            correction = missing if correction is None else correction + missing
        return Operand(limbs, quantised.scale, correction=correction)

    def _correction(self, node: Node, error: np.ndarray, scale: AffineScale) -> np.ndarray | None:
        """Mean of ``x @ error`` by the channel means of x (Nagel et al. 2019, section 4.2); [..., 1, N] or [F]."""
        statistics = self.statistics.get(node.inputs[0])
        if statistics is None or not self.rule.options.bias_correction:
            return None
        mean = statistics.mean / scale.scale if scale.scale.ndim else statistics.mean
        if isinstance(node.op, MatMul):
            return np.expand_dims(mean @ error, -2)
        by_channel = error * _spread(node, mean, error.shape)
        return by_channel.sum(axis=(0, 1, 2))


def _spread(node: Node, per_channel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values of the operand's channels, broadcastable against weights of ``shape``."""
    if isinstance(node.op, MatMul):
        return per_channel[:, None]
    filters = shape[3] // node.op.groups  # type: ignore[attr-defined]
    return np.repeat(per_channel.reshape(node.op.groups, -1).T, filters, axis=1)[None, None]  # type: ignore[attr-defined]
