"""The conformance suite: every field of every instruction at its edges, the same on simulator and hardware."""

import pytest

from seedchip.conformance.chips import NANO, TINY
from seedchip.conformance.headers import CLASSES
from seedchip.conformance.suite import HEADER, covered, legal_spans, suite
from seedchip.isa import Halt
from seedchip.isa.instruction import layout
from seedchip.simulator.timing import simulate
from seedchip.spec import load

MAX_CYCLES = 20_000
"""The longest cases are run on one chip only; `make soak` runs all of them everywhere."""
CASES = {f"{spec.name}: {case.name}": (spec, case) for spec in (TINY, NANO) for case in suite(spec)
         if spec is TINY or simulate(case.program, spec).cycles < MAX_CYCLES}


@pytest.mark.parametrize("name", CASES)
def test_every_field_at_its_edges_means_the_same_on_both_bodies(name):
    spec, case = CASES[name]
    run = case.run(spec)
    assert run.cycles == run.timeline.cycles > 0


@pytest.mark.parametrize("spec", [TINY, NANO, load("micro")], ids=lambda spec: spec.name)
def test_every_field_and_every_edge_is_exercised(spec):
    counts = covered(spec, suite(spec))
    fields = {f"{cls.mnemonic()}.{place.name}" for cls in (*CLASSES.values(), Halt) for place in layout(cls)}
    assert set(counts) == fields
    assert [name for name, (seen, wanted) in counts.items() if seen < wanted or not wanted] == []
    assert sum(wanted for _, wanted in counts.values()) > 900


@pytest.mark.parametrize("cls", [*CLASSES.values(), Halt], ids=lambda cls: cls.mnemonic())
def test_a_field_is_tried_over_its_whole_encoding_or_it_is_said_why_not(cls):
    for place in layout(cls):
        spans = legal_spans(TINY, cls, place.name)
        low, high = min(s.low for s in spans), max(s.edges[-1] for s in spans)
        assert place.low <= low <= high <= place.high, place.name
        if (low, high) != (place.low, place.high):
            assert any(s.why for s in spans), place.name
        assert all(s.why or (s.low, s.edges[-1]) == (s.low, s.high) for s in spans), place.name


def test_names_are_unique_and_the_suite_is_always_the_same():
    one, again = list(suite(TINY)), list(suite(TINY))
    assert len({c.name for c in one}) == len(one) > 250
    assert [c.code for c in one] == [c.code for c in again]
    assert set(HEADER) == {p.name for p in layout(Halt)}
