"""Every numbered example runs and says what it is there to show."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "01_run_a_model.py": ["largest difference 0.0", "Where every cycle went"],
    "02_where_the_cycles_went.py": ["matrix ", "active ", "tiny.html"],
    "03_at_each_door.py": ["1. the network", "matmul ", "the answer, equal to NumPy's: True"],
    "04_your_own_chip.py": ["wide    64 B/cycle", "the same bits on every chip: True"],
    "05_save_a_program.py": ["the same bits: True", "does not have the SHA-256 that it states"],
    "06_precision.py": ["int8   largest error", "int24  largest error"],
}


def test_every_numbered_example_is_run():
    assert sorted(SAYS) == sorted(p.name for p in EXAMPLES.glob("[0-9]*.py"))


@pytest.mark.parametrize("name", SAYS)
def test_example(name, tmp_path):
    found = subprocess.run([sys.executable, EXAMPLES / name, *([tmp_path] if name.startswith("02") else [])],
                           capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    for text in SAYS[name]:
        assert text in found.stdout
    if name.startswith("02"):
        assert sorted(p.name for p in tmp_path.iterdir()) == ["tiny.html", "tiny.json", "tiny.trace.json"]
