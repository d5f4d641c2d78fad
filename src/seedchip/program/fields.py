"""Checked reading of values that come out of a file: each reader returns a value of the right type and range or raises.

A `place` names the value in messages, for example ``inputs[0].shape``. All readers raise `ProgramError`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from seedchip.program.errors import ProgramError

MAX_NAME_CHARACTERS = 4096
MAX_SIZE = 1 << 40
"""Largest address or size; the chip description allows no larger memory."""
MAX_BINARY32 = (2 - 2**-23) * 2.0**127


def parse_json(text: str, place: str) -> Any:
    """The value of strict JSON: no NaN, no Infinity, no duplicate keys."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_pairs)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProgramError(f"{place} must be JSON, but {reason[:200]}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def shown(value: object) -> str:
    """``value`` for a message, on one line and cut to 60 characters."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 1 << 128 else "a huge integer"
    return text if len(text) <= 60 else text[:57] + "..."


def read_object(value: object, place: str, keys: Sequence[str]) -> Mapping[str, Any]:
    """An object with exactly ``keys``."""
    if not isinstance(value, dict):
        raise ProgramError(f"{place} must be an object, not {shown(value)}")
    if set(value) != set(keys):
        wrong = sorted(set(value) ^ set(keys))[0]
        kind = "misses" if wrong in keys else "must not have"
        raise ProgramError(f"{place} {kind} the key {shown(wrong)}")
    return value


def read_list(value: object, place: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        found = f"{len(value)} of them" if isinstance(value, list) else shown(value)
        raise ProgramError(f"{place} must be a list of at most {most} values, not {found}")
    return value


def read_integer(value: object, place: str, low: int = 0, high: int = MAX_SIZE) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProgramError(f"{place} must be an integer in [{low}, {high}], not {shown(value)}")
    return value


def read_string(value: object, place: str, most: int = MAX_NAME_CHARACTERS) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ProgramError(f"{place} must be a string of at most {most} characters, not {shown(value)}")
    if any("\ud800" <= c <= "\udfff" for c in value):
        raise ProgramError(f"{place} must be Unicode text, but it holds half a surrogate pair")
    return value


def read_choice(value: object, place: str, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ProgramError(f"{place} must be one of {', '.join(choices)}, not {shown(value)}")
    return value


def read_hash(value: object, place: str) -> str:
    """A SHA-256 in 64 lower-case hexadecimal digits."""
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ProgramError(f"{place} must be 64 hexadecimal digits, not {shown(value)}")
    return value


def read_positive_number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MAX_BINARY32:
        raise ProgramError(f"{place} must be a positive binary32 number, not {shown(value)}")
    return float(value)
