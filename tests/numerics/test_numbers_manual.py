"""The page of numbers is generated and fresh."""

from seedchip.numerics.functions import FUNCTIONS
from seedchip.numerics.manual import PATH, manual
from seedchip.numerics.measure import CASES
from seedchip.numerics.measured import MEASURED
from seedchip.numerics.microop import MICRO_OPS


def test_numbers_page_is_fresh():
    assert PATH.read_text() == manual(), "run `python -m seedchip.numerics.manual`"


def test_numbers_page_names_every_operation_and_function():
    page = manual()
    for name in (*MICRO_OPS, *FUNCTIONS):
        assert f"| `{name}` |" in page


def test_every_case_is_measured():
    assert set(MEASURED) == set(CASES)
