"""Strided accesses to a memory: their reach, the banks that they touch, and views of them as NumPy arrays.

An access is `run` bytes at each point of nested loops, outermost loop first: the form in which every instruction
names its operands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seedchip.simulator.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seedchip.isa import Instruction
    from seedchip.spec import ChipSpec


class Access(NamedTuple):
    """``run`` bytes (or accumulator rows) at address + sum of index * stride, for every index of the loops."""

    address: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]
    run: int

    @property
    def extent(self) -> tuple[int, int]:
        """First byte and one beyond the last."""
        low = high = self.address
        for n, s in zip(self.counts, self.strides, strict=True):
            if s < 0:
                low += (n - 1) * s
            else:
                high += (n - 1) * s
        return low, high + self.run

    @property
    def is_disjoint(self) -> bool:
        """No byte belongs to two runs; False also where that is not plain to see."""
        reach = self.run
        for stride, count in sorted((abs(s), n) for n, s in zip(self.counts, self.strides, strict=True) if n > 1):
            if stride < reach:
                return False
            reach = stride * (count - 1) + reach
        return True

    def starts(self) -> np.ndarray:
        """Address of every run, int64, in the order of the loops."""
        result = np.array([self.address], np.int64)
        for n, s in zip(self.counts, self.strides, strict=True):
            result = (result[:, None] + np.arange(n, dtype=np.int64) * s).reshape(-1)
        return result


@dataclass(frozen=True, slots=True)
class Site:
    """An instruction at its place in the program: names itself in faults and checks its accesses."""

    index: int
    instruction: Instruction
    spec: ChipSpec

    def fault(self, sentence: str) -> Fault:
        return Fault(f"instruction {self.index} ({self.instruction.mnemonic()}): {sentence}")

    def banks_exist(self) -> None:
        """Raise `Fault` where the instruction names a bank that the chip does not have."""
        pads, sums = self.spec.scratchpad.banks, self.spec.accumulator.banks
        for name, banks in (("read_banks", pads), ("write_banks", pads), ("accumulator_banks", sums)):
            if (mask := getattr(self.instruction, name)) >> banks:
                raise self.fault(f"{name} must name some of the chip's {banks} banks, not be {mask:#x}")

    def positive(self, fields: Iterable[str]) -> None:
        """Raise `Fault` where one of the fields is 0."""
        for name in fields:
            if getattr(self.instruction, name) < 1:
                raise self.fault(f"{name} must be 1 or more, not {getattr(self.instruction, name)}")

    def scratchpad(self, field: str, access: Access, mask_name: str) -> None:
        """Raise `Fault` unless the access stays in the scratchpad and in the banks that the instruction names."""
        size, banks = self.spec.scratchpad.bytes, self.spec.scratchpad.banks
        self.range(field, access, size, "scratchpad's", "bytes")
        self._banks(field, access, size // banks, mask_name)

    def accumulator(self, field: str, access: Access) -> None:
        """The same for accumulator rows."""
        rows = self.spec.accumulator_rows
        self.range(field, access, rows, "accumulators'", "rows")
        self._banks(field, access, rows // self.spec.accumulator.banks, "accumulator_banks")

    def range(self, field: str, access: Access, size: int, owner: str, unit: str) -> None:
        low, high = access.extent
        if low < 0 or high > size:
            raise self.fault(f"{field} must stay in the {owner} {size} {unit}, not touch [{low}, {high})")

    def aligned(self, field: str, access: Access, unit: int) -> None:
        """Every run begins at a multiple of ``unit``."""
        strides = tuple(s for n, s in zip(access.counts, access.strides, strict=True) if n > 1)
        if any(v % unit for v in (access.address, *strides)):
            raise self.fault(f"{field} must be a multiple of {unit} bytes in every row, not {access.address} with "
                             f"strides {strides}")

    def _banks(self, field: str, access: Access, bank: int, mask_name: str) -> None:
        low, high = access.extent
        mask = getattr(self.instruction, mask_name)
        first, last = low // bank, (high - 1) // bank
        if not (((2 << last) - (1 << first)) & ~mask):
            return
        starts = access.starts()
        for begin, end in zip(starts // bank, (starts + access.run - 1) // bank, strict=True):
            missing = ((2 << int(end)) - (1 << int(begin))) & ~mask
            if missing:
                number = (missing & -missing).bit_length() - 1
                raise self.fault(f"{mask_name} must name bank {number}, which {field} touches, not be {mask:#x}")


def view(buffer: np.ndarray, access: Access, dtype: np.dtype | type) -> np.ndarray:
    """The access as an array [*counts, elements of a run] of ``dtype`` over ``buffer`` (uint8)."""
    dtype = np.dtype(dtype)
    shape = (*access.counts, access.run // dtype.itemsize)
    return np.ndarray(shape, dtype, buffer, access.address, (*access.strides, dtype.itemsize))


def wide_views(target: np.ndarray, to: Access, source: np.ndarray, origin: Access,
               widest: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Views of two accesses of equal shape for a copy, in the widest elements (up to ``widest`` bytes) that fit both.

    Elements of 16 bytes are complex numbers: only their size matters, a copy between equal types moves bytes.
    """
    low = to.run | to.address | origin.address
    for n, s, t in zip(to.counts, to.strides, origin.strides, strict=True):
        if n > 1:
            low |= s | t
    unit = min(low & -low, widest)
    dtype = np.dtype(np.complex128) if unit == 16 else np.dtype(f"u{unit}")
    return view(target, to, dtype), view(source, origin, dtype)
