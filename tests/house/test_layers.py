"""The way through the house is one-way: no module imports a layer above its own, or itself in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "seedchip"
LAYERS = (
    ("numerics", "spec", "quantities"),
    ("isa",),
    ("graph", "program"),
    ("frontend", "quantise", "compiler"),
    ("simulator",),
    ("rtl", "report", "inputs"),
    ("conformance", "fpga", "synthesis"),
    ("handoff",),
    ("device",),
    ("partition", "calibration"),
    ("build",),
    ("session",),
    ("pytorch", "zoo"),
    ("bench",),
    ("demo",),
    ("cli",),
)
"""From the ground up. A package imports itself and what stands in the lines above it."""
RANK = {name: i for i, line in enumerate(LAYERS) for name in line}
MODULES = {".".join(("seedchip", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__"): path
           for path in sorted(SOURCE.rglob("*.py"))}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imported(path: Path, *, at_load: bool) -> Iterator[str]:
    """Modules of this project that a file imports; ``at_load``: only those that run when the file is loaded."""
    nodes: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while nodes:
        node = nodes.pop()
        if at_load and (is_type_checking(node) or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))):
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "seedchip")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by a relative name"
            if (node.module or "").split(".")[0] == "seedchip":
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else str(node.module) for name in names)


def part(module: str) -> str:
    """The package or top module that a module belongs to; the package's own ``__init__`` has none."""
    return [*module.split("."), ""][1]


def test_every_package_has_a_layer():
    assert {part(m) for m in MODULES} - {"", "__main__"} <= set(RANK)


@pytest.mark.parametrize("name", sorted({part(m) for m in MODULES} - {"", "__main__"}))
def test_nothing_imports_upwards(name):
    wrong = [f"{module} -> {target}" for module, path in MODULES.items() if part(module) == name
             for target in imported(path, at_load=False)
             if part(target) not in ("", name) and RANK.get(part(target), len(LAYERS)) >= RANK[name]]
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    edges = {module: {t for t in imported(path, at_load=True) if t != module} for module, path in MODULES.items()}
    # A package's __init__ runs first whichever of its modules is imported: it may import them, and they never it.
    order = list(TopologicalSorter(edges).static_order())
    assert len(order) >= len(MODULES)


def test_importing_the_package_itself_imports_no_layer():
    assert not list(imported(SOURCE / "__init__.py", at_load=True))


def test_no_module_has_a_name_that_says_nothing():
    empty = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "core_utils"}
    assert not [m for m in MODULES if m.split(".")[-1] in empty]
