"""Memory content in a routed configuration is replaced bit by bit, wherever synthesis has put it."""

import numpy as np
import pytest

from seedchip.fpga.content import replace_content
from seedchip.fpga.synthesis import FlowError

ROW_BYTES, NUM_BYTES = 8, 16_384
RNG = np.random.default_rng(0)
PATTERN = RNG.bytes(NUM_BYTES)


def config_of(content: bytes, width: int, seed: int = 1) -> str:
    """A configuration whose block RAMs, in any order and between others, hold ``content``, ``width`` bits a row:
    written bit by bit, as the manual of the block RAM says."""
    rows = [int.from_bytes(content[i:i + ROW_BYTES], "little") for i in range(0, len(content), ROW_BYTES)]
    depth, blocks = 16_384 // width, []
    for first in range(0, len(rows), depth):
        for column in range(0, 8 * ROW_BYTES, width):
            words = [0] * 2048
            for i, row in enumerate(rows[first:first + depth]):
                for j in range(width):
                    place = i * width + j
                    words[place // 8] |= (row >> column + j & 1) << place % 8
            blocks.append(words)
    blocks.append([1] * 2048)
    order = np.random.default_rng(seed).permutation(len(blocks))
    text = [".device LFE5U-85F", ""]
    for number, i in enumerate(order):
        text += [f".bram_init {number}", *(" ".join(f"{w:03x}" for w in blocks[i][k:k + 8])
                                           for k in range(0, 2048, 8)), ""]
    return "\n".join([*text, ".tile MIB_R10C20:MIB_EBR0", "word: EBR0.WID 0000", ""])


@pytest.mark.parametrize("width", [8])
def test_content_takes_the_place_of_the_pattern(width):
    content = RNG.bytes(NUM_BYTES)
    assert replace_content(config_of(PATTERN, width), PATTERN, content, ROW_BYTES) == config_of(content, width)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_larger_memories_are_cut_into_narrower_slices(width):
    pattern, content = RNG.bytes(NUM_BYTES * 8 // width), RNG.bytes(NUM_BYTES * 8 // width)
    assert replace_content(config_of(pattern, width), pattern, content, ROW_BYTES) == config_of(content, width)


def test_behind_short_content_memory_is_zero():
    filled = replace_content(config_of(PATTERN, 8), PATTERN, b"abc", ROW_BYTES)
    assert filled == config_of(b"abc".ljust(NUM_BYTES, b"\0"), 8)


def test_a_pattern_that_is_not_there_whole_and_content_that_is_too_long_are_refused():
    other = config_of(RNG.bytes(NUM_BYTES), 8)
    with pytest.raises(FlowError, match=r"^the pattern of 16384 bytes must be in 8 block RAMs of the routed design, "
                                        r"but 0 of its slices are in 0$"):
        replace_content(other, PATTERN, b"", ROW_BYTES)
    with pytest.raises(FlowError, match=r"^the content must fit in a memory of 16384 bytes, but it has 16385$"):
        replace_content(other, PATTERN, bytes(NUM_BYTES + 1), ROW_BYTES)
