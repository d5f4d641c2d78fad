"""Element-wise functions against float64 NumPy: sampled errors, special values, exactness, budgets."""

import math

import numpy as np
import pytest

from seedchip.numerics.expression import argument, constant, evaluate, merge, num_operations, postorder
from seedchip.numerics.functions import FUNCTIONS, divide, expression
from seedchip.numerics.manual import num_live
from seedchip.numerics.measure import CASES, error_ulp, measure, pattern_ranges
from seedchip.numerics.measured import MEASURED

INF, NAN, TINY = np.inf, np.nan, 2.0**-149

OPERATION_BUDGET = {"exp": 13, "exp_nonpositive": 11, "reciprocal_normal": 7, "rsqrt_normal": 9, "gelu": 15,
                    "gelu_tanh": 17, "sigmoid": 20, "silu": 21, "tanh": 22, "erf": 24, "softplus": 23, "power": 63}

SPECIAL_VALUES = {
    "exp": [(INF, INF), (-INF, 0.0), (0.0, 1.0), (-0.0, 1.0), (TINY, 1.0), (-TINY, 1.0), (89.0, INF), (-104.0, 0.0),
            (NAN, NAN)],
    "exp_nonpositive": [(-INF, 0.0), (0.0, 1.0), (-0.0, 1.0), (-TINY, 1.0), (-88.0, 0.0), (NAN, NAN)],
    "log": [(0.0, -INF), (-0.0, -INF), (1.0, 0.0), (INF, INF), (-1.0, NAN), (-INF, NAN), (-TINY, NAN), (NAN, NAN)],
    "reciprocal": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (-INF, -0.0), (TINY, INF), (1.0, 1.0), (-4.0, -0.25),
                   (NAN, NAN)],
    "sqrt": [(0.0, 0.0), (-0.0, -0.0), (INF, INF), (4.0, 2.0), (2.25, 1.5), (-1.0, NAN), (-INF, NAN), (-TINY, NAN),
             (NAN, NAN)],
    "rsqrt": [(0.0, INF), (-0.0, -INF), (INF, 0.0), (4.0, 0.5), (-1.0, NAN), (-INF, NAN), (NAN, NAN)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (INF, 1.0), (50.0, 1.0), (NAN, NAN)],
    "silu": [(0.0, 0.0), (INF, INF), (100.0, 100.0), (NAN, NAN)],
    "softplus": [(INF, INF), (-INF, 0.0), (100.0, 100.0), (NAN, NAN)],
    "tanh": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (TINY, TINY), (-TINY, -TINY), (20.0, 1.0), (NAN, NAN)],
    "erf": [(INF, 1.0), (-INF, -1.0), (0.0, 0.0), (TINY, TINY), (6.0, 1.0), (NAN, NAN)],
    "gelu": [(INF, INF), (0.0, 0.0), (-0.0, 0.0), (10.0, 10.0), (NAN, NAN)],
    "gelu_tanh": [(INF, INF), (0.0, 0.0), (10.0, 10.0), (NAN, NAN)],
    "sin": [(0.0, 0.0), (TINY, TINY), (INF, NAN), (-INF, NAN), (NAN, NAN)],
    "cos": [(0.0, 1.0), (-0.0, 1.0), (TINY, 1.0), (INF, NAN), (NAN, NAN)],
    "sinh": [(INF, INF), (-INF, -INF), (0.0, 0.0), (-0.0, -0.0), (NAN, NAN)],
    "cosh": [(INF, INF), (-INF, INF), (0.0, 1.0), (NAN, NAN)],
    "atan": [(INF, np.float32(math.pi / 2)), (-INF, -np.float32(math.pi / 2)), (0.0, 0.0), (-0.0, -0.0),
             (TINY, TINY), (NAN, NAN)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1.0, np.float32(math.pi / 2)), (1.5, NAN), (-INF, NAN), (NAN, NAN)],
    "acos": [(1.0, 0.0), (-1.0, np.float32(math.pi)), (1.5, NAN), (INF, NAN), (NAN, NAN)],
    "acosh": [(1.0, 0.0), (0.5, NAN), (-INF, NAN), (NAN, NAN)],
    "atanh": [(0.0, 0.0), (-0.0, -0.0), (1.0, INF), (-1.0, -INF), (1.5, NAN), (NAN, NAN)],
}


