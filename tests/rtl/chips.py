"""Chips for hardware tests."""

from seedchip.conformance.chips import NANO, TINY

__all__ = ["NANO", "TINY"]
