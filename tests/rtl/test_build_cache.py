"""What a cached build of the hardware depends on."""

from pathlib import Path

import pytest

import seedchip
from seedchip.rtl.simulation import verilator

PACKAGE = Path(seedchip.__file__).parent


@pytest.mark.parametrize("path", ["rtl/core.py", "rtl/sequencer/issue.py", "rtl/memory/sram.v", "isa/vector.py",
                                  "numerics/microop.py", "spec/chip.py"])
def test_a_changed_source_makes_another_build(path):
    assert (PACKAGE / path).resolve() in verilator.source_files()
