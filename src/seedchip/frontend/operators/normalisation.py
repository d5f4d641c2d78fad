"""Softmax and the normalisations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seedchip.frontend.builder import Tensor, Value
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import apply


def as_float(call: Call, x: Tensor) -> Tensor:
    return x if x.type.dtype == "float32" else call.build.map(lambda a: a, x)


def _rows(call: Call, default: int) -> tuple[Tensor, list[int]]:
    """The input with the node's axis last, and the order that undoes it; before operator set 13 all axes from it on
    are one."""
    x = call.tensor(0)
    axis = call.axis(x.rank, default if call.opset >= 13 else 1)
    if call.opset < 13:
        return call.build.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))), [0, 1]
    perm = [a for a in range(x.rank) if a != axis] + ([axis] if x.rank else [])
    if not x.rank:
        return call.build.reshape(x, (1,)), [0]
    return call.build.transpose(x, perm), [int(i) for i in np.argsort(perm)]


def softmax_last(call: Call, x: Tensor) -> Tensor:
    """exp(x - max) / sum over the last axis."""
    top = call.build.reduce_last("max", x)
    powers = call.build.map(lambda a, m: f.exp_nonpositive(apply("sub", a, m)), x, top)
    share = call.build.map(f.reciprocal, call.build.reduce_last("sum", powers))
    return call.build.map(lambda e, r: apply("mul", e, r), powers, share)


@operator("Softmax")
def softmax(call: Call) -> Tensor:
    """Any axis."""
    rows, back = _rows(call, -1)
    if 0 in rows.shape:
        return call.tensor(0)
    return call.build.reshape(call.build.transpose(softmax_last(call, rows), back), call.shape(0))


@operator("LogSoftmax")
def log_softmax(call: Call) -> Tensor:
    """Any axis."""
    rows, back = _rows(call, -1)
    if 0 in rows.shape:
        return call.tensor(0)
    shifted = call.build.map(lambda a, m: apply("sub", a, m), rows, call.build.reduce_last("max", rows))
    total = call.build.reduce_last("sum", call.build.map(f.exp_nonpositive, shifted))
    y = call.build.map(lambda a, s: apply("sub", a, f.log(s)), shifted, total)
    return call.build.reshape(call.build.transpose(y, back), call.shape(0))


def _per_channel(call: Call, value: Value, rank: int) -> Value:
    """A vector of C as C x 1 x ..., to broadcast against N x C x ...."""
    shape = (-1, *(1,) * max(rank - 2, 0))
    if isinstance(value, Tensor):
        return call.build.reshape(value, (value.shape[0], *shape[1:]))
    return value.reshape(shape)


@operator("BatchNormalization")
def batch_normalization(call: Call) -> Tensor:
    """In inference mode; statistics known at import become one product and one sum per channel."""
    call.require(not call.flag("training_mode"), "training_mode is on")
    call.require(sum(1 for o in call.node.output if o) == 1 or call.opset < 9, "training outputs are asked for")
    x, epsilon = as_float(call, call.tensor(0)), call.attr("epsilon", 1e-5)
    scale, bias, mean, var = (call.value(i) for i in (1, 2, 3, 4))
    if all(isinstance(v, np.ndarray) for v in (scale, bias, mean, var)):
        scale64, bias64, mean64, var64 = (np.asarray(v, np.float64) for v in (scale, bias, mean, var))
        factor = scale64 / np.sqrt(var64 + epsilon)
        term = bias64 - mean64 * factor
        return call.build.map(lambda a, s, b: apply("mad", a, s, b), x,
                              _per_channel(call, factor.astype(np.float32), x.rank),
                              _per_channel(call, term.astype(np.float32), x.rank))
    factor = call.build.map(lambda s, v: apply("mul", s, f.rsqrt(apply("add", v, epsilon))), scale, var)
    centred = call.build.map(lambda a, m: apply("sub", a, m), x, _per_channel(call, mean, x.rank))
    return call.build.map(lambda a, s, b: apply("mad", a, s, b), centred, _per_channel(call, factor, x.rank),
                          _per_channel(call, bias, x.rank))


def moments(call: Call, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Over the last axis: x - mean, the sum, and 1 / sqrt(variance + epsilon)."""
    size = 1.0 / x.shape[-1]
    total = call.build.reduce_last("sum", x)
    centred = call.build.map(lambda a, s: apply("mad", s, -size, a), x, total)
    squares = call.build.reduce_last("sum", call.build.map(lambda d: apply("mul", d, d), centred))
    inverse = call.build.map(lambda s: f.rsqrt(apply("mad", s, size, epsilon)), squares)
    return centred, total, inverse


def scaled(call: Call, x: Tensor, inverse: Tensor, scale: Value | None, bias: Value | None) -> Tensor:
    y = call.build.map(lambda a, i: apply("mul", a, i), x, inverse)
    if scale is not None:
        y = call.build.map(lambda a, s: apply("mul", a, s), y, scale)
    return call.build.map(lambda a, b: apply("add", a, b), y, bias) if bias is not None else y


