"""Benchmarks: every figure that the project states, measured and written down by `seedchip bench`."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """`seedchip bench ARGUMENTS`; see `seedchip.bench.command`."""
    from seedchip.bench import command

    return command.main(arguments)
