"""Every rule of `verify`, broken once."""

import numpy as np
import pytest

from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import GraphError, Map, MatMul, Reduce
from seedchip.graph.verify import verify
from seedchip.numerics.expression import apply, argument

DOUBLE = Map(apply("add", argument(0), argument(0)))
X = TensorType((2, 3))


def graph(**changes) -> Graph:
    sound = Graph("g", ("x",), {"out": "b"}, {"c": np.ones((2, 3), np.float32)},
                  (Node(DOUBLE, ("x",), "a", "first"), Node(DOUBLE, ("a",), "b")), {"x": X, "c": X, "a": X, "b": X})
    return sound.replace(**changes)


def test_sound_graph_passes():
    verify(graph())


TYPES = {"x": X, "c": X, "a": X, "b": X}


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"nodes": (Node(DOUBLE, ("b",), "a"), Node(DOUBLE, ("x",), "b"))},
     r"^node 0 \(map -> 'a'\) must read tensors defined before it, not 'b', which a later node defines$"),
    ({"nodes": (Node(DOUBLE, ("q",), "a", "first"),)},
     r"^node 0 \(map -> 'a', from 'first'\) must read tensors defined before it, not 'q', which nothing defines$"),
    ({"nodes": (Node(DOUBLE, ("x",), "a"), Node(DOUBLE, ("x",), "a"))},
     r"^node 1 \(map -> 'a'\) must define a new tensor, but 'a' is already defined$"),
    ({"inputs": ("x", "c")}, r"^constant 'c' must define a new tensor, but 'c' is already defined$"),
    ({"types": {"x": X, "c": X, "a": X}}, r"^node 1 \(map -> 'b'\) must have a type for tensor 'b'$"),
    ({"types": {**TYPES, "b": TensorType((3, 2))}},
     r"^node 1 \(map -> 'b'\) must be declared float32\[2x3\], as inferred from its operands, not float32\[3x2\]$"),
    ({"types": {**TYPES, "c": TensorType((2, 3), "int8")}},
     r"^constant 'c' must be int8\[2x3\] as declared, not float32\[2x3\]$"),
    ({"outputs": {"out": "z"}}, r"^output 'out' must name a defined tensor, not 'z'$"),
    ({"types": {**TYPES, "z": X}}, r"^type of 'z' must belong to an input, a constant or a node output$"),
    ({"output_dtypes": {"other": "int64"}}, r"^output_dtypes must name outputs of the graph, not 'other'$"),
    ({"nodes": (Node(MatMul(), ("x", "c"), "a"), Node(DOUBLE, ("a",), "b"))},
     r"^node 0 \(matmul -> 'a'\): matmul inner sizes must be equal, not 3 and 2$"),
    ({"nodes": (Node(Reduce("sum"), ("x", "c"), "a"), Node(DOUBLE, ("a",), "b"))},
     r"^node 0 \(reduce -> 'a'\) must have operands that reduce takes, not 2 of types float32\[2x3\], float32"),
])
def test_broken_rule_is_named(changes, sentence):
    with pytest.raises(GraphError, match=sentence):
        verify(graph(**changes))
