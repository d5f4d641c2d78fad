"""Shapes, slices, joins and constant gathers: nothing is computed, elements are moved."""

from __future__ import annotations

import math

import numpy as np

from seedchip.frontend.builder import Builder, Tensor
from seedchip.frontend.registry import Call, operator
from seedchip.numerics.expression import apply


@operator("Shape")
def shape(call: Call) -> np.ndarray:
    """Known at import, as every shape is."""
    sizes = call.shape(0)
    return np.array(sizes[slice(call.attr("start", 0), call.attr("end"))], np.int64)


@operator("Size")
def size(call: Call) -> np.ndarray:
    """Known at import, as every shape is."""
    return np.array(math.prod(call.shape(0)), np.int64)


@operator("Reshape")
def reshape(call: Call) -> Tensor:
    """The new shape must be known at import."""
    x = call.codes(0)
    wanted = call.ints("shape", index=1) or []
    if not call.flag("allowzero"):
        wanted = [x.shape[i] if n == 0 and i < x.rank else n for i, n in enumerate(wanted)]
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest == 0 or math.prod(x.shape) % rest:
            raise ValueError(f"{x.shape} must be reshapable to {wanted}")
        wanted[wanted.index(-1)] = math.prod(x.shape) // rest
    return call.build.reshape(x, wanted)


@operator("Flatten")
def flatten(call: Call) -> Tensor:
    """Any axis."""
    x = call.codes(0)
    axis = call.attr("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    return call.build.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze")
def squeeze(call: Call) -> Tensor:
    """Axes known at import."""
    x = call.codes(0)
    axes = call.ints("axes", index=1)
    drop = [a for a, n in enumerate(x.shape) if n == 1] if axes is None else [call.wrap(a, x.rank) for a in axes]
    if any(x.shape[a] != 1 for a in drop):
        raise ValueError(f"squeezed axes must have size 1, not {[x.shape[a] for a in drop]}")
    return call.build.reshape(x, [n for a, n in enumerate(x.shape) if a not in drop])


@operator("Unsqueeze")
def unsqueeze(call: Call) -> Tensor:
    """Axes known at import."""
    x = call.codes(0)
    axes = call.ints("axes", index=1) or []
    rank = x.rank + len(axes)
    new = {call.wrap(a, rank) for a in axes}
    sizes = iter(x.shape)
    return call.build.reshape(x, [1 if a in new else next(sizes) for a in range(rank)])


@operator("Transpose")
def transpose(call: Call) -> Tensor:
    """Any order of axes."""
    x = call.codes(0)
    return call.build.transpose(x, call.ints("perm", default=range(x.rank)[::-1]) or [])


@operator("Concat")
def concat(call: Call) -> Tensor:
    """Any axis; operands may be known at import."""
    tensors = [call.codes(i) for i in range(len(call.inputs))]
    axis = call.wrap(call.attr("axis", 1), tensors[0].rank)
    if len({t.type.dtype for t in tensors}) > 1:
        tensors = [call.build.tensor(t) for t in tensors]
    return call.build.concat(tensors, axis)


