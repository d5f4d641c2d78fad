"""The serial protocol: what the host sends to a board and what the board answers. Numbers are little-endian.

| host sends | board answers | meaning |
|---|---|---|
| ``I`` | ``I`` and an identification | version of the protocol (1 byte), version of the instruction set (1 byte), \
the first 8 bytes of the chip's hash, bytes of memory (4 bytes) |
| ``W``, address (4 bytes), count (2 bytes), bytes | ``W`` | the bytes are in memory |
| ``R``, address (4 bytes), count (2 bytes) | ``R`` and the bytes | what memory holds |
| ``S``, address (4 bytes), words (4 bytes) | ``S``, causes of a fault (4 bytes), cycles (8 bytes) | the program that \
lies there has run to its end or to its fault |
| ``X`` while a program runs | ``X`` | the run is given up |
| any other byte | ``?`` | nothing is done |
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from seedchip.isa import ISA_VERSION

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

PROTOCOL_VERSION = 1
BAUD = 115_200
ADDRESS_BYTES, COUNT_BYTES, WORDS_BYTES, FAULT_BYTES, CYCLES_BYTES, HASH_BYTES = 4, 2, 4, 4, 8, 8
MAX_COUNT = (1 << 8 * COUNT_BYTES) - 1
"""Bytes that one command reads or writes."""


class Command(IntEnum):
    """First byte of what the host sends and of what the board answers."""

    IDENTIFY = ord("I")
    WRITE = ord("W")
    READ = ord("R")
    START = ord("S")
    GIVE_UP = ord("X")
    UNKNOWN = ord("?")
    """only an answer"""


class Identification(NamedTuple):
    """What a board says of itself."""

    protocol_version: int
    isa_version: int
    chip_hash: bytes
    """its first `HASH_BYTES` bytes"""
    memory_bytes: int

    def pack(self) -> bytes:
        return bytes([self.protocol_version, self.isa_version]) + self.chip_hash + self.memory_bytes.to_bytes(
            ADDRESS_BYTES, "little")

    @classmethod
    def unpack(cls, data: bytes) -> Identification:
        return cls(data[0], data[1], data[2:2 + HASH_BYTES], int.from_bytes(data[2 + HASH_BYTES:], "little"))


IDENTIFICATION_BYTES = 2 + HASH_BYTES + ADDRESS_BYTES


def identification(spec: ChipSpec) -> Identification:
    """Of a board with this chip."""
    return Identification(PROTOCOL_VERSION, ISA_VERSION, bytes.fromhex(spec.hash)[:HASH_BYTES], spec.memory.bytes)
