"""Jane Austen's six novels from R's serialisation, with the standard library.

The ``.rdb`` file is a run of records: the unpacked length (4 bytes, big-endian), then a zlib stream (R sources,
``serialize.c``, `R_compress1`). Unpacked, a record is in R's XDR format (R Internals, section 1.8): here one vector of
character strings.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from seedchip.zoo.errors import ZooError
from seedchip.zoo.fetch import fetch

_STRING_VECTOR, _STRING = 16, 9
MAX_UNPACKED_BYTES = 1 << 24


def novel(title: str) -> list[str]:
    """Lines of the novel whose first line is ``title`` in any case ("Northanger Abbey"). Raises `ZooError`."""
    path = fetch("jane-austen")
    titles = []
    for record in _records(path.read_bytes()):
        lines = _string_vector(record)
        heading = next((line for line in lines if line.strip()), "")
        if heading.strip().lower() == title.lower():
            return lines
        titles.append(heading.strip().title())
    raise ZooError(f"{path}: a novel must be one of {', '.join(filter(None, titles))}, not {title!r}")


def paragraphs(title: str, min_words: int) -> list[str]:
    """Paragraphs of a novel with at least ``min_words`` words, each on one line."""
    blocks = "\n".join(novel(title)).split("\n\n")
    joined = (" ".join(block.split()) for block in blocks)
    return [text for text in joined if len(text.split()) >= min_words]


def _records(data: bytes) -> Iterator[bytes]:
    while len(data) > 4:
        length = struct.unpack_from(">I", data)[0]
        stream = zlib.decompressobj()
        try:
            record = stream.decompress(data[4:], MAX_UNPACKED_BYTES)
        except zlib.error as error:
            raise ZooError(f"jane-austen: a record must be a zlib stream, but {error}; delete the file") from None
        if len(record) != length or not stream.eof:
            raise ZooError(f"jane-austen: a record must have {length} bytes, not {len(record)}; delete the file")
        yield record
        data = stream.unused_data


def _string_vector(record: bytes) -> list[str]:
    """Strings of a record; an empty list when it holds another type."""
    position = 14
    if record[:2] != b"X\n":
        raise ZooError("jane-austen: a record must be in R's XDR format; delete the file and run again")
    if struct.unpack_from(">I", record, 2)[0] == 3:
        position += 4 + struct.unpack_from(">I", record, position)[0]
    kind, count = struct.unpack_from(">II", record, position)
    if kind & 0xFF != _STRING_VECTOR:
        return []
    position, lines = position + 8, []
    for _ in range(count):
        flags, length = struct.unpack_from(">Ii", record, position)
        if flags & 0xFF != _STRING:
            raise ZooError("jane-austen: the lines must be character strings; delete the file and run again")
        length = max(length, 0)
        lines.append(record[position + 8:position + 8 + length].decode("utf-8", "replace"))
        position += 8 + length
    return lines
