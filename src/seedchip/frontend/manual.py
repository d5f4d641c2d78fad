"""The manual of the operators, written from their rules; ``python -m seedchip.frontend.manual`` renews it."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import onnx

import seedchip.frontend.importer  # noqa: F401  (fills the table of rules)
from seedchip.frontend.registry import OPERATORS, Operator

PAGE = Path("docs/03_reference/operators.md")


def write_manual() -> str:
    """The page as Markdown."""
    themes = sorted({o.theme for o in OPERATORS.values()})
    lines = [*_introduction(), *(line for theme in themes for line in _theme(theme)), *_functions(), ""]
    return "\n".join(lines)


def _introduction() -> list[str]:
    return [
        "# Operators", "",
        "<!-- Written by `python -m seedchip.frontend.manual` from the rules in src/seedchip/frontend/operators; "
        "do not edit. -->", "",
        "What the front end takes of ONNX, operator sets 13 to the newest of the installed onnx package (and the older "
        "forms that differ only in where an operand stands). The rule of each operator is also the message of its "
        "refusal.", "",
        "- A node whose operands are all known at import is computed there, whatever its operator.",
        "- Every shape is known at import: symbolic sizes are bound by `load_model(..., shapes=...)`.",
        "- An operand that must be known at import and is an input of the model is bound by "
        "`load_model(..., constants=...)`.",
        "- float16, bfloat16 and float64 tensors are carried as binary32; integers of 16 to 64 bits and uint8 as "
        "32-bit integers, range-checked; booleans as 0 and 1. Codes between quantised operators stay 8 bits wide.", "",
    ]


def _theme(theme: str) -> list[str]:
    found = sorted((o for o in OPERATORS.values() if o.theme == theme), key=lambda o: (o.domain, o.name))
    summary = (inspect.getdoc(sys.modules[found[0].rule.__module__]) or "").split("\n\n")[0]
    rows = [f"| {_name(o)} | {o.text} |" for o in found]
    return [f"## {theme.capitalize()}", "", " ".join(summary.split()), "",
            "| operator | rule |", "|---|---|", *rows, ""]


def _name(o: Operator) -> str:
    return f"`{o.domain}.{o.name}`" if o.domain else f"`{o.name}`"


def _functions() -> list[str]:
    schemas = [s for s in onnx.defs.get_all_schemas() if s.domain == ""]
    names = sorted({s.name for s in schemas if _is_function(s) and ("", s.name) not in OPERATORS})
    return ["## By definition", "",
            "These operators are replaced by the function that the ONNX standard defines them by, and the rules above "
            f"hold for what is inside it: {', '.join(f'`{n}`' for n in names)}."]


def _is_function(schema: onnx.defs.OpSchema) -> bool:
    return bool(schema.has_function or schema.has_context_dependent_function)  # type: ignore[attr-defined]


if __name__ == "__main__":
    PAGE.write_text(write_manual(), "utf-8")
