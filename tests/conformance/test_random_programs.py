"""Random legal programs: no bit and no cycle differs, and nothing that programs can say is left out."""

import numpy as np
import pytest

from seedchip.conformance.chips import NANO, TINY
from seedchip.conformance.ordering import MAX_TAKEN
from seedchip.conformance.random_programs import KINDS, random_case
from seedchip.isa import Engine, Load, Matmul, Vector
from seedchip.numerics.microop import MICRO_OPS
from seedchip.rtl.simulation.lockstep import Trial, simulate_values
from seedchip.simulator.timing import simulate

CHIPS = pytest.mark.parametrize("spec", [TINY, NANO], ids=lambda spec: spec.name)


@CHIPS
@pytest.mark.parametrize("seed", range(75))
def test_random_programs_differ_in_no_bit_and_no_cycle(spec, seed):
    run = random_case(spec, seed).run(spec)
    assert run.cycles == run.timeline.cycles > 0


@CHIPS
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_breaks_no_rule_of_the_machine(spec, kind):
    """The simulator checks every bank, range and alignment of what is drawn."""
    case = random_case(spec, 3, 60, without=[k for k in KINDS if k != kind])
    timeline = simulate(case.program, spec)
    simulate_values(Trial(spec, case.memory, 0, case.program), timeline.starts)
    assert timeline.cycles > 0


def test_a_program_follows_from_its_seed():
    one, again, other = (random_case(TINY, seed) for seed in (1, 1, 2))
    assert one.code == again.code != other.code
    np.testing.assert_array_equal(one.data, again.data)


def test_random_programs_say_all_that_programs_can_say():
    """Over 100 programs: every micro-operation and source, operand kind and type, reduction, flag and token count."""
    cases = [random_case(TINY, seed) for seed in range(100)]
    program = [i for case in cases for i in case.program]
    vectors = [i for i in program if isinstance(i, Vector)]
    matmuls = [i for i in program if isinstance(i, Matmul)]
    for name, values in {"a_kind": range(4), "b_kind": range(3), "c_kind": range(3), "a_type": range(3),
                         "b_type": range(3), "c_type": range(3), "out_type": range(3), "reduce": range(4),
                         "window": range(2), "tap_max": range(2), "num_parameters": range(9)}.items():
        assert {getattr(v, name) for v in vectors} == set(values), name
    lengths = {v.num_operations for v in vectors}
    assert lengths >= {0, 1, 6} and max(lengths) > 60
    for name in ("transpose", "accumulate", "first_alone", "tiles_alone"):
        assert {getattr(m, name) for m in matmuls} == {0, 1}, name
    assert any(m.activation_stride_n and m.tiles_n > 1 for m in matmuls)
    assert {(i.gather, i.fill, i.space) for i in program if isinstance(i, Load)} == {
        (0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0)}
    words = [w for case in cases for w in micro_operations(case)]
    assert {w & 63 for w in words} == {op.opcode for op in MICRO_OPS.values()}
    assert {w >> 11 & 127 for w in words} >= {*range(16), 16, 17, 18, *range(24, 32), *range(64, 69)}
    for engine in Engine:
        taken = {i.waits[source] for i in program if i.engine == engine for source in Engine}
        assert {0, 1, 2, 3} <= taken and max(taken) <= MAX_TAKEN, engine


def micro_operations(case):
    """Words of the micro-programs that the program runs."""
    at = {}
    for i in case.program:
        if isinstance(i, Load) and i.space:
            at[i.local_address] = i.memory_address
        elif isinstance(i, Vector) and i.num_operations:
            address = at[i.program_address * TINY.line_bytes]
            yield from case.data[address:address + 4 * i.num_operations].view(np.uint32).tolist()
