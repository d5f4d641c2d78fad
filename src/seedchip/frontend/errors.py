"""Errors of the front end: each is one sentence that names the place, the rule and the remedy."""

from __future__ import annotations


class ModelError(ValueError):
    """A model file that is damaged, unsafe, or asks for what no chip could run.

    The message is one printable line whatever names the file holds.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in message))


class UnsupportedOperator(ModelError):
    """A sound model with a node that the chip's engines cannot compute.

    ``needs`` names the tensor that would have to be known at import, when that is all that is missing: if it is an
    input of the model, `load_model(..., constants={needs: value})` makes it known.
    """

    def __init__(self, message: str, needs: str = "") -> None:
        super().__init__(message)
        self.needs = needs
