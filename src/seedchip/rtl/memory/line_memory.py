"""On-chip byte memory: banks of even and odd lines, so that any stretch of a line's length is read in one cycle."""

from __future__ import annotations

from functools import reduce
from operator import or_

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.rtl.memory.sram import Sram
from seedchip.rtl.signatures import ReadPort, WritePort


class LineMemory(wiring.Component):
    """``banks`` banks, each two single-read single-write SRAMs (even lines, odd lines) of whole lines with byte
    enables.

    A request touches the line of its first byte and, when it crosses, the next one, which is always of the other
    parity. One that leaves the memory (``<port>_beyond``), or touches a bank that is not among the port's
    ``<port>_banks`` (``<port>_unlocked``), does nothing else; nothing is written while ``stop`` is raised.
    ``conflict`` is raised when two readers or two writers meet in one SRAM: what locks keep apart never does.
    """

    def __init__(self, num_bytes: int, line_bytes: int, banks: int, readers: dict[str, int],
                 writers: list[str]) -> None:
        self._num_bytes, self._line_bytes, self._banks = num_bytes, line_bytes, banks
        self._half_rows = num_bytes // (2 * banks * line_bytes)
        self._readers, self._writers = readers, writers
        super().__init__({
            **{name: In(ReadPort(size)) for name, size in readers.items()},
            **{name: In(WritePort(line_bytes)) for name in writers},
            **{f"{name}_banks": In(banks, init=(1 << banks) - 1) for name in (*readers, *writers)},
            **{f"{name}_{fault}": Out(1) for name in (*readers, *writers) for fault in ("beyond", "unlocked")},
            "stop": In(1),
            "conflict": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, rows = 8 * self._line_bytes, self._half_rows
        srams = [[Sram(width, rows, grain=8) for _ in range(self._banks)] for _ in range(2)]
        for parity in range(2):
            for bank in range(self._banks):
                m.submodules[f"sram_{bank}_{parity}"] = srams[parity][bank]
        conflicts = self._connect_readers(m, srams) + self._connect_writers(m, srams)
        m.d.comb += self.conflict.eq(Cat(*conflicts).any())
        return m

    def _place(self, m: Module, port: wiring.PureInterface, name: str) -> tuple[Value, Value, list[Value], list[Value]]:
        """First line's parity, byte offset, and for each parity the bank and row that hold the stretch's part."""
        shift = ceil_log2(self._line_bytes)
        line = Signal(len(port.address) - shift, name=f"{name}_line")
        m.d.comb += line.eq(port.address >> shift)
        row_bits, bank_bits = ceil_log2(self._half_rows), ceil_log2(self._banks)
        rows = [Signal(row_bits, name=f"{name}_row_{p}") for p in range(2)]
        banks = [Signal(bank_bits, name=f"{name}_bank_{p}") for p in range(2)]
        for parity, half in enumerate([(line + 1) >> 1, line >> 1]):
            m.d.comb += Cat(rows[parity], banks[parity]).eq(half)
        return line[0], port.address[:shift], banks, rows

    def _allow(self, m: Module, name: str, parts: list[Value], banks: list[Value]) -> list[Signal]:
        """Which of the request's ``parts``, one for each parity, are done: all or none of them."""
        port, locks = getattr(self, name), getattr(self, f"{name}_banks")
        beyond, unlocked = getattr(self, f"{name}_beyond"), getattr(self, f"{name}_unlocked")
        allowed = [Signal(name=f"{name}_allowed_{parity}") for parity in range(2)]
        missing = [part & ~locks.bit_select(bank, 1) for part, bank in zip(parts, banks, strict=True)]
        far = port.beyond if name in self._readers else 0
        m.d.comb += [
            beyond.eq(port.valid & (far | (port.address + port.count > self._num_bytes))),
            unlocked.eq(port.valid & ~beyond & Cat(*missing).any()),
            *(a.eq(port.valid & part & ~beyond & ~unlocked) for a, part in zip(allowed, parts, strict=True)),
        ]
        return allowed

    def _connect_readers(self, m: Module, sram: list[list[Sram]]) -> list[Value]:
        hits: list[list[list[tuple[Value, Value]]]] = [[[] for _ in range(self._banks)] for _ in range(2)]
        for name, num_bytes in self._readers.items():
            port = getattr(self, name)
            first, offset, banks, rows = self._place(m, port, name)
            crosses = offset + port.count > self._line_bytes
            wanted = self._allow(m, name, [(first == parity) | crosses for parity in range(2)], banks)
            seen = []
            for parity in range(2):
                for bank in range(self._banks):
                    hit = Signal(name=f"{name}_hit_{parity}_{bank}")
                    m.d.comb += hit.eq(wanted[parity] & (banks[parity] == bank))
                    hits[parity][bank].append((hit, rows[parity]))
                bank_seen = Signal.like(banks[parity], name=f"{name}_seen_{parity}", reset_less=True)
                m.d.sync += bank_seen.eq(banks[parity])
                seen.append(Array(s.read_data for s in sram[parity])[bank_seen])
            first_seen = Signal(name=f"{name}_first_seen", reset_less=True)
            offset_seen = Signal(len(offset), name=f"{name}_offset_seen", reset_less=True)
            data = Signal(8 * num_bytes, name=f"{name}_data", reset_less=True)
            pair = Mux(first_seen, Cat(seen[1], seen[0]), Cat(seen[0], seen[1]))
            m.d.sync += [first_seen.eq(first), offset_seen.eq(offset),
                         data.eq(_stretch(m, pair, offset_seen, num_bytes))]
            m.d.comb += port.data.eq(data)
        conflicts = []
        for parity in range(2):
            for bank in range(self._banks):
                wanted = [hit for hit, _ in hits[parity][bank]]
                row = reduce(or_, (Mux(hit, r, 0) for hit, r in hits[parity][bank]))
                here = sram[parity][bank]
                m.d.comb += [here.read_address.eq(row), here.read_enable.eq(Cat(*wanted).any())]
                conflicts.append(_more_than_one(wanted))
        return conflicts

    def _connect_writers(self, m: Module, sram: list[list[Sram]]) -> list[Value]:
        line = self._line_bytes
        hits: list[list[list[tuple[Value, Value, Value, Value]]]] = [[[] for _ in range(self._banks)] for _ in range(2)]
        for name in self._writers:
            port = getattr(self, name)
            first, offset, banks, rows = self._place(m, port, name)
            mask = Signal(2 * line, name=f"{name}_mask")
            m.d.comb += mask.eq(((1 << port.count) - 1) << offset)
            turned = _stretch(m, Cat(port.data, port.data), (-offset)[:len(offset)], line)  # for both lines
            parts = [Signal(line, name=f"{name}_part_{parity}") for parity in range(2)]
            for parity in range(2):
                m.d.comb += parts[parity].eq(Mux(first == parity, mask[:line], mask[line:]))
            wanted = self._allow(m, name, [part.any() for part in parts], banks)
            for parity in range(2):
                for bank in range(self._banks):
                    hit = Signal(name=f"{name}_hit_{parity}_{bank}")
                    m.d.comb += hit.eq(wanted[parity] & ~self.stop & (banks[parity] == bank))
                    hits[parity][bank].append((hit, rows[parity], parts[parity], turned))
        conflicts = []
        for parity in range(2):
            for bank in range(self._banks):
                s, here = sram[parity][bank], hits[parity][bank]
                m.d.comb += [
                    s.write_address.eq(reduce(or_, (Mux(h[0], h[1], 0) for h in here))),
                    s.write_enable.eq(reduce(or_, (Mux(h[0], h[2], 0) for h in here))),
                    s.write_data.eq(reduce(lambda other, h: Mux(h[0], h[3], other), here[1:], here[0][3])),
                ]
                conflicts.append(_more_than_one([h[0] for h in here]))
        return conflicts


def _stretch(m: Module, pair: Value, offset: Value, num_bytes: int) -> Value:
    """``num_bytes`` bytes of ``pair`` from byte ``offset`` on: chosen by words, then moved by bytes."""
    byte_bits = min(2, len(offset))
    word = 8 << byte_bits
    words = Array(pair[word * i:word * i + 8 * num_bytes + word - 8] for i in range(1 << len(offset) - byte_bits))
    chosen, result = Signal(8 * num_bytes + word - 8), Signal(8 * num_bytes)
    m.d.comb += [chosen.eq(words[offset[byte_bits:]]), result.eq(chosen >> Cat(Const(0, 3), offset[:byte_bits]))]
    return result


def _more_than_one(bits: list[Value]) -> Value:
    return reduce(or_, (a & b for i, a in enumerate(bits) for b in bits[:i])) if len(bits) > 1 else Value.cast(0)
