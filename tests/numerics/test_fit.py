"""The stored coefficients are what the fits give, and the fits find known best approximations."""

import numpy as np
import pytest

from seedchip.numerics import coefficients
from seedchip.numerics.fit import TARGETS, Target, polynomial, rational


def attained(target: Target, top, bottom=(1.0,)) -> float:
    x = target.grid()
    value = np.polyval(top[::-1], x) / np.polyval(bottom[::-1], x)
    return float(np.abs((value - target.function(x)) * target.weight(x)).max())


@pytest.mark.parametrize("name", [n for n, t in TARGETS.items() if not t.denominator])
def test_stored_polynomial_is_as_good_as_a_fresh_fit(name):
    fresh = polynomial(TARGETS[name])[1]
    assert attained(TARGETS[name], getattr(coefficients, name)) == pytest.approx(fresh, rel=0.05)


@pytest.mark.parametrize("name", ["TANH", "ERF"])
def test_stored_ratio_is_as_good_as_binary32_coefficients_allow(name):
    top, bottom = (getattr(coefficients, f"{name}_{part}") for part in ("NUMERATOR", "DENOMINATOR"))
    assert attained(TARGETS[name], top, bottom) < rational(TARGETS[name])[2] + 4e-7


def test_best_line_for_the_square_root_is_the_one_worked_by_hand():
    slope, error = polynomial(Target(np.sqrt, 0.25, 1.0, 1))
    np.testing.assert_allclose(slope, [17 / 48, 2 / 3], rtol=1e-3)
    assert error == pytest.approx(1 / 48, rel=1e-3)
