"""Activations and other functions of one tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seedchip.frontend.builder import Tensor
from seedchip.frontend.operators.elementwise import numeric
from seedchip.frontend.registry import Call, operator
from seedchip.numerics import functions as f
from seedchip.numerics.expression import Expression, apply


def unary(call: Call, function: Callable[[Expression], Expression]) -> Tensor:
    return call.build.map(function, call.tensor(0), dtype=numeric(call))


def choose(condition: Expression, then: Expression | float, otherwise: Expression | float) -> Expression:
    return apply("sel", condition, then, otherwise)


def positive(a: Expression) -> Expression:
    return apply("lt", 0.0, a)


def clamp(a: Expression, low: float, high: float) -> Expression:
    return apply("min", apply("max", a, low), high)


@operator("Relu")
def relu(call: Call) -> Tensor:
    """Any tensor."""
    return unary(call, lambda a: apply("max", a, 0.0))


@operator("Sigmoid")
def sigmoid(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.sigmoid)


@operator("Tanh")
def tanh(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.tanh)


@operator("Erf")
def erf(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.erf)


@operator("Exp")
def exp(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.exp)


@operator("Log")
def log(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.log)


@operator("Sqrt")
def sqrt(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.sqrt)


@operator("Reciprocal")
def reciprocal(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.reciprocal)


@operator("Sin")
def sin(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.sin)


@operator("Cos")
def cos(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.cos)


@operator("Tan")
def tan(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.tan)


@operator("Asin")
def asin(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.asin)


@operator("Acos")
def acos(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.acos)


@operator("Atan")
def atan(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.atan)


@operator("Sinh")
def sinh(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.sinh)


@operator("Cosh")
def cosh(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.cosh)


@operator("Asinh")
def asinh(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.asinh)


@operator("Acosh")
def acosh(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.acosh)


@operator("Atanh")
def atanh(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.atanh)


@operator("Abs")
def abs_(call: Call) -> Tensor:
    """Any tensor."""
    return unary(call, f.absolute)


@operator("Neg")
def neg(call: Call) -> Tensor:
    """Any tensor."""
    return unary(call, f.negate)


@operator("Sign")
def sign(call: Call) -> Tensor:
    """Any tensor."""
    return unary(call, f.sign)


@operator("Floor")
def floor(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, lambda a: apply("floor", a))


@operator("Ceil")
def ceil(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.ceil)


@operator("Round")
def round_(call: Call) -> Tensor:
    """Floating-point tensors; ties go to the even number."""
    return unary(call, lambda a: apply("rne", a))


@operator("Gelu")
def gelu(call: Call) -> Tensor:
    """Floating-point tensors, exact or with the tanh approximation."""
    return unary(call, f.gelu_tanh if call.attr("approximate", "none") == "tanh" else f.gelu)


@operator("Softplus")
def softplus(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, f.softplus)


@operator("Mish")
def mish(call: Call) -> Tensor:
    """Floating-point tensors: x tanh(softplus(x))."""
    return unary(call, lambda a: apply("mul", a, f.tanh(f.softplus(a))))


@operator("Softsign")
def softsign(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, lambda a: f.divide(a, apply("add", f.absolute(a), 1.0)))


@operator("Swish")
def swish(call: Call) -> Tensor:
    """Floating-point tensors: x sigmoid(alpha x)."""
    alpha = call.attr("alpha", 1.0)
    return unary(call, lambda a: apply("mul", a, f.sigmoid(apply("mul", a, alpha) if alpha != 1 else a)))


@operator("HardSigmoid")
def hard_sigmoid(call: Call) -> Tensor:
    """Floating-point tensors."""
    alpha, beta = call.attr("alpha", 0.2), call.attr("beta", 0.5)
    return unary(call, lambda a: clamp(apply("mad", a, alpha, beta), 0.0, 1.0))


@operator("HardSwish")
def hard_swish(call: Call) -> Tensor:
    """Floating-point tensors."""
    return unary(call, lambda a: apply("mul", a, clamp(apply("mad", a, 1.0 / 6.0, 0.5), 0.0, 1.0)))


@operator("LeakyRelu")
def leaky_relu(call: Call) -> Tensor:
    """Floating-point tensors."""
    alpha = call.attr("alpha", 0.01)
    return unary(call, lambda a: choose(apply("lt", a, 0.0), apply("mul", a, alpha), a))


@operator("PRelu")
def prelu(call: Call) -> Tensor:
    """Slopes of any shape that broadcasts to the input's."""
    x, slope = call.tensor(0), call.value(1)
    if call.opset < 7 and len(slope.shape) == 1 and slope.shape[0] > 1:
        shape = (slope.shape[0], *(1,) * (x.rank - 2))
        slope = call.build.reshape(slope, shape) if isinstance(slope, Tensor) else slope.reshape(shape)
    return call.build.map(lambda a, s: choose(apply("lt", a, 0.0), apply("mul", a, s), a), x, slope,
                          dtype=numeric(call))


def _expm1(a: Expression) -> Expression:
    return apply("sub", f.exp(apply("min", a, 0.0)), 1.0)


@operator("Elu")
def elu(call: Call) -> Tensor:
    """Floating-point tensors."""
    alpha = call.attr("alpha", 1.0)
    return unary(call, lambda a: choose(positive(a), a, apply("mul", _expm1(a), alpha)))


@operator("Selu")
def selu(call: Call) -> Tensor:
    """Floating-point tensors."""
    alpha, gamma = call.attr("alpha", 1.67326319217681884765625), call.attr("gamma", 1.05070102214813232421875)
    return unary(call, lambda a: apply("mul", choose(positive(a), a, apply("mul", _expm1(a), alpha)), gamma))


@operator("Celu")
def celu(call: Call) -> Tensor:
    """Floating-point tensors."""
    alpha = call.attr("alpha", 1.0)
    return unary(call, lambda a: apply("add", apply("max", a, 0.0),
                                       apply("mul", _expm1(apply("mul", a, 1.0 / alpha)), alpha)))


@operator("ThresholdedRelu")
def thresholded_relu(call: Call) -> Tensor:
    """Floating-point tensors."""
    alpha = call.attr("alpha", 1.0)
    return unary(call, lambda a: choose(apply("lt", alpha, a), a, 0.0))


@operator("Shrink")
def shrink(call: Call) -> Tensor:
    """Any tensor."""
    lambd, bias = call.attr("lambd", 0.5), call.attr("bias", 0.0)
    return unary(call, lambda a: choose(apply("lt", a, -lambd), apply("add", a, bias),
                                        choose(apply("lt", lambd, a), apply("sub", a, bias), 0.0)))


@operator("Clip")
def clip(call: Call) -> Tensor:
    """Limits may be constants or single numbers computed at run time."""
    x = call.tensor(0)
    low, high = (_limit(call, i, name) for i, name in ((1, "min"), (2, "max")))
    if low is not None:
        x = call.build.map(lambda a, b: apply("max", a, b), x, low, dtype=numeric(call))
    if high is not None:
        x = call.build.map(lambda a, b: apply("min", a, b), x, high, dtype=numeric(call))
    return x


def _limit(call: Call, index: int, name: str) -> Tensor | np.ndarray | None:
    if call.has(index):
        value = call.value(index)
        return call.tensor(index) if isinstance(value, Tensor) else value.reshape(())
    found = call.attr(name)
    return None if found is None else np.array(found, np.float32)