@operator("Split")
def split(call: Call) -> tuple[Tensor, ...]:
    """Sizes known at import."""
    x = call.codes(0)
    axis = call.axis(x.rank, 0)
    sizes = call.ints("split", index=1)
    if sizes is None:
        count = call.attr("num_outputs", call.num_outputs)
        step = -(-x.shape[axis] // count)
        sizes = [min(step, x.shape[axis] - i * step) for i in range(count)]
    if sum(sizes) != x.shape[axis] or min(sizes) < 0:
        raise ValueError(f"split sizes {sizes} must add up to {x.shape[axis]}")
    starts = np.cumsum([0, *sizes[:-1]])
    return tuple(call.build.slice_axis(x, axis, int(s), n) for s, n in zip(starts, sizes, strict=True))


@operator("Slice")
def slice_(call: Call) -> Tensor:
    """Starts, ends, axes and steps known at import; steps may be negative."""
    x = call.codes(0)
    begin, end = call.ints("starts", 1) or [], call.ints("ends", 2) or []
    axes = call.ints("axes", 3)
    axes = list(range(len(begin))) if axes is None else [call.wrap(a, x.rank) for a in axes]
    steps = call.ints("steps", 4, default=[1] * len(axes)) or []
    starts, sizes, strides = [0] * x.rank, list(x.shape), [1] * x.rank
    for axis, first, last, step in zip(axes, begin, end, steps, strict=True):
        picked = range(*slice(first, last, step).indices(x.shape[axis]))
        starts[axis], sizes[axis], strides[axis] = (picked.start if len(picked) else 0), len(picked), step
    return call.build.slice(x, starts, sizes, strides)


@operator("Expand")
def expand(call: Call) -> Tensor:
    """The new shape must be known at import."""
    x = call.codes(0)
    return call.build.expand(x, np.broadcast_shapes(x.shape, tuple(call.ints("shape", index=1) or ())))


@operator("Tile")
def tile(call: Call) -> Tensor:
    """Repeats known at import."""
    x = call.codes(0)
    for axis, count in enumerate(call.ints("repeats", index=1) or []):
        if count != 1:
            x = _repeat_axis(call.build, x, axis, count)
    return x


def _repeat_axis(build: Builder, x: Tensor, axis: int, count: int) -> Tensor:
    if count == 0:
        return build.slice_axis(x, axis, 0, 0)
    if x.shape[axis] == 1:
        return build.expand(x, (*x.shape[:axis], count, *x.shape[axis + 1:]))
    return build.concat([x] * count, axis)


@operator("Pad")
def pad(call: Call) -> Tensor:
    """Modes constant, edge, reflect and wrap; sizes known at import; negative sizes cut."""
    x = call.codes(0)
    sizes = call.ints("pads", index=1)
    sizes = call.ints("paddings") if sizes is None else sizes
    axes = call.ints("axes", index=3, default=range(x.rank)) or []
    before, after = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(axes):
        before[call.wrap(axis, x.rank)], after[call.wrap(axis, x.rank)] = (sizes or [])[i], (sizes or [])[i + len(axes)]
    mode = call.attr("mode", "constant")
    if mode == "constant":
        x = call.build.slice(x, [max(0, -b) for b in before],
                             [n - max(0, -b) - max(0, -a) for n, b, a in zip(x.shape, before, after, strict=True)])
        more = [max(0, b) for b in before], [max(0, a) for a in after]
        if call.has(2) and isinstance(call.value(2), Tensor):
            return _pad_with(call, x, *more)
        value = float(call.const(2, "the value").reshape(-1)[0]) if call.has(2) else call.attr("value", 0.0)
        return call.build.pad(x, *more, value)
    modes = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}
    call.require(mode in modes, f"the mode is {mode!r}")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            indices = np.arange(x.shape[axis])[max(0, -b):x.shape[axis] - max(0, -a)]
            indices = np.pad(indices, (max(0, b), max(0, a)), mode=modes[mode])  # type: ignore[call-overload]
            x = call.build.take(x, axis, indices.tolist())
    return x


def _pad_with(call: Call, x: Tensor, before: list[int], after: list[int]) -> Tensor:
    """Pads with a value that is computed at run time: blocks of it are joined to each axis."""
    x, value = call.build.tensor(x), call.tensor(2)
    for axis, sizes in enumerate(zip(before, after, strict=True)):
        blocks = []
        for size in sizes:
            shape = (*x.shape[:axis], size, *x.shape[axis + 1:])
            single = call.build.reshape(value, (1,) * x.rank)
            blocks.append(call.build.expand(single, shape) if size else None)
        parts = [blocks[0], x, blocks[1]]
        x = call.build.concat([p for p in parts if p is not None], axis)
    return x


@operator("DepthToSpace")
def depth_to_space(call: Call) -> Tensor:
    """Modes DCR and CRD."""
    x, b = call.codes(0), call.attr("blocksize")
    n, c, h, w = x.shape
    if call.attr("mode", "DCR") == "DCR":
        y = call.build.transpose(call.build.reshape(x, (n, b, b, c // (b * b), h, w)), (0, 3, 4, 1, 5, 2))
    else:
        y = call.build.transpose(call.build.reshape(x, (n, c // (b * b), b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return call.build.reshape(y, (n, c // (b * b), h * b, w * b))


@operator("SpaceToDepth")
def space_to_depth(call: Call) -> Tensor:
    """Modes DCR and CRD; any block size that divides height and width."""
    x, b = call.codes(0), call.attr("blocksize")
    n, c, h, w = x.shape
    order = (0, 3, 5, 1, 2, 4) if call.attr("mode", "DCR") == "DCR" else (0, 1, 3, 5, 2, 4)
    y = call.build.transpose(call.build.reshape(x, (n, c, h // b, b, w // b, b)), order)
    return call.build.reshape(y, (n, c * b * b, h // b, w // b))


@operator("Trilu")
def trilu(call: Call) -> Tensor:
    """The diagonal's number known at import."""
    x = call.tensor(0)
    k = int(call.const(1, "the diagonal").reshape(())) if call.has(1) else 0
    ones = np.ones(x.shape[-2:], np.float32)
    mask = np.triu(ones, k) if call.flag("upper", 1) else np.tril(ones, k)
    return call.build.map(lambda m, a: apply("sel", m, a, 0.0), mask, x, dtype=x.type.dtype)
