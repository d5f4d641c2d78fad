"""Accumulator memory: INT32 sums beside the array's columns."""

from __future__ import annotations

from amaranth import Array, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.matrix.stream import ROW
from seedchip.rtl.memory.sram import Sram
from seedchip.rtl.signatures import ADDRESS_BITS
from seedchip.spec import ChipSpec

ROW_BITS = 20
REPEATED_ROW = data.StructLayout({**ROW.members, "after_one": 1, "after_two": 1})


class AccumulatorRead(wiring.Signature):
    """A read of one row of sums: request in one cycle, ``sums`` two cycles later."""

    def __init__(self, columns: int) -> None:
        super().__init__({"valid": Out(1), "row": Out(ADDRESS_BITS), "sums": In(data.ArrayLayout(signed(32), columns))})


class Accumulator(wiring.Component):
    """``banks`` x ``columns`` SRAMs with one read and one write port each.

    ``row`` in cycle t announces that column c's sum stands at ``sums`` in t + 1 + c; it is written, or added to what is
    there, in t + 2 + c. A row that comes again one or two cycles later gets its sum from where it is. Reader and array
    touch only banks whose lock they hold (``vector_banks``, ``matrix_banks``); another one is told by
    ``vector_unlocked`` or ``matrix_unlocked``, a row that is not there by ``vector_beyond``. Nothing is written while
    ``stop`` is raised.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        columns = spec.matrix.columns
        super().__init__({
            "row": In(ROW),
            "sums": In(data.ArrayLayout(signed(32), columns)),
            "vector": In(AccumulatorRead(columns)),
            **{f"{name}_banks": In(spec.accumulator.banks) for name in ("matrix", "vector")},
            **{name: Out(1) for name in ("matrix_unlocked", "vector_unlocked", "vector_beyond")},
            "stop": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self._spec
        num_banks, columns = spec.accumulator.banks, spec.matrix.columns
        bank_rows = spec.accumulator_rows // num_banks
        bank_bits, row_bits = ceil_log2(num_banks), ceil_log2(bank_rows)
        vector_row = self.vector.row[:row_bits]
        vector_bank = (self.vector.row >> row_bits)[:bank_bits]
        bank_seen = Signal(bank_bits, reset_less=True)
        m.d.sync += bank_seen.eq(vector_bank)
        row = self._find_repeats(m)
        vector_valid = Signal()
        array_bank = (self.row.accumulator_row >> row_bits)[:bank_bits]
        m.d.comb += [
            self.vector_beyond.eq(self.vector.valid & (self.vector.row >= spec.accumulator_rows)),
            self.vector_unlocked.eq(self.vector.valid & ~self.vector_banks.bit_select(vector_bank, 1)),
            vector_valid.eq(self.vector.valid & ~self.vector_beyond & ~self.vector_unlocked),
            self.matrix_unlocked.eq(self.row.valid & ~self.matrix_banks.bit_select(array_bank, 1)),
        ]
        for c in range(columns):
            wait = [Signal(REPEATED_ROW, name=f"row_{c}_{i}") for i in range(2)]
            m.d.sync += [wait[0].eq(row), wait[1].eq(wait[0])]
            total, total_before = (Signal(32, name=f"{n}_{c}", reset_less=True) for n in ("total", "total_before"))
            out = Signal(32, name=f"out_{c}", reset_less=True)
            found = []
            bank = (row.accumulator_row >> row_bits)[:bank_bits]
            write_bank = (wait[1].accumulator_row >> row_bits)[:bank_bits]
            for b in range(num_banks):
                m.submodules[f"sram_{b}_{c}"] = sram = Sram(32, bank_rows)
                matrix_here, vector_here = row.valid & (bank == b), vector_valid & (vector_bank == b)
                m.d.comb += [
                    sram.read_enable.eq(matrix_here | vector_here),
                    sram.read_address.eq(Mux(vector_here, vector_row, row.accumulator_row[:row_bits])),
                    sram.write_enable.eq(wait[1].valid & ~self.stop & (write_bank == b)), sram.write_data.eq(total),
                    sram.write_address.eq(wait[1].accumulator_row[:row_bits]),
                ]
                found.append(sram.read_data)
            before = Array(found)[(wait[0].accumulator_row >> row_bits)[:bank_bits]]
            before = Mux(wait[0].after_one, total, Mux(wait[0].after_two, total_before, before))
            m.d.sync += [
                total.eq(self.sums[c] + Mux(wait[0].overwrite, 0, before)), total_before.eq(total),
                out.eq(Array(found)[bank_seen]),
            ]
            m.d.comb += self.vector.sums[c].eq(out)
            row = wait[0]
        return m

    def _find_repeats(self, m: Module) -> data.View:
        """The row, and whether it is the one that came one or two cycles before: said once for all columns."""
        row = Signal(REPEATED_ROW)
        earlier = [Signal(ROW, name=f"earlier_{i}") for i in range(2)]
        m.d.sync += [earlier[0].eq(self.row), earlier[1].eq(earlier[0])]
        same = [e.valid & (e.accumulator_row == self.row.accumulator_row) for e in earlier]
        m.d.comb += [*(row[name].eq(self.row[name]) for name in ROW.members if name != "valid"),
                     row.valid.eq(self.row.valid & ~self.matrix_unlocked), row.after_one.eq(same[0]),
                     row.after_two.eq(same[1])]
        return row
