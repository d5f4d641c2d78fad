"""Maps that do not fit one instruction are split; what cannot be compiled is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_graphs import A0, assert_exact, build, feeds_for, float32, int8, product, softmax

from seedchip.compiler import compile_graph
from seedchip.compiler.legalise import MAX_TENSORS, legalise
from seedchip.compiler.placement import CompileError
from seedchip.graph.ops import Conv, Map, MatMul, Transpose
from seedchip.graph.reference import evaluate
from seedchip.isa.vector import MAX_CONSTANTS, MAX_OPERATIONS
from seedchip.numerics.expression import apply, argument, num_operations
from seedchip.spec import ChipSpec, load

NANO = load("nano")


def sum_of(count: int, shape: tuple[int, ...] = (5, 20)):
    """A map of ``count`` tensors."""
    total = argument(0)
    for i in range(1, count):
        total = apply("mad", total, 0.5, argument(i))
    names = tuple(f"x{i}" for i in range(count))
    return build(dict.fromkeys(names, (shape, "float32")), [("y", Map(total, "int8"), names)], ["y"])


def polynomial(operations: int, different: bool = False):
    """A map of ``operations`` multiply-adds."""
    value = A0
    for i in range(operations):
        value = apply("mad", value, 0.5, float(i) if different else 1.0)
    return build({"x": ((3, 20), "float32")}, [("y", Map(value), ("x",))], ["y"])


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_a_map_of_many_tensors_is_split_and_keeps_its_value(count):
    graph = sum_of(count)
    maps = list(legalise(graph, NANO))
    assert len(maps) == max(1, -(-(count - 1) // (MAX_TENSORS - 1)))
    assert all(len(n.inputs) <= MAX_TENSORS for n in maps)
    assert_exact(graph)


def test_tensors_that_broadcast_are_split_too():
    shapes = [(4, 1, 6), (1, 5, 6), (6,), (4, 5, 1), (1, 1, 1), (4, 5, 6)]
    total = argument(0)
    for i in range(1, len(shapes)):
        total = apply("add", total, argument(i))
    names = tuple(f"x{i}" for i in range(len(shapes)))
    graph = build({n: (s, "float32") for n, s in zip(names, shapes, strict=True)}, [("y", Map(total), names)], ["y"])
    assert_exact(graph)


@pytest.mark.parametrize("operations", [MAX_OPERATIONS, MAX_OPERATIONS + 1, 150])
def test_a_long_map_is_split_and_keeps_its_value(operations):
    graph = polynomial(operations)
    maps = list(legalise(graph, NANO))
    assert all(isinstance(n.op, Map) and num_operations(n.op.expression) <= MAX_OPERATIONS for n in maps)
    assert len(maps) == -(-operations // MAX_OPERATIONS)
    assert_exact(graph)


def test_a_map_of_many_constants_is_split():
    graph = polynomial(MAX_CONSTANTS + 8, different=True)
    assert len(list(legalise(graph, NANO))) == 2
    assert_exact(graph)


def test_many_per_column_constants_are_split():
    total, constants = A0, {f"c{i}": float32(20) + np.float32(i) for i in range(12)}
    for i in range(12):
        total = apply("mad", total, 0.5, argument(1 + i))
    assert_exact(build({"x": ((3, 20), "float32")}, [("y", Map(total), ("x", *constants))], ["y"], constants))


def test_legalised_values_are_the_networks():
    for graph in (sum_of(7), polynomial(100)):
        feeds = feeds_for(graph)
        assert evaluate(legalise(graph, NANO), feeds)["y"].tobytes() == evaluate(graph, feeds)["y"].tobytes()


# Refusals -------------------------------------------------------------------------------------------------------------


def with_scratchpad(size: int) -> ChipSpec:
    return replace(NANO, name="small", scratchpad=replace(NANO.scratchpad, bytes=size))


def with_memory(size: int) -> ChipSpec:
    return replace(NANO, name="small", memory=replace(NANO.memory, bytes=size))


REFUSED = {
    "no elements": (
        build({"x": ((0, 4), "int8")}, [("y", Transpose((1, 0)), ("x",))], ["y"]), NANO,
        "small: tensor x has no elements (int8[0x4]); bind the dimensions to sizes above 0"),
    "memory": (
        product(4, 300, 300), with_memory(65536),
        "the network needs more than the 65536 bytes of memory of chip small; choose a chip with more memory or a "
        "smaller batch"),
    "a row": (
        softmax((2, 9000)), with_scratchpad(16384),
        "most: no tile of this reduce fits the 16384-byte scratchpad of chip small; choose a chip with a larger "
        "scratchpad"),
    "a product": (
        build({"x": ((1, 1, 3000, 8), "int8")}, [("y", Conv((1, 1), (1, 255)), ("x", "w"))], ["y"],
              {"w": int8(1, 9, 8, 8)}), with_scratchpad(4096),
        "y: no tile of this conv fits the 4096-byte scratchpad of chip small; choose a chip with a larger scratchpad"),
    "not quantised": (
        build({"x": ((3, 4), "float32"), "w": ((4, 5), "float32")}, [("y", MatMul(), ("x", "w"))], ["y"]), NANO,
        "y: matmul on float32[3x4] must be quantised first"),
}


@pytest.mark.parametrize(("graph", "spec", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compiled_is_refused_in_one_sentence(graph, spec, sentence):
    with pytest.raises(CompileError) as error:
        compile_graph(graph, spec)
    assert str(error.value) == sentence


def test_the_same_networks_fit_larger_chips():
    for name in ("memory", "a row", "a product"):
        assert_exact(REFUSED[name][0], "micro")


@pytest.mark.parametrize("size", [4096, 8192, 65536])
@pytest.mark.parametrize("graph", [product(40, 300, 60), softmax((3, 4, 100))], ids=["product", "softmax"])
def test_small_scratchpads_take_smaller_tiles(graph, size):
    assert_exact(graph, with_scratchpad(size))
