"""What holds for every program: the bits of a row depend on nothing but the row, the bytes on nothing but the input,
and the semaphores balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_graphs import (
    A0,
    A1,
    CHIPS,
    SCALE,
    assert_exact,
    attention,
    build,
    convolution,
    feeds_for,
    float32,
    int8,
    layer_normalisation,
    product,
    run,
    scaled,
    softmax,
)

from seedchip.compiler import compile_graph
from seedchip.graph.ir import Graph
from seedchip.graph.ops import Concat, Conv, Map, MatMul, Pad, Pool, Reduce, Reshape, Slice, Take, Transpose
from seedchip.isa import Engine, Instruction
from seedchip.numerics.expression import apply, constant
from seedchip.simulator.timing import simulate
from seedchip.spec import load

NETWORKS = {
    "linear": product(65, 40, 70),
    "convolution": convolution((1, 9, 11, 3), 20, (3, 3), Conv((2, 1), pads=(1, 1, 1, 1))),
    "depthwise": convolution((1, 8, 8, 20), 20, (3, 3), Conv(groups=20)), "softmax": softmax((3, 5, 70)),
    "normalisation": layer_normalisation(33, 20, 40), "attention": attention(2, 20, 12),
}


def batched(kind: str, batch: int) -> Graph:
    if kind == "rows":
        return layer_normalisation(batch, 40, 50)
    if kind == "images":
        op = Conv((2, 2), pads=(1, 1, 1, 1))
        return convolution((batch, 9, 9, 6), 10, (3, 3), op)
    return build({"q": ((batch, 7, 12), "int8"), "k": ((batch, 12, 9), "int8")},
                 [("s", MatMul(), ("q", "k")), ("f", Map(apply("mul", A0, 1e-3)), ("s",)), ("t", Reduce("sum"), ("f",)),
                  ("y", Map(apply("mul", A0, A1)), ("f", "t"))], ["y"])


@pytest.mark.parametrize("kind", ["rows", "images", "matrices"])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(kind):
    feeds = feeds_for(batched(kind, 4))
    whole = run(batched(kind, 4), "micro", feeds)
    for i in range(4):
        alone = run(batched(kind, 1), "micro", {name: value[i:i + 1] for name, value in feeds.items()})
        for name, value in alone.items():
            assert value.tobytes() == whole[name][i:i + 1].tobytes()


@pytest.mark.parametrize("graph", NETWORKS.values(), ids=NETWORKS)
def test_every_chip_gives_the_same_bits(graph):
    feeds = feeds_for(graph)
    results = [run(graph, chip, feeds) for chip in (*CHIPS, "nvdla-128", "nvdla-512")]
    for other in results[1:]:
        assert {k: v.tobytes() for k, v in other.items()} == {k: v.tobytes() for k, v in results[0].items()}


@pytest.mark.parametrize("graph", NETWORKS.values(), ids=NETWORKS)
def test_the_same_input_gives_the_same_bytes(graph):
    first, second = (compile_graph(graph, load("micro")) for _ in range(2))
    assert first.code == second.code
    assert (first.inputs, first.outputs, first.layers) == (second.inputs, second.outputs, second.layers)
    segments = [[(s.address, s.data.tobytes()) for s in program.segments] for program in (first, second)]
    assert segments[0] == segments[1]


def tokens_left(instructions: list[Instruction], order: list[int]) -> np.ndarray:
    """[source, waiting] tokens after all, each instruction completing before the next in ``order`` starts.

    Fails where an instruction takes more tokens than were ever put: then it could only wait for ever.
    """
    tokens = np.zeros((len(Engine), len(Engine)), int)
    for i in order:
        instruction = instructions[i]
        assert instruction.engine is not None
        tokens[:, instruction.engine] -= instruction.waits
        assert tokens.min() >= 0, f"instruction {i} takes a token that nobody gave"
        tokens[instruction.engine] += [instruction.signal >> e & 1 for e in Engine]
    return tokens


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("graph", NETWORKS.values(), ids=NETWORKS)
def test_every_token_taken_was_given_and_nothing_waits_for_ever(graph, chip):
    spec = load(chip)
    instructions = compile_graph(graph, spec).instructions
    tokens_left(instructions, list(range(len(instructions) - 1)))
    timeline = simulate(instructions, spec)
    tokens_left(instructions, timeline.starts)
    assert sorted(timeline.starts) == list(range(len(instructions) - 1))


# Random networks ------------------------------------------------------------------------------------------------------


def _chain(draw: st.DrawFn) -> Graph:
    """A few steps behind each other, each one chosen among those that fit the shape and type so far."""
    rank = draw(st.sampled_from([2, 3, 4]))
    shape = tuple(draw(st.integers(1, 12 if rank > 2 else 70)) for _ in range(rank))
    graph = build({"t0": (shape, draw(st.sampled_from(["int8", "float32"])))}, [], [])
    types, steps, constants = dict(graph.types), [], {}
    for i in range(1, draw(st.integers(2, 7))):
        previous = types[f"t{i - 1}"]
        op, extra = draw(_step(previous.shape, previous.dtype, i))
        constants |= extra
        names = (f"t{i - 1}", *extra)
        steps.append((f"t{i}", op, names))
        types[f"t{i}"] = op.infer(previous, *(build({}, [], [], {n: v}).types[n] for n, v in extra.items()))
    outputs = [f"t{len(steps)}", *draw(st.sets(st.sampled_from([s[0] for s in steps[:-1]] or ["t0"]), max_size=1))]
    return build({"t0": (shape, graph.types["t0"].dtype)}, steps, list(dict.fromkeys(outputs)), constants)


@st.composite
def _step(draw: st.DrawFn, shape: tuple[int, ...], dtype: str, index: int):
    """An operation for a tensor, and its constants."""
    rank, columns = len(shape), shape[-1]
    kinds = ["scale", "convert", "reduce", "transpose", "reshape", "slice", "pad", "take", "join"]
    kinds += ["product"] * 3 if dtype == "int8" and rank < 4 else []
    kinds += ["convolution"] * 4 if dtype == "int8" and rank == 4 else []
    kinds += ["pool"] if rank == 4 else []
    kind = draw(st.sampled_from(kinds))
    if kind == "scale":
        names = {f"s{index}": float32(columns), f"b{index}": float32(columns)}
        return Map(SCALE, draw(st.sampled_from(["int8", "float32", "int32"]))), names
    if kind == "convert":
        return Map(apply("mul", A0, 0.3), draw(st.sampled_from(["int8", "float32"]))), {}
    if kind == "reduce":
        return Reduce(draw(st.sampled_from(["sum", "max", "min"]))), {}
    if kind == "product":
        return MatMul(), {f"w{index}": int8(columns, draw(st.integers(1, 40)))}
    if kind in ("convolution", "pool"):
        pads = tuple(draw(st.integers(0, 2)) for _ in range(4))
        kernel = tuple(draw(st.integers(1, min(4, shape[1 + i] + pads[i] + pads[2 + i]))) for i in (0, 1))
        strides = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
        if kind == "pool":
            return Pool(draw(st.sampled_from(["sum", "max"])), kernel, strides, (1, 1), pads), {}
        groups = draw(st.sampled_from([g for g in range(1, columns + 1) if columns % g == 0]))
        filters = groups * draw(st.integers(1, 5))
        return Conv(strides, (1, 1), pads, groups, draw(st.sampled_from([0, -3]))), {
            f"w{index}": int8(*kernel, columns // groups, filters)}
    return draw(_move(shape, kind)), {f"c{index}": (float32 if dtype == "float32" else int8)(*shape).astype(dtype)} if (
        kind == "join") else {}


@st.composite
def _move(draw: st.DrawFn, shape: tuple[int, ...], kind: str):
    rank = len(shape)
    axis = draw(st.integers(0, rank - 1))
    if kind == "join":
        return Concat(axis)
    if kind == "transpose":
        return Transpose(tuple(draw(st.permutations(range(rank)))))
    if kind == "reshape":
        joined = (*shape[:axis], int(np.prod(shape[axis:])))
        return Reshape(joined if draw(st.booleans()) and len(joined) > 1 else tuple(reversed(shape)))
    if kind == "pad":
        before, after = (tuple(draw(st.integers(0, 3)) for _ in shape) for _ in range(2))
        return Pad(before, after, draw(st.sampled_from([0.0, 1.5])))
    if kind == "take":
        return Take(axis, tuple(draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=9))))
    starts = tuple(draw(st.integers(0, n - 1)) for n in shape)
    return Slice(starts, tuple(draw(st.integers(1, n - b)) for n, b in zip(shape, starts, strict=True)), (1,) * rank)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(graph=st.composite(_chain)(), chip=st.sampled_from(CHIPS), seed=st.integers(0, 9))
def test_random_networks_are_exact(graph, chip, seed):
    assert_exact(graph, chip, feeds_for(graph, seed))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(batch=st.integers(1, 3), length=st.integers(1, 40), widths=st.lists(st.integers(1, 70), min_size=2, max_size=4),
       residual=st.booleans())
def test_random_stacks_of_layers_are_exact(batch, length, widths, residual):
    """Products with residuals over each other: tails, whole rows, operands in memory and on the chip."""
    shape, steps, constants = (batch, length, widths[0]), [], {}
    for i, width in enumerate(widths[1:]):
        constants |= {f"w{i}": int8(shape[-1], width)} | {f"{i}{name}": value for name, value in scaled(width).items()}
        steps += [(f"s{i}", MatMul(), ("x" if i == 0 else f"x{i}", f"w{i}")),
                  (f"h{i}", Map(SCALE), (f"s{i}", f"{i}scale", f"{i}bias")), (f"m{i}", Reduce("max"), (f"h{i}",)),
                  (f"x{i + 1}", Map(apply("mul", apply("sub", A0, A1), constant(7.0)), "int8"), (f"h{i}", f"m{i}"))]
        shape = (*shape[:2], width)
    outputs = [steps[-1][0], steps[1][0]] if residual else [steps[-1][0]]
    assert_exact(build({"x": ((batch, length, widths[0]), "int8")}, steps, outputs, constants), "micro")
