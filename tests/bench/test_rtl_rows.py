"""The rows of the hardware: small runs of each, and what they say when something differs."""

import pytest

from seedchip.bench.command import main
from seedchip.bench.document import read_records
from seedchip.bench.rows import GROUPS, ROWS, rtl
from seedchip.conformance import chips, soak
from seedchip.conformance import suite as suite_module
from seedchip.rtl.simulation.lockstep import LockstepError


@pytest.fixture
def small(monkeypatch):
    """Few programs on one chip, one network."""
    cases = [case for case in suite_module.suite(chips.TINY) if case.name.startswith("store.run_bytes")]
    monkeypatch.setattr(chips, "SOAKED", {"tiny": chips.TINY})
    monkeypatch.setattr(suite_module, "suite", lambda spec: iter(cases))
    monkeypatch.setattr(suite_module, "covered", lambda spec, cases: {"store.run_bytes": (5, 5)})
    monkeypatch.setattr(rtl, "NUM_PROGRAMS", 3)
    monkeypatch.setattr(rtl, "NETWORKS", (("digits-cnn", "nano"),))
    monkeypatch.setattr(rtl, "TIMED", (("digits-cnn", "nano"),))
    rtl._speeds.cache_clear()
    yield
    rtl._speeds.cache_clear()


def test_the_group_measures_all_its_rows(small, tmp_path, capsys):
    assert main(["rtl", "--output", str(tmp_path)]) == 0
    records = read_records(tmp_path)
    assert tuple(records) == GROUPS["rtl"] == tuple(name for name in ROWS if name.startswith("rtl-"))
    programs, networks = records["rtl-programs"], records["rtl-networks"]
    assert programs["figure"].startswith("0 cycles and 0 bits differ in 4 programs, ") and programs["met"]
    assert networks["figure"] == "0 cycles and 0 bits differ in 1 runs of trained networks, " \
        f"{networks['values']['runs'][0]['cycles']:,} cycles" and networks["met"]
    speed = records["rtl-ratio"]["values"]["speeds"][0]
    assert speed["hardware"] > speed["values"] > speed["timing"] > 0
    assert records["rtl-speed"]["values"]["cycles_per_second"]["digits-cnn on nano"] == pytest.approx(
        speed["cycles"] / speed["hardware"])


def test_a_difference_is_the_figure(small, monkeypatch):
    def differ(*arguments):
        raise LockstepError("tiny, a case: instruction 1 differs")

    monkeypatch.setattr(soak, "run_cases", differ)
    found = ROWS["rtl-programs"].measure(lambda text: None)
    assert (found.figure, found.met) == ("tiny, a case: instruction 1 differs", False)
    monkeypatch.setattr(rtl, "run_network", differ)
    found = ROWS["rtl-networks"].measure(lambda text: None)
    assert found.figure.endswith("; 1 differ") and found.met is False
