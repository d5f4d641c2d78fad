"""Allocation inside an on-chip memory, in program order.

A region that was freed is reused oldest first: the longer ago its last user ran, the less a new user has to wait.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_LIVE = np.iinfo(np.int64).max


_IN_USE = 64
"""More than there are banks: one foreign bank in use outweighs all that were."""
_RECENT = 12
"""Instructions: what was freed so lately is probably still in use when the next user wants to start."""


class OutOfSpace(Exception):
    """No free stretch is long enough."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """A live stretch of an on-chip memory, in bytes."""

    address: int
    size: int
    group: str


class Space:
    """One memory: ``size`` bytes in granules of ``granule`` bytes, in banks of ``bank`` bytes.

    Buffers carry a group; buffers of different groups are kept out of each other's banks as far as there is room,
    because different engines read and write them at the same time.
    """

    def __init__(self, size: int, granule: int, bank: int) -> None:
        self.granule, self.bank_granules = granule, bank // granule
        self.freed = np.zeros(size // granule, np.int64)
        self.owner = np.full(size // granule, -1, np.int64)
        self.groups: dict[str, int] = {}
        self.live: set[Buffer] = set()

    def copy(self) -> Space:
        """The same state, independent from now on."""
        other = Space.__new__(Space)
        other.granule, other.bank_granules = self.granule, self.bank_granules
        other.freed, other.owner = self.freed.copy(), self.owner.copy()
        other.groups, other.live = dict(self.groups), set(self.live)
        return other

    def allocate(self, size: int, group: str, now: int = 0, *, apart: bool = False) -> Buffer:
        """The free stretch that nobody used lately, with the fewest foreign banks, then the oldest; with ``apart``
        foreign banks in use count first. Raises `OutOfSpace`."""
        need = max(1, -(-size // self.granule))
        if need > len(self.freed):
            raise OutOfSpace
        index = self.groups.setdefault(group, len(self.groups))
        age = _window_max(self.freed, need)
        free = np.flatnonzero(age != _LIVE)
        if not len(free):
            raise OutOfSpace
        conflicts = self._foreign_banks(index, free, need)
        recent = np.maximum(age[free] - (now - _RECENT), 0)
        keys = (free, age[free], conflicts, recent, conflicts // _IN_USE)
        best = free[np.lexsort(keys if apart else keys[:-1])[0]]
        self.freed[best:best + need] = _LIVE
        self.owner[best:best + need] = index
        buffer = Buffer(int(best) * self.granule, need * self.granule, group)
        self.live.add(buffer)
        return buffer

    def allocate_row(self, size: int, count: int, group: str, now: int) -> list[Buffer]:
        """``count`` buffers next to each other, the one that was unused longest first. Raises `OutOfSpace`."""
        each = max(1, -(-size // self.granule))
        before = self.freed.copy()
        whole = self.allocate(each * count * self.granule, group, now, apart=True)
        self.live.remove(whole)
        first = whole.address // self.granule
        parts = [first + i * each for i in range(count)]
        parts.sort(key=lambda start: (before[start:start + each].max(), start))
        buffers = [Buffer(start * self.granule, each * self.granule, group) for start in parts]
        self.live.update(buffers)
        return buffers

    def free(self, buffer: Buffer, now: int) -> None:
        """Give ``buffer`` back; ``now`` is the program position of its last user."""
        self.live.remove(buffer)
        first = buffer.address // self.granule
        self.freed[first:first + buffer.size // self.granule] = now

    def _foreign_banks(self, index: int, starts: np.ndarray, need: int) -> np.ndarray:
        """For stretches of ``need`` granules: banks that hold a buffer of another group (each counts `_IN_USE`) or held
        one last (each counts 1)."""
        foreign = (self.owner >= 0) & (self.owner != index)
        live = (foreign & (self.freed == _LIVE)).reshape(-1, self.bank_granules).any(1)
        weight = np.where(live, _IN_USE, foreign.reshape(-1, self.bank_granules).any(1))
        count = np.concatenate(([0], np.cumsum(weight)))
        return count[(starts + need - 1) // self.bank_granules + 1] - count[starts // self.bank_granules]


def _window_max(values: np.ndarray, length: int) -> np.ndarray:
    """Maximum of every stretch of ``length`` values, by doubling."""
    result, done = values, 1
    while done < length:
        step = min(done, length - done)
        result = np.maximum(result[: len(result) - step], result[step:])
        done += step
    return result
