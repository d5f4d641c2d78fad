"""Decides in which form every binary32 tensor of a graph is kept: as int8 codes, as binary32, as both, or not at all.

A tensor is *inlined* when its one reader is a map that can compute it on the fly: the tail of a matrix node is then one
map. Operations that only move elements (and maximum pooling) work on codes, so operands and result share a scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Concat, Conv, Expand, Map, MatMul, Pad, Pool, Reduce, Reshape, Slice, Take, Transpose
from seedchip.numerics.expression import num_operations
from seedchip.quantise.options import LayerChoice, QuantiseOptions

MAX_TAIL_LEAVES = 3
"""Runtime tensors that one vector instruction reads."""
MAX_TAIL_OPERATIONS = 56
"""Micro-operations after which a tail is cut; an instruction holds 64."""


@dataclass(frozen=True)
class Storage:
    """Sets of tensor names, and for each tensor with codes the group that shares its scale."""

    inlined: frozenset[str]
    codes: frozenset[str]
    floats: frozenset[str]
    groups: Mapping[str, str]

    def members(self, name: str) -> list[str]:
        return [n for n, g in self.groups.items() if g == self.groups[name]]


def is_float_matrix(graph: Graph, node: Node) -> bool:
    """A matrix node that still has to be quantised."""
    return isinstance(node.op, (MatMul, Conv)) and graph.types[node.output].dtype == "float32"


def moves_codes(node: Node) -> bool:
    """Whether the operation commutes with a common positive scale of its operands and result, element by element."""
    op = node.op
    return isinstance(op, (Transpose, Reshape, Slice, Concat, Expand, Take)) \
        or (isinstance(op, Pad) and op.value == 0) or (isinstance(op, Pool) and op.kind == "max")


def plan_storage(graph: Graph, choices: Mapping[str, LayerChoice], options: QuantiseOptions,
                 observed: frozenset[str]) -> Storage:
    """The form of every binary32 tensor, given how each matrix node runs and which tensors' ranges are known."""
    inlined = _inlined(graph, choices)
    images = _image_tensors(graph, choices, options) & observed
    codes: set[str] = set()
    floats: set[str] = set(graph.outputs.values())
    for node in reversed(graph.nodes):
        runtime = [n for n in node.inputs if graph.types[n].dtype == "float32"]
        if is_float_matrix(graph, node):
            choice = choices[node.output]
            target = codes if choice.static and choice.num_limbs == 1 else floats
            target.update(n for n in runtime if n not in graph.constants)
        elif moves_codes(node):
            only_codes = node.output in codes and node.output not in floats
            (codes if only_codes else floats).update(runtime)
        else:
            for name in runtime:
                by_codes = name in images or (options.storage == "int8" and name in codes)
                (codes if by_codes and isinstance(node.op, (Map, Pool)) else floats).add(name)
    return Storage(frozenset(inlined), frozenset(codes - inlined), frozenset(floats - inlined),
                   _groups(graph, codes - inlined, floats))


def _inlined(graph: Graph, choices: Mapping[str, LayerChoice]) -> set[str]:
    consumers, producers = graph.consumers(), graph.producers()
    position = {node.output: i for i, node in enumerate(graph.nodes)}
    outputs = set(graph.outputs.values())
    inlined: set[str] = set()
    leaves: dict[str, frozenset[str]] = {}
    operations: dict[str, int] = {}
    for node in graph.nodes:
        if is_float_matrix(graph, node):
            choice = choices[node.output]
            scales = 0 if choice.static else sum(n not in graph.constants for n in node.inputs)
            num_sums = (1, 3, 3)[choice.num_limbs - 1]
            leaves[node.output] = frozenset(f"{node.output}#{i}" for i in range(num_sums + scales))
            operations[node.output] = 2 * num_sums + scales
        if isinstance(node.op, Pool):
            leaves[node.output], operations[node.output] = frozenset((node.output,)), 1
            readers = consumers[node.output]
            if len(readers) == 1 and isinstance(readers[0].op, Pool) and node.output not in outputs:
                inlined.add(node.output)
        if not isinstance(node.op, Map):
            continue
        own = frozenset(n for n in node.inputs if n not in graph.constants)
        size = num_operations(node.op.expression)
        for name in sorted(own, key=lambda n: -position.get(n, -1)):
            alone = len(consumers[name]) == 1 and name not in outputs and name in leaves
            same = graph.types[name].shape == graph.types[node.output].shape
            if not alone or not same or graph.types[name].dtype != "float32":
                continue
            merged = own - {name} | leaves[name]
            sums = {leaf.split("#")[0] for leaf in merged if "#" in leaf}
            if len(merged) <= MAX_TAIL_LEAVES and len(sums) <= 1 and size + operations[name] <= MAX_TAIL_OPERATIONS:
                own, size = merged, size + operations[name]
                inlined.add(name)
        if graph.types[node.output].dtype == "float32" and node.output in producers:
            leaves[node.output], operations[node.output] = own, size
    return inlined


def _image_tensors(graph: Graph, choices: Mapping[str, LayerChoice], options: QuantiseOptions) -> set[str]:
    """Tensors between convolutions that every reader may take as int8: images of many pixels, not normalised by row."""
    if options.storage == "float32":
        return set()
    matrices = (Conv, MatMul) if options.storage == "int8" else (Conv,)
    after: set[str] = set()
    for node in graph.nodes:
        if is_float_matrix(graph, node):
            if isinstance(node.op, matrices) and choices[node.output].static:
                after.add(node.output)
        elif (isinstance(node.op, (Map, Pool)) or moves_codes(node)) and not _reads_row_values(graph, node):
            after.update({node.output} if any(n in after for n in node.inputs) else ())
    before: set[str] = set()
    excluded: set[str] = set()
    for node in reversed(graph.nodes):
        if is_float_matrix(graph, node):
            choice = choices[node.output]
            (before if choice.static and choice.num_limbs == 1 else excluded).update(node.inputs)
            if choice.num_limbs > 1:
                excluded.add(node.output)
        elif isinstance(node.op, (Map, Pool)) or moves_codes(node):
            if node.output in before:
                before.update(node.inputs)
        elif isinstance(node.op, Reduce):
            excluded.update(node.inputs)
    images = (after & before) - excluded
    return {n for n in images if _is_image(graph.types[n].shape, options)}


def _is_image(shape: tuple[int, ...], options: QuantiseOptions) -> bool:
    return options.storage == "int8" or (len(shape) == 4 and sum(n > 1 for n in shape[1:]) > 1)


def _reads_row_values(graph: Graph, node: Node) -> bool:
    """A runtime operand with one value a row (a mean, a variance) makes a result that int8 must not cut."""
    shape = graph.types[node.output].shape
    return isinstance(node.op, Map) and len(shape) > 0 and shape[-1] > 1 and any(
        n not in graph.constants and graph.types[n].shape[-1:] == (1,) and graph.types[n].num_elements > 1
        for n in node.inputs)


def _groups(graph: Graph, codes: set[str], floats: set[str]) -> dict[str, str]:
    group = {name: name for name in codes}

    def find(name: str) -> str:
        while group[name] != name:
            group[name] = group[group[name]]
            name = group[name]
        return name

    for node in graph.nodes:
        if moves_codes(node) and node.output in codes and node.output not in floats:
            for name in node.inputs:
                if name in group:
                    group[find(name)] = find(node.output)
    return {name: find(name) for name in group}