def _flat(value: Value | None, call: Call, tail: Sequence[int]) -> Value | None:
    """A scale or bias over the normalised axes as one row."""
    if value is None or len(tail) == 1:
        return value
    count = math.prod(tail)
    if isinstance(value, Tensor):
        return call.build.reshape(call.build.expand(value, tail), (count,))
    return np.ascontiguousarray(np.broadcast_to(value, tuple(tail))).reshape(count)


@operator("LayerNormalization")
def layer_normalization(call: Call) -> tuple[Tensor, ...]:
    """Any axis to start from; mean and inverse deviation are given too if asked for."""
    x = as_float(call, call.tensor(0))
    axis = call.axis(x.rank, -1)
    head, tail = x.shape[:axis], x.shape[axis:]
    rows = call.build.reshape(x, (*head, math.prod(tail)))
    centred, total, inverse = moments(call, rows, call.attr("epsilon", 1e-5))
    scale = _flat(call.inputs[1], call, tail)
    bias = _flat(call.inputs[2] if call.has(2) else None, call, tail)
    y = call.build.reshape(scaled(call, centred, inverse, scale, bias), x.shape)
    if call.num_outputs == 1:
        return (y,)
    mean = call.build.map(lambda s: apply("mul", s, 1.0 / rows.shape[-1]), total)
    statistics = [call.build.reshape(t, (*head, *(1,) * len(tail))) for t in (mean, inverse)]
    return (y, *statistics)


@operator("RMSNormalization", "SimplifiedLayerNormalization")
def rms_normalization(call: Call) -> Tensor:
    """Any axis to start from."""
    x = as_float(call, call.tensor(0))
    axis = call.axis(x.rank, -1)
    head, tail = x.shape[:axis], x.shape[axis:]
    rows = call.build.reshape(x, (*head, math.prod(tail)))
    size, epsilon = 1.0 / rows.shape[-1], call.attr("epsilon", 1e-5)
    squares = call.build.reduce_last("sum", call.build.map(lambda a: apply("mul", a, a), rows))
    inverse = call.build.map(lambda s: f.rsqrt(apply("mad", s, size, epsilon)), squares)
    return call.build.reshape(scaled(call, rows, inverse, _flat(call.inputs[1], call, tail), None), x.shape)


def _group_normalised(call: Call, groups: int) -> Tensor:
    """Each group of channels of each sample brought to mean 0 and deviation 1."""
    x = as_float(call, call.tensor(0))
    if x.rank < 2 or x.shape[1] % groups:
        raise ValueError(f"{groups} groups must divide the channels of shape {x.shape}")
    rows = call.build.reshape(x, (x.shape[0], groups, math.prod(x.shape[1:]) // groups))
    centred, _, inverse = moments(call, rows, call.attr("epsilon", 1e-5))
    y = call.build.map(lambda a, i: apply("mul", a, i), centred, inverse)
    return call.build.reshape(y, x.shape)


def _with_affine(call: Call, x: Tensor, scale: Value, bias: Value) -> Tensor:
    return call.build.map(lambda a, s, b: apply("mad", a, s, b), x, _per_channel(call, scale, x.rank),
                          _per_channel(call, bias, x.rank))


@operator("InstanceNormalization")
def instance_normalization(call: Call) -> Tensor:
    """Any number of spatial axes."""
    return _with_affine(call, _group_normalised(call, call.shape(0)[1]), call.value(1), call.value(2))


@operator("GroupNormalization")
def group_normalization(call: Call) -> Tensor:
    """Any number of spatial axes; scale and bias per channel, or per group as before operator set 21."""
    groups = call.attr("num_groups")
    channels = call.shape(0)[1]
    scale, bias = (_spread(call, call.value(i), channels) for i in (1, 2))
    return _with_affine(call, _group_normalised(call, groups), scale, bias)


def _spread(call: Call, value: Value, channels: int) -> Value:
    size = value.shape[0]
    if size == channels:
        return value
    if isinstance(value, Tensor):
        return call.build.take(value, 0, [i * size // channels for i in range(channels)])
    return np.repeat(value, channels // size)


@operator("LpNormalization")
def lp_normalization(call: Call) -> Tensor:
    """Any axis, p of 1 or 2."""
    x, p = as_float(call, call.tensor(0)), call.attr("p", 2)
    call.require(p in (1, 2), f"p is {p}")
    axis = call.axis(x.rank, -1)
    powers = call.build.map(lambda a: apply("mul", a, a) if p == 2 else f.absolute(a), x)
    total = call.build.reduce("sum", powers, [axis])
    norm = call.build.map(f.sqrt, total) if p == 2 else total
    return call.build.map(lambda a, s: apply("sel", s, f.divide(a, s), 0.0), x, norm)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(call: Call) -> Tensor:
    """Any axes."""
    x = call.tensor(0)
    axes = [a % x.rank for a in call.ints("axes", default=[0, 2, 3]) or []]
    size = 1.0 / math.prod(x.shape[a] for a in axes)
    mean = call.build.map(lambda s: apply("mul", s, size), call.build.reduce("sum", x, axes))
    centred = call.build.map(lambda a, m: apply("sub", a, m), x, mean)
    squares = call.build.reduce("sum", call.build.map(lambda d: apply("mul", d, d), centred), axes)
    return call.build.map(lambda d, s: f.divide(d, apply("add", f.sqrt(apply("mul", s, size)), 1e-9)), centred, squares)
