"""Views: where the elements of a tensor lie in memory, as a start address and one byte stride per axis."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from math import prod


@dataclass(frozen=True)
class View:
    """``shape`` elements of ``item`` bytes; element (i0, i1, ...) lies at address + sum(i * stride)."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def item(self) -> int:
        return 1 if self.dtype == "int8" else 4

    @property
    def contiguous(self) -> bool:
        """The last axis is a run of bytes."""
        return not self.shape or self.shape[-1] == 1 or self.strides[-1] == self.item

    @property
    def extent(self) -> tuple[int, int]:
        """First byte and one beyond the last."""
        steps = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True) if n]
        return self.address + sum(min(s, 0) for s in steps), self.address + sum(max(s, 0) for s in steps) + self.item

    def transpose(self, perm: tuple[int, ...]) -> View:
        return replace(self, shape=tuple(self.shape[p] for p in perm), strides=tuple(self.strides[p] for p in perm))

    def slice(self, starts: tuple[int, ...], sizes: tuple[int, ...], steps: tuple[int, ...] | None = None) -> View:
        steps = steps or (1,) * len(starts)
        address = self.address + sum(b * s for b, s in zip(starts, self.strides, strict=True))
        strides = tuple(s * k for s, k in zip(self.strides, steps, strict=True))
        return replace(self, address=address, shape=sizes, strides=strides)

    def expand(self, shape: tuple[int, ...]) -> View:
        """Broadcast: new axes in front and axes of size 1 get stride 0."""
        extra = len(shape) - len(self.shape)
        old = (1,) * extra + self.shape
        strides = (0,) * extra + self.strides
        return replace(self, shape=shape, strides=tuple(0 if o == 1 and n != 1 else s
                                                        for o, n, s in zip(old, shape, strides, strict=True)))

    def reshape(self, shape: tuple[int, ...]) -> View | None:
        """The same elements in another shape, or None when strides cannot say it."""
        if 0 in self.shape:
            return replace(self, shape=shape, strides=(0,) * len(shape))
        groups = _matching_groups(self.shape, shape)
        strides: list[int] = []
        for old, new in groups:
            base = _merged_stride(self.shape[old], self.strides[old])
            if base is None:
                return None
            sizes = shape[new]
            steps = [base * prod(sizes[i + 1:]) for i in range(len(sizes))]
            strides += steps
        return replace(self, shape=shape, strides=tuple(strides))


def _merged_stride(shape: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    """Stride of the axes taken as one, or None."""
    pairs = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    for (_, outer), (n, inner) in itertools.pairwise(pairs):
        if outer != n * inner:
            return None
    return pairs[-1][1] if pairs else 0


def _matching_groups(old: tuple[int, ...], new: tuple[int, ...]) -> list[tuple[slice, slice]]:
    """Shortest runs of axes with equal products, in order."""
    groups, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        first_i, first_j = i, j
        a = old[i] if i < len(old) else 1
        b = new[j] if j < len(new) else 1
        i, j = i + 1, j + 1
        while a != b:
            if a < b:
                a *= old[i]
                i += 1
            else:
                b *= new[j]
                j += 1
        groups.append((slice(first_i, min(i, len(old))), slice(first_j, min(j, len(new)))))
    return groups


def row_bytes(columns: int, dtype: str, granule: int) -> int:
    """Distance of rows in the standard layout: padded to ``granule`` elements; single elements are packed."""
    item = 1 if dtype == "int8" else 4
    if columns == 1:
        return item
    return -(-columns // granule) * granule * item


def standard(address: int, shape: tuple[int, ...], dtype: str, granule: int) -> View:
    """The standard layout: row-major rows, each `row_bytes` long. A scalar is one row of one element."""
    shape = shape or (1,)
    item = 1 if dtype == "int8" else 4
    strides = [item]
    step = row_bytes(shape[-1], dtype, granule)
    for n in reversed(shape[:-1]):
        strides.append(step)
        step *= n
    return View(address, shape, tuple(reversed(strides)), dtype)


def standard_bytes(shape: tuple[int, ...], dtype: str, granule: int) -> int:
    shape = shape or (1,)
    return prod(shape[:-1]) * row_bytes(shape[-1], dtype, granule)


def collapse(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Fewest loops over ``shape`` for operands with the given strides: size-1 axes go, axes that continue each other
    join."""
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        joins = sizes and all(st[-1] == n * s[axis] for st, s in zip(steps, strides, strict=True))
        if joins:
            sizes[-1] *= n
            for st, s in zip(steps, strides, strict=True):
                st[-1] = s[axis]
        else:
            sizes.append(n)
            for st, s in zip(steps, strides, strict=True):
                st.append(s[axis])
    return tuple(sizes), [tuple(st) for st in steps]
