"""Spans: the values that a field may legally have in a setting, and the edges of a span that the suite tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Setting = Callable[[int], Mapping[str, Any]]
"""The other fields of an instruction that make a value of one field legal; see `seedchip.conformance.scene`."""
TYPICAL = 100
"""A typical value lies at most so many steps above a span's low end: loops of half their range only take time."""


@dataclass(frozen=True)
class Span:
    """Values ``low``, ``low + step`` ... ``high`` of a field, each with the fields that ``setting`` gives for it.

    ``why`` says why the encoding's further values are not legal; empty where the span holds all of them.
    """

    low: int
    high: int
    setting: Setting
    why: str = ""
    step: int = 1

    @property
    def edges(self) -> list[int]:
        """low, low + step, a typical value, high - step, high: ascending, each once."""
        num_steps = (self.high - self.low) // self.step
        steps = {0, 1, min(num_steps // 2, TYPICAL), num_steps - 1, num_steps}
        return [self.low + n * self.step for n in sorted(steps) if 0 <= n <= num_steps]


Spans = dict[str, list[Span]]
"""By field; several where several settings are worth trying."""


def fixed(**fields: Any) -> Setting:
    """The same fields for every value."""
    return lambda value: fields
