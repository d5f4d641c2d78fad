"""The demonstration: real trained models compiled, run on the exact simulator, and shown beside ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """`seedchip demo ARGUMENTS`; see `seedchip.demo.command`."""
    from seedchip.demo import command

    return command.main(arguments)
