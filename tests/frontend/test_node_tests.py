"""ONNX's own tests of its operators: nothing may fail, and what inference networks use must pass."""

from collections import Counter
from pathlib import Path

import pytest

from seedchip.bench.node_tests import load_cases, run_case
from seedchip.frontend.manual import PAGE, write_manual
from seedchip.frontend.registry import OPERATORS
from seedchip.graph.reference import evaluate

ROOT = Path(__file__).parents[2]
FLOOR = {"node": 1545, "pytorch-converted": 82, "pytorch-operator": 31, "simple": 15}
"""Passed tests with onnx 1.23; a newer package only adds to them."""


@pytest.mark.parametrize("kind", FLOOR)
def test_no_backend_test_fails_and_none_is_lost(kind):
    outcomes = [run_case(case, evaluate) for case in load_cases([kind])]
    failed = {o.name: o.reason for o in outcomes if o.status == "failed"}
    assert failed == {}
    assert Counter(o.status for o in outcomes)["passed"] >= FLOOR[kind]
    assert all(o.reason for o in outcomes if o.status == "refused")


def test_the_page_is_fresh():
    assert (ROOT / PAGE).read_text("utf-8") == write_manual(), "renew it with: python -m seedchip.frontend.manual"


def test_every_operator_has_a_row_with_its_rule():
    page = write_manual()
    assert all(f"`{o.name}" in page or f".{o.name}`" in page for o in OPERATORS.values())
    assert all(f"| {o.text} |" in page for o in OPERATORS.values())
