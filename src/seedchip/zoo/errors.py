"""What can go wrong with a model or data set that comes from elsewhere."""

from __future__ import annotations


class ZooError(Exception):
    """An artefact or entry cannot be had; the sentence names it and says what to do."""
