"""Branches, loops, sequences and optional values: followed at import, since their course must be known then."""

from __future__ import annotations

from typing import Any

import numpy as np

from seedchip.frontend.builder import Tensor
from seedchip.frontend.registry import Call, operator

MAX_TRIPS = 1024


@operator("If")
def if_(call: Call) -> Any:
    """The condition must be known at import; the branch that it picks takes the node's place."""
    condition = bool(call.const(0, "the condition").reshape(-1)[0])
    assert call.run_graph is not None
    return tuple(call.run_graph(call.attr("then_branch" if condition else "else_branch"), {}))


@operator("Loop")
def loop(call: Call) -> Any:
    """The number of trips (at most 1024) and the condition must be known at import; the body is unrolled."""
    limit = int(call.const(0, "the number of trips").reshape(-1)[0]) if call.has(0) else MAX_TRIPS + 1
    going = bool(call.const(1, "the condition").reshape(-1)[0]) if call.has(1) else True
    body, state = call.attr("body"), list(call.inputs[2:])
    scans: list[list[Any]] = [[] for _ in range(len(body.output) - 1 - len(state))]
    trip = 0
    assert call.run_graph is not None
    while trip < limit and going:
        call.require(trip < MAX_TRIPS, f"it runs more than {MAX_TRIPS} times")
        given = [np.array(trip, np.int64), np.array(going), *state]
        bound = dict(zip((i.name for i in body.input), given, strict=True))
        condition, *results = call.run_graph(body, bound)
        state, made = results[:len(state)], results[len(state):]
        for scan, value in zip(scans, made, strict=True):
            scan.append(value)
        call.require(isinstance(condition, np.ndarray), "the condition to go on is computed at run time")
        going = bool(condition.reshape(-1)[0])
        trip += 1
    call.require(all(scans), "it never runs, so that its stacked outputs have no shape")
    return (*state, *(stack(call, scan, 0) for scan in scans))


@operator("Scan")
def scan(call: Call) -> Any:
    """At most 1024 steps, along axis 0, forwards; the body is unrolled."""
    body, count = call.attr("body"), call.attr("num_scan_inputs")
    call.require(call.opset >= 9, "it is the batched form of operator set 8")
    call.require(not any(call.attr(n, ()) and any(call.attr(n)) for n in
                         ("scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions")),
                 "an axis other than 0 or a backward direction is asked for")
    state, inputs = list(call.inputs[:-count]), call.inputs[-count:]
    length = inputs[0].shape[0]
    call.require(0 < length <= MAX_TRIPS, f"it runs {length} times")
    stacks: list[list[Any]] = [[] for _ in range(len(body.output) - len(state))]
    assert call.run_graph is not None
    for trip in range(length):
        entries = [entry(call, x, trip) for x in inputs]
        results = call.run_graph(body, dict(zip((i.name for i in body.input), [*state, *entries], strict=True)))
        state, made = results[:len(state)], results[len(state):]
        for rows, value in zip(stacks, made, strict=True):
            rows.append(value)
    return (*state, *(stack(call, rows, 0) for rows in stacks))


def entry(call: Call, x: Tensor | np.ndarray, index: int) -> Tensor | np.ndarray:
    """Entry ``index`` of axis 0."""
    if isinstance(x, np.ndarray):
        return x[index]
    return call.build.reshape(call.build.slice_axis(x, 0, index, 1), x.shape[1:])


def stack(call: Call, parts: list[Any], axis: int) -> Tensor | np.ndarray:
    """Values of one shape joined along a new axis."""
    if all(isinstance(p, np.ndarray) for p in parts):
        return np.stack(parts, axis)
    tensors = [call.build.tensor(p) for p in parts]
    wide = [call.build.reshape(t, (*t.shape[:axis], 1, *t.shape[axis:])) for t in tensors]
    return call.build.concat(wide, axis)


def items(call: Call, index: int) -> list[Any]:
    """Input ``index`` as a sequence."""
    call.require(call.has(index) and isinstance(call.inputs[index], list), "the sequence is not made inside the model")
    return call.inputs[index]


@operator("SequenceConstruct")
def sequence_construct(call: Call) -> list[Any]:
    """Sequences made inside the model, whose lengths are known at import."""
    return list(call.inputs)


@operator("SequenceEmpty")
def sequence_empty(call: Call) -> list[Any]:
    """Sequences made inside the model, whose lengths are known at import."""
    return []


@operator("SequenceAt")
def sequence_at(call: Call) -> Any:
    """Sequences made inside the model; the position known at import."""
    return items(call, 0)[int(call.const(1, "the position").reshape(()))]


@operator("SequenceLength")
def sequence_length(call: Call) -> np.ndarray:
    """Sequences made inside the model."""
    return np.array(len(items(call, 0)), np.int64)


@operator("SequenceInsert")
def sequence_insert(call: Call) -> list[Any]:
    """Sequences made inside the model; the position known at import."""
    found = items(call, 0)
    place = int(call.const(2, "the position").reshape(())) if call.has(2) else len(found)
    place += len(found) if place < 0 else 0
    return [*found[:place], call.inputs[1], *found[place:]]


@operator("SequenceErase")
def sequence_erase(call: Call) -> list[Any]:
    """Sequences made inside the model; the position known at import."""
    found = list(items(call, 0))
    del found[int(call.const(1, "the position").reshape(())) if call.has(1) else -1]
    return found


@operator("ConcatFromSequence")
def concat_from_sequence(call: Call) -> Tensor | np.ndarray:
    """Sequences made inside the model."""
    found, axis = items(call, 0), call.attr("axis")
    first_rank = len(found[0].shape)
    if call.flag("new_axis"):
        return stack(call, found, call.wrap(axis, first_rank + 1))
    return call.build.concat([call.build.tensor(p) for p in found], call.wrap(axis, first_rank))


@operator("SplitToSequence")
def split_to_sequence(call: Call) -> list[Any]:
    """Sizes known at import."""
    x = call.tensor(0)
    axis = call.axis(x.rank, 0)
    if call.has(1):
        given = call.const(1, "the sizes")
        step = int(given.reshape(-1)[0])
        sizes = [int(n) for n in given] if given.ndim else \
            [min(step, x.shape[axis] - i) for i in range(0, x.shape[axis], step)]
        keep = True
    else:
        sizes, keep = [1] * x.shape[axis], call.flag("keepdims", 1)
    starts = np.cumsum([0, *sizes[:-1]])
    parts = [call.build.slice_axis(x, axis, int(s), n) for s, n in zip(starts, sizes, strict=True)]
    return parts if keep else [call.build.reshape(p, (*x.shape[:axis], *x.shape[axis + 1:])) for p in parts]


@operator("Optional", "OptionalGetElement")
def optional(call: Call) -> Any:
    """Optional values made inside the model."""
    call.require(bool(call.inputs) and call.inputs[0] is not None, "it is empty")
    return call.inputs[0]


@operator("OptionalHasElement")
def optional_has_element(call: Call) -> np.ndarray:
    """Optional values made inside the model."""
    return np.array(bool(call.inputs) and call.inputs[0] is not None)
