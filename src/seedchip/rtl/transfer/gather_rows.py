"""Rows of a gather: indices from the scratchpad, and where in memory the rows that they choose lie."""

from __future__ import annotations

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from seedchip.isa.dma import INDEX_BYTES
from seedchip.rtl.signatures import ADDRESS_BITS, OFFSET_BITS, ReadPort

READ_CYCLES = 2
"""From the request to the scratchpad to its data."""
QUEUE_DEPTH = 16
"""Rows that are read ahead: more than are on their way between an index's request and its row's use."""
ROW = data.StructLayout({"offset": signed(OFFSET_BITS), "far": 1, "outside": 1})
"""Bytes from row 0; ``far`` when they are more than an offset can say; ``outside`` when the index chose no row."""


class GatherRows(wiring.Component):
    """Reads ``count0`` indices ``repeats`` times over, one a cycle, ahead of their use.

    An index is read in the cycle after ``start``; the first row is shown by ``valid`` in the
    `seedchip.isa.dma.GATHER_SETUP_CYCLES`-th cycle behind that, and from then on a row in every cycle in which ``take``
    takes one. A negative index counts from the end of the table; one outside it gives row 0 with ``outside`` set.
    """

    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "index_address": In(ADDRESS_BITS),
            "count0": In(16),
            "repeats": In(data.ArrayLayout(16, 2)),
            "table_rows": In(32),
            "stride": In(signed(32)),
            "scratchpad": Out(ReadPort(INDEX_BYTES)),
            "valid": Out(1),
            "row": Out(ROW),
            "take": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows, stride = Signal(32, reset_less=True), Signal(signed(32), reset_less=True)
        with m.If(self.start):
            m.d.sync += [rows.eq(self.table_rows), stride.eq(self.stride)]
        read = self._indices(m)
        valid = read
        for stage in range(READ_CYCLES):
            later = Signal(name=f"read_{stage}")
            m.d.sync += later.eq(valid)
            valid = later

        # The row's number, then its product with the stride in two cycles: halves of the number, their sum.
        index = self.scratchpad.data.as_signed()
        number = Signal(signed(34))
        m.d.comb += number.eq(index + Mux(index < 0, rows, 0))
        outside = (number < 0) | (number >= rows)
        row, halves, product = Signal(32, reset_less=True), [], Signal(signed(65), reset_less=True)
        m.d.sync += row.eq(Mux(outside, 0, number))
        for half in range(2):
            part = Signal(signed(49), name=f"half_{half}", reset_less=True)
            m.d.sync += part.eq(row.word_select(half, 16) * stride)
            halves.append(part)
        m.d.sync += product.eq(halves[0] + (halves[1] << 16))
        for stage in range(3):
            valid_later, outside_later = Signal(name=f"valid_{stage}"), Signal(name=f"outside_{stage}", reset_less=True)
            m.d.sync += [valid_later.eq(valid), outside_later.eq(outside)]
            valid, outside = valid_later, outside_later

        m.submodules.queue = queue = Memory(shape=ROW, depth=QUEUE_DEPTH, init=[])
        enter, leave = queue.write_port(), queue.read_port(domain="comb")
        first, last, waiting = (Signal(range(n), name=f"rows_{name}") for name, n in (
            ("first", QUEUE_DEPTH), ("last", QUEUE_DEPTH), ("waiting", QUEUE_DEPTH + 1)))
        high = product[OFFSET_BITS - 1:]
        m.d.sync += [first.eq(first + self.take), last.eq(last + valid), waiting.eq(waiting + valid - self.take)]
        m.d.comb += [
            enter.en.eq(valid), enter.addr.eq(last), enter.data.offset.eq(product), enter.data.outside.eq(outside),
            enter.data.far.eq(high.any() & ~high.all()), leave.addr.eq(first), self.row.eq(leave.data),
            self.valid.eq(waiting != 0),
        ]
        return m

    def _indices(self, m: Module) -> Signal:
        """Walk over the indices while there will be room for their rows; the strobe of a read."""
        active, read, promised = Signal(), Signal(), Signal(range(QUEUE_DEPTH + 1))
        first, address = Signal(ADDRESS_BITS, reset_less=True), Signal(ADDRESS_BITS, reset_less=True)
        counts = [Signal(16, name=f"count{i}", reset_less=True) for i in range(3)]
        done = [Signal(16, name=f"done{i}", reset_less=True) for i in range(3)]
        ends = [d + 1 == n for d, n in zip(done, counts, strict=True)]
        m.d.comb += [
            read.eq(active & (promised != QUEUE_DEPTH)), self.scratchpad.valid.eq(read),
            self.scratchpad.address.eq(address), self.scratchpad.count.eq(INDEX_BYTES),
        ]
        m.d.sync += promised.eq(promised + read - self.take)
        with m.If(read):
            m.d.sync += [done[0].eq(Mux(ends[0], 0, done[0] + 1)),
                         address.eq(Mux(ends[0], first, address + INDEX_BYTES))]
            with m.If(ends[0]):
                m.d.sync += done[1].eq(Mux(ends[1], 0, done[1] + 1))
                with m.If(ends[1]):
                    m.d.sync += done[2].eq(done[2] + 1)
                    with m.If(ends[2]):
                        m.d.sync += active.eq(0)
        with m.If(self.start):
            m.d.sync += [active.eq(1), first.eq(self.index_address), address.eq(self.index_address),
                         *(d.eq(0) for d in done), *(n.eq(v) for n, v in zip(
                             counts, (self.count0, self.repeats[0], self.repeats[1]), strict=True))]
        return read
