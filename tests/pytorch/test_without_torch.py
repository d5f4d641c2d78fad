"""Torch is optional: only `seedchip.pytorch` needs it, and says so."""

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    block = "import sys\nsys.modules['torch'] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True, check=False)


def test_without_torch_the_extra_is_named():
    result = run("import seedchip.pytorch")
    assert result.stderr.splitlines()[-1] == ("ImportError: seedchip.pytorch must have torch and onnxscript; install "
                                              "seedchip[torch]")


def test_nothing_else_imports_torch():
    result = run("import seedchip.session, seedchip.partition, seedchip.report, seedchip.cli.main\nprint('fine')")
    assert result.stdout == "fine\n", result.stderr