def random_patterns(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**32, count, dtype=np.uint32).view(np.float32)


def assert_same_bits(got: np.ndarray, want: np.ndarray) -> None:
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got.view(np.int32), np.asarray(want, np.float32).view(np.int32))


@pytest.mark.parametrize("name", CASES)
def test_sampled_error_stays_within_the_measured_worst(name):
    assert measure(name, stride=65537).ulp <= MEASURED[name].ulp


@pytest.mark.parametrize("name", CASES)
def test_measured_worst_is_what_its_argument_gives(name):
    worst = MEASURED[name]
    error = error_ulp(CASES[name], expression(name), np.array([worst.at], np.float32))
    assert error[0] == pytest.approx(worst.ulp, abs=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_domain_edges_stay_within_the_measured_worst(name):
    case = CASES[name]
    for first, end in pattern_ranges(case.low, case.high):
        patterns = np.r_[first:min(first + 5000, end), max(first, end - 5000):end].astype(np.uint32)
        assert error_ulp(case, expression(name), patterns.view(np.float32)).max() <= MEASURED[name].ulp


@pytest.mark.parametrize("name", SPECIAL_VALUES)
def test_special_values_are_ieee_754s(name):
    x, want = np.array(SPECIAL_VALUES[name], np.float32).T
    assert_same_bits(evaluate(expression(name), [x]), want)


def test_saturated_tails_stay_next_to_zero():
    far = np.array([-20.0, -1e3, -3e38, -INF], np.float32)
    for name, bound in (("gelu", 6e-8), ("gelu_tanh", 1.6e-7)):
        assert np.abs(evaluate(expression(name), [far])).max() < bound
    assert np.abs(evaluate(expression("sigmoid"), [far[1:]])).max() < 3e-38
    assert np.abs(evaluate(expression("silu"), [far[1:]])).max() < 3e-36


def test_exp_nonpositive_never_exceeds_one():
    x = -np.geomspace(1e-12, 1e-3, 100001).astype(np.float32)
    assert evaluate(expression("exp_nonpositive"), [x]).max() <= 1.0


@pytest.mark.parametrize("name", ["tanh", "erf", "sigmoid"])
def test_saturating_function_never_exceeds_one(name):
    x = np.concatenate([random_patterns(200000, 4), np.linspace(0, 20, 400001, dtype=np.float32)])
    assert np.nanmax(np.abs(evaluate(expression(name), [x]))) == 1.0


def test_sine_of_huge_numbers_stays_within_one():
    x = random_patterns(100000, 3)
    for name in ("sin", "cos"):
        y = evaluate(expression(name), [x[np.isfinite(x)]])
        assert np.abs(y).max() <= 1.0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_instruction_holds_the_function(name):
    order = postorder(expression(name))
    assert num_operations(expression(name)) <= 64
    assert len({e.value for e in order if e.operator == "constant"}) <= 64
    assert num_live(name) <= 16


@pytest.mark.parametrize("name", OPERATION_BUDGET)
def test_operation_budget_is_kept(name):
    assert num_operations(expression(name)) <= OPERATION_BUDGET[name]


def test_quotients_are_correctly_rounded():
    rng = np.random.default_rng(5)
    a, b = (10 ** rng.uniform(-15, 15, (2, 200000)) * rng.choice([-1, 1], (2, 200000))).astype(np.float32)
    assert_same_bits(evaluate(expression("divide"), [a, b]), a / b)


def test_quotients_of_random_patterns_are_correctly_rounded_where_promised():
    a, b = random_patterns(2**20, 9), random_patterns(2**20, 10)
    with np.errstate(all="ignore"):
        want = a / b
    promised = (np.abs(a) >= 2.0**-36) & ((np.abs(want) >= 2.0**-100) | (want == 0))
    assert_same_bits(evaluate(expression("divide"), [a, b])[promised], want[promised])


def test_quotient_special_values():
    some = np.array([0.0, -0.0, 1, -7, INF, -INF, NAN, 1e-38, 3e38, 0.1], np.float32)
    a, b = (grid.ravel() for grid in np.meshgrid(some, some))
    with np.errstate(all="ignore"):
        want = (a.astype(np.float64) / b.astype(np.float64)).astype(np.float32)
    got = evaluate(expression("divide"), [a, b])
    np.testing.assert_array_equal(got, want)
    numbers = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]))


