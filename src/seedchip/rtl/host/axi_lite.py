"""The host registers behind AXI4-Lite, made from their declaration."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from seedchip.rtl.host.axi import LITE_DATA_BITS, AxiLite, Response
from seedchip.rtl.host.registers import ADDRESS_BITS, REGISTERS, WORD_BYTES, Access, Field, Register, reset_value
from seedchip.spec import ChipSpec

WORD_SHIFT = (WORD_BYTES - 1).bit_length()


def port_name(register: Register, field: Field) -> str:
    """The port of a field: the register's name, and the field's where it has several."""
    name = register.name.lower()
    return name if field.name == "value" else f"{name}_{field.name}"


def _field_ports() -> Iterator[tuple[str, wiring.Member]]:
    for register in REGISTERS:
        for field in register.fields:
            name = port_name(register, field)
            if field.access in (Access.READ_ONLY, Access.WRITE_ONE_TO_CLEAR):
                yield name, In(field.width)
            elif field.access in (Access.READ_WRITE, Access.PULSE):
                yield name, Out(field.width)


class AxiLiteRegisters(wiring.Component):
    """A port for every field that is no constant: state comes in, settings and commands go out. What comes in for a bit
    that is cleared by writing 1 is the event that sets it; what it holds goes out as ``held_`` and its port's name.
    ``locked`` refuses writes to locked registers.

    One access at a time on either side: address and data of a write are taken in any order and answered two cycles
    after the later one; a read is answered in the next cycle. Ready and valid depend on registers alone.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        held = {f"held_{port_name(r, f)}": Out(1) for r in REGISTERS for f in r.fields
                if f.access is Access.WRITE_ONE_TO_CLEAR}
        super().__init__({"axi": In(AxiLite()), "locked": In(1), **dict(_field_ports()), **held})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        commit, word = Signal(), Signal(ADDRESS_BITS - WORD_SHIFT, reset_less=True)
        data, strobes = Signal(LITE_DATA_BITS, reset_less=True), Signal(WORD_BYTES, reset_less=True)
        mask = Cat(s.replicate(8) for s in strobes)
        accepted, values = Signal(), []
        for register in REGISTERS:
            for index in range(register.count):
                value = Signal(register.width, name=f"{register.name.lower()}_{index}")
                values.append(value)
                write = Signal(register.width, name=f"write_{register.name.lower()}_{index}")  # bits that are written
                if register.writable:
                    for i in range(register.width // LITE_DATA_BITS):
                        with m.If((word == register.offset // WORD_BYTES + i) & ~(register.locked & self.locked)):
                            m.d.comb += [accepted.eq(1), write.word_select(i, LITE_DATA_BITS).eq(
                                Mux(commit, mask, 0))]
                for field in register.fields:
                    new = data.replicate(register.width // LITE_DATA_BITS)
                    self._connect(m, (register, field, index), value, write, new)
        self._take_writes(m, (commit, word, data, strobes), accepted)
        self._answer_reads(m, values)
        return m

    def _connect(self, m: Module, place: tuple[Register, Field, int], value: Signal, write: Signal, new: Value) -> None:
        """A field's port, its bits of the register's ``value``, and what the bits of ``write`` set to those of ``new``
        do to it."""
        register, field, index = place
        port, bits = port_name(register, field), slice(field.low, field.low + field.width)
        reset, shown = reset_value(register, field, self._spec, index), value[bits]
        match field.access:
            case Access.CONSTANT:
                m.d.comb += shown.eq(Const(reset, field.width))
            case Access.READ_ONLY:
                m.d.comb += shown.eq(getattr(self, port))
            case Access.READ_WRITE:
                kept = Signal(field.width, name=f"{port}_kept", init=reset)
                m.d.sync += kept.eq((kept & ~write[bits]) | (new[bits] & write[bits]))
                m.d.comb += [shown.eq(kept), getattr(self, port).eq(kept)]
            case Access.WRITE_ONE_TO_CLEAR:
                kept = Signal(name=f"{port}_kept", init=reset)
                m.d.sync += kept.eq((kept & ~(new[bits] & write[bits])) | getattr(self, port))
                m.d.comb += [shown.eq(kept), getattr(self, f"held_{port}").eq(kept)]
            case Access.PULSE:
                m.d.comb += getattr(self, port).eq(new[bits] & write[bits])

    def _take_writes(self, m: Module, write: tuple[Signal, Signal, Signal, Signal], accepted: Value) -> None:
        """Address and data each in a register; when both are there, the write happens and is answered."""
        axi = self.axi
        commit, word, data, strobes = write
        address_here, data_here, answer, refused = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            axi.awready.eq(~address_here), axi.wready.eq(~data_here), commit.eq(address_here & data_here & ~answer),
            axi.bvalid.eq(answer), axi.bresp.eq(Mux(refused, Response.SLVERR, Response.OKAY)),
        ]
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += [address_here.eq(1), word.eq(axi.awaddr >> WORD_SHIFT)]
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += [data_here.eq(1), data.eq(axi.wdata), strobes.eq(axi.wstrb)]
        with m.If(commit):
            m.d.sync += [address_here.eq(0), data_here.eq(0), answer.eq(1), refused.eq(~accepted)]
        with m.If(answer & axi.bready):
            m.d.sync += answer.eq(0)

    def _answer_reads(self, m: Module, values: list[Signal]) -> None:
        """The word at the address. A 64-bit state's high word is kept when its low one is read."""
        axi, places = self.axi, [(r, i) for r in REGISTERS for i in range(r.count)]
        found, known = Signal(LITE_DATA_BITS), Signal()
        high, high_kept = Signal(LITE_DATA_BITS), Signal(LITE_DATA_BITS, reset_less=True)
        answer, data, refused = Signal(), Signal(LITE_DATA_BITS, reset_less=True), Signal()
        m.d.comb += high.eq(high_kept)
        with m.Switch(axi.araddr >> WORD_SHIFT):
            for (register, index), value in zip(places, values, strict=True):
                first = (register.offset + index * register.width // 8) // WORD_BYTES
                with m.Case(first):
                    m.d.comb += [known.eq(1), found.eq(value)]
                    if register.width > LITE_DATA_BITS and not register.writable:
                        m.d.comb += high.eq(value[LITE_DATA_BITS:])
                if register.width > LITE_DATA_BITS:
                    with m.Case(first + 1):
                        kept = value[LITE_DATA_BITS:] if register.writable else high_kept
                        m.d.comb += [known.eq(1), found.eq(kept)]
        m.d.comb += [
            axi.arready.eq(~answer), axi.rvalid.eq(answer), axi.rdata.eq(data),
            axi.rresp.eq(Mux(refused, Response.SLVERR, Response.OKAY)),
        ]
        with m.If(axi.arvalid & axi.arready):
            m.d.sync += [answer.eq(1), data.eq(found), refused.eq(~known), high_kept.eq(high)]
        with m.If(answer & axi.rready):
            m.d.sync += answer.eq(0)
