"""Files and functions stay small, nothing is left undone, and documents name only what exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from seedchip.compiler import compile_graph
from seedchip.graph.ir import Graph, Node, TensorType
from seedchip.graph.ops import MatMul
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import load, presets

ROOT = Path(__file__).parents[2]
FILES = sorted(p for folder in ("src", "tests", "examples") for p in (ROOT / folder).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 600, 80, 8


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text("utf-8"))
    return [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]


def test_no_file_is_longer_than_the_budget():
    lengths = {p.relative_to(ROOT): len(p.read_text("utf-8").splitlines()) for p in FILES}
    assert not {p: n for p, n in lengths.items() if n > MAX_FILE_LINES}


def test_no_function_is_longer_than_the_budget():
    long = [f"{p.relative_to(ROOT)}:{f.lineno} {f.name}" for p in FILES for f in functions(p)
            if (f.end_lineno or f.lineno) - f.lineno + 1 > MAX_FUNCTION_LINES]
    assert not long


def test_no_function_has_more_parameters_than_the_budget():
    """Commands are left out: their parameters are the options that a user sees."""
    many = [f"{p.relative_to(ROOT)}:{f.lineno} {f.name}" for p in FILES if ROOT / "src" in p.parents
            and p.parent.name != "cli" for f in functions(p) if len(f.args.posonlyargs + f.args.args) > MAX_PARAMETERS]
    assert not many


def test_public_modules_say_what_they_are():
    silent = [p.relative_to(ROOT) for p in FILES if ROOT / "src" in p.parents and p.read_text("utf-8").strip()
              and not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert not silent


def test_nothing_is_left_undone():
    """No reminders, no tests that are skipped, no errors swallowed whole."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError|pytest\.(skip|mark\.(skip|xfail))|except:")
    found = [f"{p.relative_to(ROOT)}: {m.group()}" for p in FILES if p != Path(__file__)
             for m in marks.finditer(p.read_text("utf-8"))]
    assert not found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_names_only_files_that_exist(page):
    """Links, and paths in code marks that begin with one of the project's folders."""
    text = page.read_text("utf-8")
    links = [(page.parent / link).resolve() for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)]
    paths = [ROOT / name for name in re.findall(r"`((?:src|tests|docs|examples)/[\w./-]+)`", text)]
    assert not [str(p) for p in [*links, *paths] if not p.exists()]


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "04_developer").glob("how_to_*.md")), ids=lambda p: p.stem)
def test_a_how_to_states_its_touch_count(page):
    count = re.search(r"^Touch count: (\d+) ", page.read_text("utf-8"), re.MULTILINE)
    assert count is not None
    assert 1 <= int(count.group(1)) <= 3


@pytest.mark.parametrize("chip", presets())
def test_every_shipped_chip_compiles_and_runs_a_small_network(chip):
    weights = np.arange(-60, 60, dtype=np.int8).reshape(12, 10)
    graph = Graph("tiny", ("x",), {"y": "y"}, {"w": weights}, (Node(MatMul(), ("x", "w"), "y"),),
                  {"x": TensorType((7, 12), "int8"), "w": TensorType((12, 10), "int8"),
               "y": TensorType((7, 10), "int32")})
    x = np.arange(-42, 42, dtype=np.int8).reshape(7, 12)
    spec = load(chip)
    result = SimulatedDevice(compile_graph(graph, spec), spec).run({"x": x})["y"]
    np.testing.assert_array_equal(result, x.astype(np.int64) @ weights.astype(np.int64))