@pytest.mark.parametrize("divisor", [3.0, 0.1, -7.0, 255.0, 1e-6, 4.0, -0.5])
def test_division_by_a_constant_is_correctly_rounded_and_cheap(divisor):
    x = (10 ** np.random.default_rng(6).uniform(-12, 12, 100000)).astype(np.float32)
    x = np.concatenate([x, -x, np.array([0.0, -0.0, INF, -INF, NAN], np.float32)])
    root = merge(divide(argument(0), constant(divisor)))
    assert_same_bits(evaluate(root, [x]), np.where(np.isnan(x), np.float32(NAN), x / np.float32(divisor)))
    assert num_operations(root) <= 11


@pytest.mark.parametrize(("name", "reference"), [("fmod", np.fmod), ("remainder", np.remainder)])
def test_remainders_are_exact(name, reference):
    rng = np.random.default_rng(7)
    a, b = rng.uniform(-1000, 1000, (2, 100000)).astype(np.float32)
    whole = np.round(rng.uniform(-5000, 5000, (2, 100000))).astype(np.float32)
    whole[1][whole[1] == 0] = 3
    a, b = np.concatenate([a, whole[0]]), np.concatenate([b, whole[1]])
    far = np.abs(b) > 1e-3
    want = reference(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(evaluate(expression(name), [a, b])[far], want[far])


def test_remainder_special_values():
    a = np.array([1, INF, NAN, 1, 5, -5], np.float32)
    b = np.array([0, 2, 1, NAN, INF, -INF], np.float32)
    np.testing.assert_array_equal(evaluate(expression("fmod"), [a, b]), [NAN, NAN, NAN, NAN, 5, -5])


def test_powers_are_within_ten_ulp():
    rng = np.random.default_rng(8)
    a = (10 ** rng.uniform(-30, 30, 200000)).astype(np.float32)
    b = rng.uniform(-1.2, 1.2, 200000).astype(np.float32)
    want = a.astype(np.float64) ** b
    assert (np.abs(evaluate(expression("power"), [a, b]) - want) / np.spacing(want.astype(np.float32))).max() < 10


def test_powers_of_integers_keep_sign_and_value():
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(-9.0, 10), np.arange(-9.0, 10)))
    keep = (a != 0) | (b >= 0)
    a, b = a[keep].astype(np.float32), b[keep].astype(np.float32)
    np.testing.assert_allclose(evaluate(expression("power"), [a, b]), a.astype(np.float64) ** b, rtol=3e-7)


def test_power_special_values():
    cases = [(0, 2, 0), (0, 0, 1), (0, -1, INF), (0, 0.5, 0), (INF, 2, INF), (INF, -2, 0), (INF, 0.5, INF),
             (-2, 0.5, NAN), (2, 200, INF), (2, -200, 0), (NAN, 1, NAN), (1, NAN, NAN),
             (-2, 3, -8), (5, 0, 1), (1, 1e30, 1)]
    a, b, want = np.array(cases, np.float32).T
    np.testing.assert_allclose(evaluate(expression("power"), [a, b]), want, rtol=2e-7)
