"""SeedChip: an open AI-inference chip and the software that chooses it, builds it, programs it and serves from it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seedchip.build import BuildOptions
    from seedchip.program import Program
    from seedchip.session import InferenceSession, compile
    from seedchip.spec import ChipSpec

__version__ = "0.1.0"
__all__ = ["BuildOptions", "ChipSpec", "InferenceSession", "Program", "__version__", "compile"]

_HOMES = {"BuildOptions": "seedchip.build", "ChipSpec": "seedchip.spec", "InferenceSession": "seedchip.session",
          "Program": "seedchip.program", "compile": "seedchip.session"}


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that importing the package costs nothing."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'seedchip' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
