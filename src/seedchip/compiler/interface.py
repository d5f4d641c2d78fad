"""The network's inputs and outputs: what the driver does while it copies, so that the chip need not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from seedchip.compiler.view import View, row_bytes
from seedchip.graph.ops import Conv, Map, Transpose
from seedchip.program import TensorPlace

if TYPE_CHECKING:
    from seedchip.compiler.placement import Placement
    from seedchip.graph.ir import Graph, Node
    from seedchip.spec import ChipSpec


@dataclass(frozen=True)
class InputCopy:
    """An input whose first steps (permutation, conversion to INT8) the driver does: ``tensor`` is what it writes."""

    name: str
    tensor: str
    permutation: tuple[int, ...]
    multiplier: float
    pad_columns: tuple[int, int] = (0, 0)
    packed: bool = False


def input_copies(graph: Graph, spec: ChipSpec) -> tuple[list[InputCopy], set[str]]:
    """The copies, and the outputs of the nodes that they replace."""
    consumers = graph.consumers()
    given = set(graph.outputs.values())
    copies, replaced = [], set()
    for name in graph.inputs:
        rank = len(graph.types[name].shape)
        copy = InputCopy(name, name, tuple(range(rank)), 1.0)
        while copy.tensor not in given and len(consumers[copy.tensor]) == 1:
            following = _follow(copy, consumers[copy.tensor][0], graph)
            if following is None:
                break
            copy = following
            replaced.add(copy.tensor)
        copies.append(_packed(copy, consumers[copy.tensor], graph, spec))
    return copies, replaced


def _follow(copy: InputCopy, node: Node, graph: Graph) -> InputCopy | None:
    """The copy with one more step, if the driver can do it."""
    if isinstance(node.op, Transpose):
        return replace(copy, tensor=node.output, permutation=tuple(copy.permutation[p] for p in node.op.perm))
    if not isinstance(node.op, Map) or node.op.dtype != "int8" or graph.types[copy.tensor].dtype != "float32":
        return None
    e = node.op.expression
    if len(node.inputs) != 1 or copy.multiplier != 1.0 or e.operator != "mul":
        return None
    leaves = {o.operator: o for o in e.operands}
    if leaves.keys() != {"argument", "constant"}:
        return None
    factor = leaves["constant"]
    return replace(copy, tensor=node.output, multiplier=float(np.int32(factor.value).view(np.float32)))


def _packed(copy: InputCopy, readers: list[Node], graph: Graph, spec: ChipSpec) -> InputCopy:
    """Few channels into one convolution: kernel rows become runs of bytes when that wastes fewer array rows."""
    t = graph.types[copy.tensor]
    if len(readers) != 1 or t.dtype != "int8" or copy.tensor in graph.outputs.values():
        return copy
    node, op = readers[0], readers[0].op
    if not isinstance(op, Conv):
        return copy
    if node.inputs.count(copy.tensor) != 1 or len(node.inputs) != 2 or node.inputs[1] not in graph.constants:
        return copy
    width, channels = graph.types[node.inputs[1]].shape[1:3]
    rows = spec.matrix.rows
    saves = -(-width * channels // rows) < width * -(-channels // rows)
    if op.groups > 1 or op.dilations[1] > 1 or op.pad_value or not saves:
        return copy
    return replace(copy, pad_columns=(op.pads[1], op.pads[3]), packed=True)


def place_inputs(graph: Graph, placement: Placement, copies: list[InputCopy], user: Graph) -> tuple[TensorPlace, ...]:
    """Memory for every input; the views of what the driver writes. ``user`` is the network as it was given."""
    places = []
    for copy in copies:
        t, given = graph.types[copy.tensor], user.types[copy.name]
        shape = t.shape
        if copy.packed:
            shape = (*shape[:2], shape[2] + sum(copy.pad_columns), shape[3])
            item = 1
            strides = (shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1)
            address = placement.reserve(prod(shape) * item)
            placement.views[copy.tensor] = View(address, shape, strides, t.dtype)
            pitch = shape[3]
        else:
            pitch = row_bytes((shape or (1,))[-1], t.dtype, placement.granule)
            address = placement.new(copy.tensor).address
        places.append(TensorPlace(copy.name, given.shape, given.dtype, t.dtype, address, pitch,
                                  copy.permutation if given.shape else (), copy.pad_columns, copy.multiplier))
    return tuple(places)


def output_sources(graph: Graph, replaced: set[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Public name -> tensor to store and permutation from its axes to the user's; a last transpose is the driver's.

    ``replaced`` are tensors that the driver writes (`input_copies`): what makes them is gone.
    """
    producers, consumers = graph.producers(), graph.consumers()
    names = list(graph.outputs.values())
    result = {}
    for public, name in graph.outputs.items():
        node = producers.get(name)
        perm = tuple(range(len(graph.types[name].shape)))
        alone = not consumers[name] and names.count(name) == 1 and name not in replaced
        if node is not None and isinstance(node.op, Transpose) and alone and node.inputs[0] not in graph.inputs:
            result[public] = (node.inputs[0], node.op.perm)
        else:
            result[public] = (name, perm)
    return result


def place_outputs(graph: Graph, placement: Placement, sources: dict[str, tuple[str, tuple[int, ...]]],
                  user: Graph) -> tuple[TensorPlace, ...]:
    """Where the driver reads each output of ``user``, the network as given. Every view is in the standard layout."""
    places = []
    for public, (name, perm) in sources.items():
        t = graph.types[name]
        shape = user.types[user.outputs[public]].shape
        perm = perm if shape else ()
        pitch = row_bytes((t.shape or (1,))[-1], t.dtype, placement.granule)
        inverse = tuple(int(i) for i in np.argsort(perm)) if perm else ()
        places.append(TensorPlace(public, shape, graph.output_dtypes.get(public, t.dtype), t.dtype,
                                  placement.view(name).address, pitch, inverse))
    return tuple(places)
