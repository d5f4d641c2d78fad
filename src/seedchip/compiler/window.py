"""Which input positions a stretch of sliding windows touches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """One axis of a sliding window over ``limit`` positions."""

    kernel: int
    stride: int
    dilation: int
    pad: int
    limit: int

    def span(self, start: int, size: int) -> tuple[int, int, int]:
        """First position that windows ``start`` .. ``start + size`` read, how many, and where the first window begins
        relative to it (negative in the padding)."""
        low = start * self.stride - self.pad
        high = low + self.reach(size)
        first, last = max(low, 0), min(high, self.limit)
        if last <= first:
            first, last = 0, 1
        return first, last - first, low - first

    def reach(self, size: int) -> int:
        """Positions from the first to the last of ``size`` windows, padding included."""
        return (size - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
