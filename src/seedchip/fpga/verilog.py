"""The board as Verilog, kept under a key of all that it is made from."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seedchip.fpga.block_ram import MODEL
from seedchip.fpga.board import BoardTop
from seedchip.rtl import hierarchy
from seedchip.rtl.simulation.compilation import cache_folder, keep, key_of
from seedchip.rtl.simulation.verilator import source_hash

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

BLOCK_SRAM = Path(__file__).with_name("sram_block.v")
"""The SRAM as synthesis for an FPGA finds block RAM in it; in simulation the same as the model of the chip's."""
TOP = "board"


@cache
def _board_hash() -> str:
    digest = hashlib.sha256(source_hash().encode())
    for path in sorted(p for pattern in ("*.py", "*.v") for p in Path(__file__).parent.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def board_verilog(spec: ChipSpec, clocks_per_bit: int) -> str:
    """Module ``board`` with all that it contains. Raises `SpecError` when no hardware can be made for ``spec``."""
    key = key_of(_board_hash(), spec.hash, clocks_per_bit)
    kept = cache_folder() / f"{spec.name}-board-{key}.v"
    if not kept.exists():
        text = hierarchy.convert(BoardTop(spec, clocks_per_bit), TOP, sram=BLOCK_SRAM)
        keep(kept, f"{text}\n{MODEL.read_text('utf-8')}".encode())
    return kept.read_text("utf-8")


def image_hex(image: bytes, spec: ChipSpec) -> str:
    """The file ``image.hex`` for a memory that begins with ``image`` (at most ``memory.bytes`` bytes): a granule a row,
    most significant byte first."""
    granule = spec.memory.granule_bytes
    padded = image.ljust(spec.memory.bytes, b"\0")
    return "".join(f"{padded[i:i + granule][::-1].hex()}\n" for i in range(0, len(padded), granule))
