"""Compiled binary32 units and the lane against NumPy; `seedchip bench binary32` does the same for ten million each."""

import numpy as np
import pytest

from seedchip.numerics.microop import MICRO_OPS
from seedchip.rtl.binary32 import operands
from seedchip.rtl.memory.sram import Sram
from seedchip.rtl.simulation.unit import CompiledUnit
from seedchip.rtl.simulation.unit_check import UNIT_CHECKS, run_check
from seedchip.rtl.vector import lane

ITEMS = 200_000


@pytest.mark.parametrize("name", UNIT_CHECKS)
def test_a_unit_gives_numpys_bits(name):
    outcome = run_check(UNIT_CHECKS[name], ITEMS * (len(MICRO_OPS) // 4 if name == "lane" else 1), seed=1)
    assert outcome.items >= ITEMS and not outcome.differences, outcome.first


@pytest.mark.parametrize("name, module", [("adder", "add"), ("multiplier", "multiply"),
                                          ("number to integer", "convert"), ("integer to number", "convert")])
def test_a_unit_that_rounds_ties_up_is_found_out(monkeypatch, name, module):
    monkeypatch.setattr(f"seedchip.rtl.binary32.{module}.rounds_up", lambda x, places: x[places - 1])
    outcome = run_check(UNIT_CHECKS[name], ITEMS)
    assert outcome.differences > ITEMS // 200 and " gave 0x" in outcome.first


def test_results_come_in_their_cycle_whatever_goes_before_and_after():
    rng = np.random.default_rng(2)
    check, count = UNIT_CHECKS["lane"], 50_000
    inputs = check.inputs(rng, operands.mixed_operands(rng, count))
    unit = CompiledUnit(lane.VectorLane())
    alone = unit.run(inputs, lane.CYCLES)["result"]
    places = np.flatnonzero(rng.random(4 * count) < 0.5)[:count]
    among = {name: rng.integers(0, 1 << 32, 4 * count, dtype=np.uint32) for name in inputs}
    for name, values in inputs.items():
        among[name][places] = values
    np.testing.assert_array_equal(unit.run(among, lane.CYCLES)["result"][places], alone)
    early = unit.run(inputs, lane.CYCLES - 1)["result"]
    np.testing.assert_array_equal(early[1:], alone[:-1])


def test_every_kind_of_operands_is_what_it_says():
    rng = np.random.default_rng(3)
    with np.errstate(all="ignore"):
        for kind, compute, border in [(operands.sum_ties, np.add, 25), (operands.product_ties, np.multiply, 25)]:
            a, b = (x.view(np.float32).astype(np.float64) for x in kind(rng, 20_000)[:2])
            mantissa = np.frexp(compute(a, b))[0]
            bits = np.abs(mantissa * 2.0**border)
            assert np.mean((bits == np.floor(bits)) & (bits % 2 == 1)) > 0.3, kind.__name__
        a, b = (x.view(np.float32).astype(np.float64) for x in operands.subnormal_ties(rng, 20_000)[:2])
        places = np.abs(a * b) * 2.0**149
        assert np.mean((places % 1 == 0.5) & (places < 2**23)) > 0.5
        a, b = (x.view(np.float32) for x in operands.multiply_add_ties(rng, 20_000)[:2])
        assert np.all(a.astype(np.float64) * b == a * b)
        a, b = (x.view(np.float32) for x in operands.overflows(rng, 20_000)[:2])
        assert 0.1 < np.mean(np.isinf(a * b)) < 0.9


def test_operands_are_as_many_as_asked_for_and_the_same_for_a_seed():
    first, again = (operands.mixed_operands(np.random.default_rng(4), 1234) for _ in range(2))
    assert {len(x) for x in first} == {1234} and {x.dtype for x in first} == {np.dtype(np.uint32)}
    np.testing.assert_array_equal(first, again)


def test_a_unit_with_wide_ports_is_refused():
    wide = Sram(64, 8)
    wide._MustUse__silence = True  # it is not to be elaborated
    sentence = r"^ports of a compiled unit must have 32 bits at most, not like read_data, write_data$"
    with pytest.raises(ValueError, match=sentence):
        CompiledUnit(wide)
