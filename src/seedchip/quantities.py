"""Numbers as people read them: SI for seconds, rates and MACs, binary prefixes for bytes, per cent with one digit."""

from __future__ import annotations

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_BINARY = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def format_si(value: float, unit: str) -> str:
    """Three digits and an SI prefix: ``1.23 ms``."""
    scale, prefix = next(((s, p) for s, p in _SI if abs(value) >= s), (1.0, "") if not value else (1e-9, "n"))
    return f"{_three_digits(value / scale)} {prefix}{unit}".strip()


def format_bytes(value: int) -> str:
    """Three digits and a binary prefix: ``1.50 MiB``."""
    for scale, unit in _BINARY:
        if value >= scale:
            return f"{_three_digits(value / scale)} {unit}"
    return f"{value} B"


def format_count(value: int) -> str:
    return f"{value:,}"


def format_percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def format_optional(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def printable(text: str, most: int = 80) -> str:
    """A name from a file, safe for a terminal: control characters become ``?``, the middle of a long name ``...``."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    if len(text) <= most:
        return text
    tail = (most - 3) * 2 // 3
    return f"{text[: most - 3 - tail]}...{text[-tail:]}"


def _three_digits(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"
