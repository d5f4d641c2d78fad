"""`docs/benchmarks.md` and `docs/benchmarks.json`: every row's last measurement, kept until it is measured again."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seedchip.bench.rows import ROWS

FORMAT = "seedchip-benchmarks"
MARKS = {True: "reached", None: "in part", False: "**falls short**"}
HEADER = """# Benchmarks

Written by `seedchip bench` (`make bench`); `seedchip bench ROW ...` measures single rows again and keeps the others.
Counted figures (cycles, bytes, and what follows from them) are exact and the same on every machine. Timings depend on
the machine, so they stand beside another figure of the same run. Random weights, inputs and tests have fixed seeds:
ResNet-50 50, BERT-base 768, products 0, inputs 1, calibration 2 (see seedchip.zoo).
"""


def read_records(folder: Path) -> dict[str, Any]:
    """The rows measured so far, by name; none where there is no file of this format."""
    path = folder / "benchmarks.json"
    if not path.is_file():
        return {}
    content = json.loads(path.read_text("utf-8"))
    rows: dict[str, Any] = content["rows"] if content.get("format") == FORMAT else {}
    return rows


def write_records(folder: Path, records: Mapping[str, Any]) -> None:
    """Both files, rows in the order of `ROWS`."""
    ordered = {name: records[name] for name in ROWS if name in records}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, "rows": ordered}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "benchmarks.json").write_text(text + "\n", "utf-8")
    (folder / "benchmarks.md").write_text(render_markdown(ordered), "utf-8")


def render_markdown(records: Mapping[str, Any]) -> str:
    """The page: summary, conditions, details."""
    summary = [[name, row.what, row.must, records[name]["figure"], MARKS[records[name]["met"]], row.reference or "-"]
               if name in records else [name, row.what, row.must, "not measured yet", "-", row.reference or "-"]
               for name, row in ROWS.items()]
    parts = [HEADER, _table(["row", "what", "must reach", "measured", "", "reference beside it"], summary)]
    parts += ["## Conditions\n", _table(["row", "conditions", "measured", "commit", "machine", "took"], [
        [name, r["conditions"], r["measured"]["date"], r["measured"]["commit"], r["measured"]["machine"],
         f"{r['measured']['seconds']:.0f} s"] for name, r in records.items()])]
    for record in records.values():
        for detail in record["details"]:
            parts += [f"## {detail['title']}\n", _table(detail["columns"], detail["rows"])]
            parts += [f"{remark}\n" for remark in detail["remarks"]]
    return "\n".join(parts)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def circumstances(seconds: float) -> dict[str, Any]:
    """When, of which commit, on what, and how long it took."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(), "machine": machine(),
            "seconds": round(seconds, 1)}


def checkout() -> Path:
    """The folder of the checkout that this package is imported from, or the current folder where it is installed."""
    root = Path(__file__).parents[3]
    return root if (root / "pyproject.toml").is_file() else Path.cwd()


def commit() -> str:
    """Short hash of the checkout, ``+`` where files of the package differ from it."""
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(checkout()), *arguments], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", "src") else "")
    except (OSError, subprocess.CalledProcessError):
        return "no repository"


def machine() -> str:
    """Processor, cores this process may use, memory, operating system, Python."""
    info = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in info.read_text("utf-8").splitlines()
              if line.startswith("model name")] if info.is_file() else []
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return (f"{models[0] if models else platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
            f"{memory / 2**30:.0f} GiB, {platform.system()}, Python {platform.python_version()}")
