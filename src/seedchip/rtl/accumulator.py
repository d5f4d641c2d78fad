"""Accumulator memory: INT32 sums beside the array's columns."""

from __future__ import annotations

from amaranth import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.matrix_stream import ROW
from seedchip.spec import ChipSpec

ROW_BITS = 20


class AccumulatorRead(wiring.Signature):
    """A read of one row of sums: request in one cycle, ``sums`` two cycles later."""

    def __init__(self, columns: int) -> None:
        super().__init__({"valid": Out(1), "row": Out(ROW_BITS), "sums": In(data.ArrayLayout(signed(32), columns))})


class Accumulator(wiring.Component):
    """``banks`` x ``columns`` SRAMs with one read and one write port each.

    ``row`` in cycle t announces that column c's sum stands at ``sums`` in t + 1 + c; it is written, or added to what is
    there, in t + 2 + c. A row may come again three cycles later at the earliest. ``conflict`` is raised when the array
    and the reader meet in a bank.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        columns = spec.matrix.columns
        super().__init__({
            "row": In(ROW),
            "sums": In(data.ArrayLayout(signed(32), columns)),
            "vector": In(AccumulatorRead(columns)),
            "conflict": Out(1),
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
        row, conflicts = self.row, []
        for c in range(columns):
            wait = [Signal(ROW, name=f"row_{c}_{i}", reset_less=i > 0) for i in range(2)]
            m.d.sync += [wait[0].eq(row), wait[1].eq(wait[0])]
            total = Signal(32, name=f"total_{c}", reset_less=True)
            out = Signal(32, name=f"out_{c}", reset_less=True)
            found = []
            bank = (row.accumulator_row >> row_bits)[:bank_bits]
            write_bank = (wait[1].accumulator_row >> row_bits)[:bank_bits]
            for b in range(num_banks):
                m.submodules[f"sram_{b}_{c}"] = sram = Memory(shape=32, depth=bank_rows, init=[])
                read, write = sram.read_port(), sram.write_port()
                matrix_here, vector_here = row.valid & (bank == b), self.vector.valid & (vector_bank == b)
                conflicts.append(matrix_here & vector_here)
                m.d.comb += [
                    read.en.eq(matrix_here | vector_here),
                    read.addr.eq(Mux(vector_here, vector_row, row.accumulator_row[:row_bits])),
                    write.en.eq(wait[1].valid & (write_bank == b)), write.data.eq(total),
                    write.addr.eq(wait[1].accumulator_row[:row_bits]),
                ]
                found.append(read.data)
            before = Array(found)[(wait[0].accumulator_row >> row_bits)[:bank_bits]]
            m.d.sync += [total.eq(self.sums[c] + Mux(wait[0].overwrite, 0, before)), out.eq(Array(found)[bank_seen])]
            m.d.comb += self.vector.sums[c].eq(out)
            row = wait[0]
        m.d.comb += self.conflict.eq(Cat(*conflicts).any())
        return m
