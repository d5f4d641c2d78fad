"""Importing the package or listing the chips costs next to nothing."""

import subprocess
import sys

import pytest

import seedchip

HEAVY = {"numpy", "onnx", "onnxruntime", "jinja2", "PIL", "jsonschema", "safetensors"}


def modules_after(code: str) -> set[str]:
    found = subprocess.run([sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True,
                           text=True, check=True)
    return {name.partition(".")[0] for name in found.stdout.splitlines()[-1].split()}


def test_importing_the_package_imports_nothing_heavy():
    assert not modules_after("import seedchip") & {*HEAVY, "rich", "typer"}


def test_listing_the_chips_imports_nothing_heavy():
    code = "from seedchip.cli.main import app\napp(['chips'], standalone_mode=False)"
    assert not modules_after(code) & HEAVY


def test_public_names_are_there_when_asked_for():
    for name in seedchip.__all__:
        assert getattr(seedchip, name) is not None
    assert dir(seedchip) == sorted(seedchip.__all__)
    with pytest.raises(AttributeError, match=r"^module 'seedchip' has no attribute 'nothing'$"):
        _ = seedchip.nothing
