"""Other content for the memory of a routed design, without synthesis or routing.

A block RAM (DP16KD) holds 2,048 words of 9 bits. In the textual configuration of Project Trellis they stand behind
``.bram_init``, eight hexadecimal words a line. Used with 1, 2, 4 or 8 bits a row, a block holds a slice of so many
columns of the memory's bits, row by row, eight bits a word. Synthesis was given a pattern in which every such slice is
different; where a block shows one, that slice of the new content takes its place. The idea is that of icebram and
ecpbram (Project IceStorm, Project Trellis).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from seedchip.fpga.synthesis import FlowError

BLOCK_WORDS = 2048
BLOCK_BYTES = BLOCK_WORDS
"""A word's ninth bit is not used."""
WORDS_PER_LINE = 8
_BLOCK = re.compile(r"^(\.bram_init \d+\n)((?:[0-9a-fA-F]{3}(?: |\n))+)", re.MULTILINE)


def replace_content(config: str, pattern: bytes, content: bytes, row_bytes: int) -> str:
    """``config`` with ``content`` (shorter or as long, zeros behind) where it has ``pattern``, in a memory with rows of
    ``row_bytes`` bytes. Raises `FlowError` unless every slice of the pattern is found exactly once."""
    if len(content) > len(pattern):
        raise FlowError(f"the content must fit in a memory of {len(pattern)} bytes, but it has {len(content)}")
    new = content.ljust(len(pattern), b"\0")
    replaced = dict(zip(_slices(pattern, row_bytes), _slices(new, row_bytes), strict=True))
    found: list[bytes] = []

    def fill(match: re.Match[str]) -> str:
        words = [int(word, 16) for word in match.group(2).split()]
        old = bytes(word & 0xFF for word in words)
        if old not in replaced:
            return match.group(0)
        found.append(old)
        return match.group(1) + _words(replaced[old])

    filled = _BLOCK.sub(fill, config)
    if len(set(found)) != len(found) or len(found) * BLOCK_BYTES != len(pattern):
        raise FlowError(f"the pattern of {len(pattern)} bytes must be in {len(pattern) // BLOCK_BYTES} block RAMs of "
                        f"the routed design, but {len(set(found))} of its slices are in {len(found)}")
    return filled


def _slices(content: bytes, row_bytes: int) -> Iterator[bytes]:
    """What a block can hold: 1, 2, 4 or 8 columns of bits, as many rows as fit."""
    bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little").reshape(-1, 8 * row_bytes)
    for width in (1, 2, 4, 8):
        depth = 8 * BLOCK_BYTES // width
        for first_row in range(0, len(bits) - depth + 1, depth):
            for column in range(0, 8 * row_bytes, width):
                part = bits[first_row:first_row + depth, column:column + width]
                yield np.packbits(part.reshape(-1), bitorder="little").tobytes()


def _words(block: bytes) -> str:
    lines = (block[i:i + WORDS_PER_LINE] for i in range(0, BLOCK_WORDS, WORDS_PER_LINE))
    return "".join(" ".join(f"{word:03x}" for word in line) + "\n" for line in lines)
