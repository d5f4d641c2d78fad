"""What can go wrong on a simulated chip, each as one sentence."""

from __future__ import annotations


class Fault(RuntimeError):
    """An instruction breaks a rule of the machine: instruction, field, address and rule."""


class FeedError(ValueError):
    """An input of a run is missing, unknown, or has another shape or type than the program takes."""
