"""The scripts around make: the exit code and the closing line of tests, and sentences about what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def checkout_with_test_target(folder: Path, recipe: str) -> Path:
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "Makefile").write_text(f"test:\n\t{recipe}\n")
    return folder / ".ci" / "run"


@pytest.mark.parametrize(("recipe", "passed"), [
    ("@echo '3 passed in 0.10s'", True), ("@echo '1 failed, 3 passed in 0.10s'; exit 1", False)])
def test_ci_ends_with_the_tests_closing_line_and_keeps_failure(tmp_path, recipe, passed):
    done = subprocess.run(["bash", str(checkout_with_test_target(tmp_path, recipe))], capture_output=True, text=True,
                          check=False)
    assert done.stdout.splitlines()[-1].endswith("3 passed in 0.10s")
    assert (done.returncode == 0) is passed


@pytest.mark.parametrize(("capability", "package"), [
    ("compiler", "g++"), ("browser", "chromium"), ("venv", "python3-venv"),
    ("timing", "opensta")])
def test_what_is_missing_is_named_with_its_remedy_where_there_is_no_root(tmp_path, capability, package):
    for name, text in (("id", "echo 1000"), ("apt-get", "exit 1"), ("python3", "exit 1")):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)
    done = subprocess.run([shutil.which("bash"), str(ROOT / ".ci" / "debian-packages"), capability],
                          capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)})
    assert done.stderr == f"{package} must be installed; run: sudo apt-get install {package}\n"
    assert done.returncode == 1


def test_an_unknown_capability_is_wrong_usage():
    done = subprocess.run(["bash", str(ROOT / ".ci" / "debian-packages"), "spaceship"], capture_output=True, text=True,
                          check=False)
    assert done.stderr == "debian-packages: a capability must be venv, compiler, browser or timing, not 'spaceship'\n"
    assert done.returncode == 2


def test_every_target_that_is_named_in_the_help_exists():
    environment = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}
    text = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    targets = [line.split()[1] for line in text.stdout.splitlines()]
    assert targets == ["demo", "test", "test-torch", "lint", "bench", "synthesis", "soak", "docs", "clean"]
    for target in targets:
        subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=True, env=environment)
