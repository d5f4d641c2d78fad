"""What lies in memory before a program of the suite runs."""

from __future__ import annotations

import numpy as np

MEMORY_BYTES = 1 << 16
CODE_BYTES = 1 << 15
"""The program lies in the first half of these bytes, micro-programs in the second; data lies above."""
INDEX_BYTES = 1 << 10
"""The last bytes of memory hold indices for gathers."""
INDEX_REACH = 24
"""Indices lie in [-INDEX_REACH, INDEX_REACH): tables of fewer rows see some outside."""
SPECIALS = np.array([
    0, 0x80000000, 1, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF000000, 0x7F7FFFFF, 0x7F800000, 0xFF800000,
    0x7FC00000, 0xFFFFFFFF, 0x4B000001, 0x3F000001, 0xC2FF8000], np.uint32)
"""binary32 patterns at the edges of what arithmetic tells apart: zeros, subnormals, infinities, NaNs, ties."""


def random_memory(rng: np.random.Generator) -> np.ndarray:
    """uint8 [MEMORY_BYTES]: bytes of every value, but every fourth stretch of 256 bytes is binary32 patterns of every
    kind, and the end is int32 indices."""
    memory = rng.integers(0, 256, MEMORY_BYTES, dtype=np.uint8)
    words = memory.view(np.uint32).reshape(-1, 64)
    words[::4] = rng.normal(0, 100, words[::4].shape).astype(np.float32).view(np.uint32)
    words[::12] = rng.choice(SPECIALS, words[::12].shape)
    memory[-INDEX_BYTES:] = rng.integers(-INDEX_REACH, INDEX_REACH, INDEX_BYTES // 4, dtype=np.int32).view(np.uint8)
    return memory


def pattern(x: float) -> int:
    """The binary32 pattern of ``x``."""
    return int(np.float32(x).view(np.uint32))
