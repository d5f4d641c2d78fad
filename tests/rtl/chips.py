"""Chips for hardware tests."""

from seedchip.conformance.chips import NANO, NOT_YET, TINY

__all__ = ["NANO", "NOT_YET", "TINY"]
