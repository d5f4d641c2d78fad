"""How many micro-operations the folded tails of layers take, and that folding keeps values."""

from __future__ import annotations

import numpy as np
import pytest
from networks import Net, image_network, normal_feeds

from seedchip.graph.ops import Map
from seedchip.numerics import functions
from seedchip.numerics.expression import apply, argument, evaluate, num_operations
from seedchip.quantise import QuantiseOptions, quantise
from seedchip.quantise.simplify import saturated, scaled, shifted, simplify
from seedchip.quantise.term import const, from_expression, operate, read, to_expression
from seedchip.quantise.term import num_operations as num_term_operations


def tail_operations(graph, name):
    """Micro-operations of the map that writes ``name``; an outermost clamp by a number is free on the chip."""
    node = next(n for n in graph.nodes if n.output == name)
    assert isinstance(node.op, Map)
    return num_operations(node.op.expression)


def test_tails_of_an_image_network_take_the_fewest_operations():
    graph = image_network()
    quantised = quantise(graph, calibration=normal_feeds(graph))
    assert tail_operations(quantised, "a/int8") == 1  # scale, bias, ReLU, requantise
    assert tail_operations(quantised, "b/int8") == 1  # ... with a clip at 6
    assert tail_operations(quantised, "c/int8") == 5  # hard-swish
    assert tail_operations(quantised, "d/int8") == 2  # residual sum, ReLU
    assert tail_operations(quantised, "out") == 1  # classifier: scale and bias


def test_a_symmetric_relu_keeps_its_clamp_outermost():
    net = Net()
    x = net.input("x", 1, 8, 8, 4)
    first = net.relu("r", net.conv("first", x, 4))
    graph = net.graph(net.conv("second", first, 4))
    options = QuantiseOptions(asymmetric=False, equalise=False)
    quantised = quantise(graph, calibration=normal_feeds(graph), options=options)
    expression = next(n for n in quantised.nodes if n.output == "r/int8").op.expression
    assert [expression.operator, expression.operands[0].operator] == ["max", "mad"]


def value(term, **tensors):
    """The term's value with named tensors."""
    arrays = dict(tensors)

    def add(array):
        arrays[f"constant{len(arrays)}"] = array
        return f"constant{len(arrays) - 1}"

    expression, names = to_expression(term, add)
    return evaluate(expression, [np.asarray(arrays[n], np.float32) for n in names])


X = np.linspace(-9, 9, 401, dtype=np.float32)
S, B = np.array([0.25, -0.5, 3.0])[:, None], np.array([0.1, 0.2, -0.3])[:, None]
ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": lambda x: apply("max", x, 0.0),
    "clip": lambda x: functions.clip(x, 0.0, 6.0),
    "gelu": functions.gelu,
    "sigmoid": functions.sigmoid,
    "exp": functions.exp,
    "tanh": functions.tanh,
    "leaky": lambda x: apply("sel", apply("lt", x, 0.0), apply("mul", x, 0.1), x),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_folding_changes_values_by_rounding_only(name):
    inner = operate("add", operate("mul", read("x"), const(S)), const(B))
    term = from_expression(ACTIVATIONS[name](argument(0)), [inner])
    exact = value(term, x=X)
    folded = shifted(scaled(term, 1 / 0.07), -5.0)
    np.testing.assert_allclose(value(folded, x=X), exact / 0.07 - 5, rtol=3e-5, atol=2e-5)
    assert num_term_operations(folded) <= num_term_operations(term)


def test_a_residual_sum_of_three_has_one_constant_and_three_operations():
    factors = {"x": (0.5, 1.0), "y": (2.0, -3.0), "z": (4.0, 0.5)}
    parts = [operate("mad", read(n), const(k), const(b)) for n, (k, b) in factors.items()]
    total = simplify(operate("add", operate("add", parts[0], parts[1]), parts[2]))
    assert num_term_operations(total) == 3
    np.testing.assert_allclose(value(total, x=X, y=X, z=X), X * 6.5 - 1.5, rtol=1e-5, atol=1e-5)


def test_rounding_by_a_large_shift_survives():
    shift = 1.5 * 2.0**23
    term = operate("sub", operate("add", operate("mul", read("x"), const(0.3)), const(shift)), const(shift))
    np.testing.assert_array_equal(value(simplify(term), x=X), np.rint(X * np.float32(0.3)))


def test_clamps_that_saturation_makes_are_dropped():
    term = operate("max", operate("min", read("x"), 127.0), -128.0)
    assert saturated(term).operator == "tensor"
    assert saturated(operate("min", read("x"), 100.0)).operator == "min"
