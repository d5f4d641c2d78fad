"""Operators that ONNX Runtime's tools write into models (domain com.microsoft): quantised arithmetic and fused
activations.

Their definitions are in onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from seedchip.frontend.builder import Tensor, Value
from seedchip.frontend.operators.activation import gelu
from seedchip.frontend.operators.convolution import conv
from seedchip.frontend.operators.matmul import gemm
from seedchip.frontend.operators.normalisation import moments, scaled, softmax_last
from seedchip.frontend.operators.pooling import average_pooled
from seedchip.frontend.operators.quantised import (
    as_codes,
    dequantize_linear,
    dynamic_codes,
    integer_product,
    quantised,
    quantize_linear,
    requantised,
    scale_ratio,
    zero_point,
)
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import Expression, apply

MICROSOFT = "com.microsoft"

operator("QuantizeLinear", domain=MICROSOFT)(quantize_linear)
operator("DequantizeLinear", domain=MICROSOFT)(dequantize_linear)


def real(call: Call, codes: int, scale: int, zero: int) -> Tensor:
    """(codes - zero) * scale of the inputs at these places."""
    q = as_codes(call, codes)
    plain = Tensor(q.name, q.type)
    return call.build.map(lambda a, z, s: apply("mul", apply("sub", a, z), s), plain, zero_point(call, zero, q),
                          call.value(scale))


def coded(call: Call, x: Tensor, scale: int, zero: int) -> Tensor:
    """``x`` in the codes of the scale and zero point at these places; uint8 when there is no zero point."""
    dtype = call.dtype(zero) if call.has(zero) else "uint8"
    carrier = Tensor("", x.type, dtype, 128 if dtype == "uint8" else 0)
    return quantised(call, x, call.value(scale), zero_point(call, zero, carrier), dtype)


@operator("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def qlinear_binary(call: Call) -> Tensor:
    """int8 and uint8 operands whose shapes broadcast; one scale per tensor."""
    name = "add" if call.node.op_type == "QLinearAdd" else "mul"
    y = call.build.map(lambda a, b: apply(name, a, b), real(call, 0, 1, 2), real(call, 3, 4, 5))
    return coded(call, y, 6, 7)


@operator("QLinearSigmoid", "QLinearLeakyRelu", domain=MICROSOFT)
def qlinear_unary(call: Call) -> Tensor:
    """int8 and uint8 operands; one scale per tensor."""
    alpha = call.attr("alpha", 0.01)

    def leaky(a: Expression) -> Expression:
        return apply("sel", apply("lt", a, 0.0), apply("mul", a, alpha), a)

    function = f.sigmoid if call.node.op_type == "QLinearSigmoid" else leaky
    return coded(call, call.build.map(function, real(call, 0, 1, 2)), 3, 4)


@operator("QLinearSoftmax", domain=MICROSOFT)
def qlinear_softmax(call: Call) -> Tensor:
    """The last axis."""
    x = real(call, 0, 1, 2)
    axis = call.axis(x.rank, -1)
    call.require(axis == x.rank - 1, f"the axis is {axis} of {x.rank}")
    return coded(call, softmax_last(call, x), 3, 4)


@operator("QLinearGlobalAveragePool", domain=MICROSOFT)
def qlinear_global_average_pool(call: Call) -> Tensor:
    """Channels first or last."""
    x = real(call, 0, 1, 2)
    last = call.flag("channels_last")
    axes = list(range(1, x.rank - 1)) if last else list(range(2, x.rank))
    total = call.build.reduce("sum", x, axes)
    mean = call.build.map(lambda a: apply("mul", a, 1.0 / math.prod(x.shape[a] for a in axes)), total)
    return coded(call, mean, 3, 4)


@operator("QLinearAveragePool", domain=MICROSOFT)
def qlinear_average_pool(call: Call) -> Tensor:
    """As AveragePool; channels first."""
    call.require(not call.flag("channels_last"), "the channels are last")
    return coded(call, average_pooled(call, real(call, 0, 1, 2)), 3, 4)


@operator("QLinearConcat", domain=MICROSOFT)
def qlinear_concat(call: Call) -> Tensor:
    """Any axis; each operand has its own scale."""
    parts = [real(call, i, i + 1, i + 2) for i in range(2, len(call.inputs), 3)]
    return coded(call, call.build.concat(parts, call.wrap(call.attr("axis"), parts[0].rank)), 0, 1)


@operator("QGemm", domain=MICROSOFT)
def qgemm(call: Call) -> Tensor:
    """int8 and uint8 operands, either transposed; bias in int32; codes or binary32 out."""
    a, b = as_codes(call, 0), as_codes(call, 3)
    zero_a, zero_b = zero_point(call, 2, a), zero_point(call, 5, b)
    a = call.build.transpose(a, (1, 0)) if call.flag("transA") else a
    b = call.build.transpose(b, (1, 0)) if call.flag("transB") else b
    total = integer_product(call, a, zero_a, b, zero_b)
    if call.has(6):
        total = call.build.map(lambda t, c: apply("add", t, c), total, call.value(6), dtype="int32")
    alpha = np.array(call.attr("alpha", 1.0), np.float32)
    if call.has(7):
        ratio = scale_ratio(call, call.value(1), call.value(4), call.value(7))
        ratio = ratio * alpha if isinstance(ratio, np.ndarray) else ratio
        return requantised(call, total, ratio, 8, call.dtype(8))
    return _times(call, total, call.value(1), call.value(4), alpha).as_dtype("float32")


def _times(call: Call, x: Tensor, *factors: Value) -> Tensor:
    for factor in factors:
        x = call.build.map(lambda a, s: apply("mul", a, s), x, factor)
    return x


def _plus(call: Call, x: Tensor, index: int) -> Tensor:
    return call.build.map(lambda a, b: apply("add", a, b), x, call.value(index)) if call.has(index) else x


@operator("MatMulIntegerToFloat", domain=MICROSOFT)
def matmul_integer_to_float(call: Call) -> Tensor:
    """Scales and zero points single or per column of the second operand."""
    a, b = as_codes(call, 0), as_codes(call, 1)
    total = integer_product(call, a, zero_point(call, 4, a), b, zero_point(call, 5, b))
    return _plus(call, _times(call, total, call.value(2), call.value(3)), 6).as_dtype("float32")


@operator("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_matmul(call: Call) -> Tensor:
    """The codes of the second operand known or not; its scale single or per column. The first operand's codes, scale
    and zero point are those of the whole tensor."""
    codes, scale, zero = dynamic_codes(call, call.tensor(0))
    b = as_codes(call, 1)
    total = integer_product(call, codes, zero, b, zero_point(call, 3, b))
    return _plus(call, _times(call, total, scale, call.value(2)), 4).as_dtype("float32")


operator("Gelu", domain=MICROSOFT)(gelu)
operator("FusedMatMul", "FusedGemm", domain=MICROSOFT)(gemm)


@operator("FastGelu", "BiasGelu", "QuickGelu", domain=MICROSOFT)
def gelu_forms(call: Call) -> Tensor:
    """Floating-point tensors, with a bias of the last axis."""
    x = _plus(call, call.tensor(0), 1)
    if call.node.op_type == "QuickGelu":
        alpha = call.attr("alpha", 1.702)
        return call.build.map(lambda a: apply("mul", a, f.sigmoid(apply("mul", a, alpha))), x)
    return call.build.map(f.gelu_tanh if call.node.op_type == "FastGelu" else f.gelu, x)


@operator("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(call: Call) -> tuple[Tensor | None, ...]:
    """Sum of two tensors (and a bias), normalised over the last axis; the sum is given too if asked for."""
    simple = call.node.op_type == "SkipSimplifiedLayerNormalization"
    total = call.build.map(lambda a, b: apply("add", a, b), call.tensor(0), call.value(1))
    total = _plus(call, total, 3 if simple else 4)
    epsilon = call.attr("epsilon", 1e-12 if not simple else 1e-6)
    if simple:
        size = 1.0 / total.shape[-1]
        squares = call.build.reduce_last("sum", call.build.map(lambda a: apply("mul", a, a), total))
        inverse = call.build.map(lambda s: f.rsqrt(apply("mad", s, size, epsilon)), squares)
        return scaled(call, total, inverse, call.value(2), None), None, None, total
    centred, _, inverse = moments(call, total, epsilon)
    return scaled(call, centred, inverse, call.value(2), call.value(3) if call.has(3) else None), None, None, total


FUSED: dict[str, Callable[[Expression], Expression]] = {
    "Relu": lambda a: apply("max", a, 0.0), "Sigmoid": f.sigmoid, "Tanh": f.tanh,
    "HardSigmoid": lambda a: apply("min", apply("max", apply("mad", a, 0.2, 0.5), 0.0), 1.0),
}


@operator("FusedConv", domain=MICROSOFT)
def fused_conv(call: Call) -> Tensor:
    """As Conv, followed by Relu, Sigmoid or Tanh, or by Clip or LeakyRelu with their parameters."""
    x = conv(call)
    if call.has(3):
        x = call.build.map(lambda a, b: apply("add", a, b), x, call.value(3))
    name, numbers = call.attr("activation", ""), call.attr("activation_params", ())
    if not name:
        return x
    if name == "LeakyRelu":
        return call.build.map(lambda a: apply("sel", apply("lt", a, 0.0), apply("mul", a, numbers[0]), a), x)
    if name == "Clip":
        return call.build.map(lambda a: apply("min", apply("max", a, numbers[0]), numbers[1]), x)
    call.require(name in FUSED and not numbers, f"the activation is {name}")
    return call.build.map(FUSED[name], x)

