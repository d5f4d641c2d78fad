"""The chip description: the ground that everything else stands on."""

from seedchip.spec.chip import ChipSpec, SpecError
from seedchip.spec.load import load, presets

__all__ = ["ChipSpec", "SpecError", "load", "presets"]
