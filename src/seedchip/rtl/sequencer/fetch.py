"""Instruction fetch: blocks of the program from memory into two buffers, words out of them in order."""

from __future__ import annotations

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from seedchip.isa import WORD_BYTES
from seedchip.rtl.signatures import MEMORY_ADDRESS_BITS, MORE_BITS, PAGE_BYTES
from seedchip.spec import ChipSpec

PROGRAM_WORD_BITS = 32


class Fetch(wiring.Component):
    """``word_valid`` with ``word`` shows the next word of a complete block; ``take`` goes on to the next.

    A block is wanted when the block two before it has been taken whole and the one before it is complete. It is not
    asked for when it leaves the first ``memory_limit`` bytes of memory (``beyond``), or with ``stop``.
    ``exhausted`` says that all words of the program have been taken.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._spec = spec
        granule = spec.memory.granule_bytes
        super().__init__({
            "program_address": In(MEMORY_ADDRESS_BITS),
            "program_words": In(PROGRAM_WORD_BITS),
            "port_free": In(1),
            "start": Out(1),
            "port_held": Out(1),
            "request_valid": Out(1),
            "request_granule": Out(MEMORY_ADDRESS_BITS - ceil_log2(granule)),
            "request_more": Out(MORE_BITS),
            "request_ready": In(1),
            "reply_valid": In(1),
            "reply_data": In(8 * granule),
            "word_valid": Out(1),
            "word": Out(8 * WORD_BYTES),
            "take": In(1),
            "memory_limit": In(MEMORY_ADDRESS_BITS + 1),
            "stop": In(1),
            "busy": Out(1),
            "exhausted": Out(1),
            "beyond": Out(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        granule, fetch_bytes = self._spec.memory.granule_bytes, self._spec.sequencer.fetch_bytes
        word_beats, block_words = WORD_BYTES // granule, fetch_bytes // WORD_BYTES
        beat_bits = ceil_log2(2 * block_words * word_beats)
        position = Signal(PROGRAM_WORD_BITS)  # next word to be taken
        requested, complete = Signal(PROGRAM_WORD_BITS), Signal(PROGRAM_WORD_BITS)  # words asked for, words at hand

        # Requests: as long as a block is under way no other is asked for.
        under_way, asking = Signal(), Signal()
        end, beats_left = Signal(PROGRAM_WORD_BITS), Signal(range(block_words * word_beats + 1))
        rest = self.program_words - requested
        size = Signal(range(block_words + 1))
        room, wanted = requested <= position + block_words, Signal()
        first = Signal(MEMORY_ADDRESS_BITS + 1)
        m.d.comb += [
            size.eq(Mux(rest < block_words, rest, block_words)),
            first.eq((self.program_address >> ceil_log2(granule)) + requested * word_beats),
            wanted.eq(~under_way & self.port_free & (requested != self.program_words) & room & ~self.stop),
            self.beyond.eq(wanted & ((first + size * word_beats) * granule > self.memory_limit)),
            self.start.eq(wanted & ~self.beyond), self.busy.eq(under_way | self.start),
            self.port_held.eq(asking & ~((beats_left == 1) & self.request_ready)), self.request_valid.eq(asking),
        ]
        granule_index = Signal(len(self.request_granule), reset_less=True)
        more_of_page = ~granule_index[:ceil_log2(PAGE_BYTES // granule)]
        more = Mux(beats_left - 1 < more_of_page, beats_left - 1, more_of_page)
        most = (1 << MORE_BITS) - 1
        m.d.comb += [self.request_granule.eq(granule_index), self.request_more.eq(Mux(more < most, more, most))]
        with m.If(asking & self.request_ready):
            m.d.sync += [granule_index.eq(granule_index + 1), beats_left.eq(beats_left - 1)]
            with m.If(beats_left == 1):
                m.d.sync += asking.eq(0)
        with m.If(self.start):
            m.d.sync += [
                under_way.eq(1), asking.eq(1), beats_left.eq(size * word_beats), end.eq(requested + size),
                requested.eq(requested + size),
                granule_index.eq(first),
            ]

        # Replies fill the buffers in order; a block counts as complete one cycle after its last granule is written.
        m.submodules.buffer = buffer = Memory(shape=8 * WORD_BYTES, depth=2 * block_words, init=[])
        write, read = buffer.write_port(granularity=8 * granule), buffer.read_port()
        beat = Signal(PROGRAM_WORD_BITS + ceil_log2(word_beats))
        word_beat_bits = ceil_log2(word_beats)
        m.d.comb += [
            write.data.eq(self.reply_data.replicate(word_beats)), write.addr.eq(beat[word_beat_bits:beat_bits]),
            write.en.eq(self.reply_valid << beat[:word_beat_bits]),
        ]
        written = Signal()
        m.d.sync += [beat.eq(beat + self.reply_valid),
                     written.eq(self.reply_valid & (beat + 1 == end * word_beats))]
        with m.If(written):
            m.d.sync += [complete.eq(end), under_way.eq(0)]

        following = Signal(PROGRAM_WORD_BITS)
        m.d.comb += [
            following.eq(position + self.take), read.addr.eq(following), self.word.eq(read.data),
            self.word_valid.eq(position != complete), self.exhausted.eq(position == self.program_words),
        ]
        m.d.sync += position.eq(following)
        return m
