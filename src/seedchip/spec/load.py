"""Chip descriptions in TOML: the shipped presets and a user's own files."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import MISSING, fields
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from seedchip.spec.chip import ChipSpec, SpecError

MAX_FILE_BYTES = 1 << 20
_SECTIONS = {f.name: f for f in fields(ChipSpec) if f.name not in ("name", "doc")}


@cache
def presets() -> dict[str, str]:
    """Names of the shipped chips, small to large, with the path of each file."""
    folder = resources.files("seedchip.spec") / "presets"
    paths = [str(p) for p in folder.iterdir() if p.name.endswith(".toml")]
    chips = [(load(path), path) for path in paths]
    return {chip.name: path for chip, path in sorted(chips, key=lambda c: (c[0].macs_per_cycle, c[0].name))}


def load(chip: str | Path | ChipSpec) -> ChipSpec:
    """A `ChipSpec` from a preset's name or a TOML file. Raises `SpecError` with one sentence."""
    if isinstance(chip, ChipSpec):
        return chip
    text = str(chip)
    if not text.endswith(".toml"):
        if text not in presets():
            raise SpecError(f"chip must be a preset or a .toml file, not {text!r}{_suggest(text, list(presets()))}; "
                            f"presets: {', '.join(presets())}")
        text = presets()[text]
    try:
        return parse(_read(Path(text)), Path(text).stem)
    except SpecError as error:
        raise SpecError(f"{text}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SpecError(f"a chip description must be at most {MAX_FILE_BYTES} bytes long")
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise SpecError(f"must be a TOML file: {error}") from None


def parse(content: dict[str, Any], default_name: str) -> ChipSpec:
    """A `ChipSpec` from parsed TOML."""
    known = [*_SECTIONS, "name", "doc"]
    for key in content:
        if key not in known:
            raise SpecError(f"{key} is not a section of a chip{_suggest(key, known)}")
    texts = {"name": content.get("name", default_name), "doc": content.get("doc", "")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise SpecError(f"{key} must be a string, not {value!r}")
    return ChipSpec(**texts, **{name: _section(name, content) for name in _SECTIONS})


def _section(name: str, content: dict[str, Any]) -> Any:
    if not isinstance(content.get(name), dict):
        raise SpecError(f"{name} must be a section, [{name}]")
    import seedchip.spec.chip as chip

    section = getattr(chip, str(_SECTIONS[name].type))
    known = {f.name: f for f in fields(section)}
    for key in content[name]:
        if key not in known:
            raise SpecError(f"{name}.{key} is not a key of [{name}]{_suggest(key, list(known))}")
    for key, f in known.items():
        if key not in content[name] and f.default is MISSING:
            raise SpecError(f"{name}.{key} is missing ({f.metadata['doc']})")
    return section(**content[name])


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""
