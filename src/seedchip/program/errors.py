"""Errors of program files."""

from __future__ import annotations


class ProgramError(ValueError):
    """A program file that is damaged, foreign or made for another chip; nothing of it is run. One sentence."""
