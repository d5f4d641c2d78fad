import pytest
from small_programs import copy_program

from seedchip.program import Program


@pytest.fixture
def program() -> Program:
    return copy_program()
