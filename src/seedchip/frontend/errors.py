"""Errors of the front end: each is one sentence that names the place, the rule and the remedy."""

from __future__ import annotations


class ModelError(ValueError):
    """A model file that is damaged, unsafe, or asks for what no chip could run."""


class UnsupportedOperator(ModelError):
    """A sound model with a node that the chip's engines cannot compute."""
