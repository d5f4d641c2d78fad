"""The rules that every graph keeps, between any two passes."""

from __future__ import annotations

from collections.abc import Iterator

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import GraphError


def verify(graph: Graph) -> None:
    """Raise `GraphError` for the first broken rule, naming node and tensor.

    Inputs, constants and node outputs are defined once, before they are read, and typed; every node's declared type is
    what its operation infers; constants match their types; outputs are defined.
    """
    defined: set[str] = set()
    for name in graph.inputs:
        _define(graph, defined, name, f"graph input {name!r}")
    for name in graph.constants:
        _define(graph, defined, name, f"constant {name!r}")
        _verify_constant(graph, name)
    later = {node.output for node in graph.nodes}
    for index, node in enumerate(graph.nodes):
        place = _place(index, node)
        _verify_operands(node, place, defined, later)
        _define(graph, defined, node.output, place)
        _verify_type(graph, node, place)
    for sentence in _loose_ends(graph, defined):
        raise GraphError(sentence)


def _place(index: int, node: Node) -> str:
    source = f", from {node.source!r}" if node.source else ""
    return f"node {index} ({node.op.name} -> {node.output!r}{source})"


def _define(graph: Graph, defined: set[str], name: str, place: str) -> None:
    if name in defined:
        raise GraphError(f"{place} must define a new tensor, but {name!r} is already defined")
    if name not in graph.types:
        raise GraphError(f"{place} must have a type for tensor {name!r}")
    defined.add(name)


def _verify_constant(graph: Graph, name: str) -> None:
    array, declared = graph.constants[name], graph.types[name]
    if array.shape != declared.shape or array.dtype.name != declared.dtype:
        found = f"{array.dtype.name}[{'x'.join(map(str, array.shape))}]"
        raise GraphError(f"constant {name!r} must be {declared} as declared, not {found}")


def _verify_operands(node: Node, place: str, defined: set[str], later: set[str]) -> None:
    for name in node.inputs:
        if name not in defined:
            reason = "which a later node defines" if name in later else "which nothing defines"
            raise GraphError(f"{place} must read tensors defined before it, not {name!r}, {reason}")


def _verify_type(graph: Graph, node: Node, place: str) -> None:
    try:
        inferred = node.op.infer(*(graph.types[name] for name in node.inputs))
    except GraphError as error:
        raise GraphError(f"{place}: {error}") from None
    except (TypeError, ValueError) as error:
        raise GraphError(f"{place} must have operands that {node.op.name} takes, not {len(node.inputs)} of types "
                         f"{', '.join(str(graph.types[name]) for name in node.inputs)} ({error})") from None
    declared = graph.types[node.output]
    if inferred != declared:
        raise GraphError(f"{place} must be declared {inferred}, as inferred from its operands, not {declared}")


def _loose_ends(graph: Graph, defined: set[str]) -> Iterator[str]:
    for public, name in graph.outputs.items():
        if name not in defined:
            yield f"output {public!r} must name a defined tensor, not {name!r}"
    for name in graph.types:
        if name not in defined:
            yield f"type of {name!r} must belong to an input, a constant or a node output"
    for public in graph.output_dtypes:
        if public not in graph.outputs:
            yield f"output_dtypes must name outputs of the graph, not {public!r}"
