"""What quantisation raises."""

from __future__ import annotations


class QuantiseError(ValueError):
    """A graph, its weights or its calibration data cannot be quantised as asked; the message is one sentence."""
