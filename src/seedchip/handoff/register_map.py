"""The host registers as SystemRDL 2.0 and as IP-XACT (IEEE 1685-2014), from their one declaration."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from seedchip.rtl.host.registers import REGISTERS, WORD_BYTES, Access, Field, Register

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

TOP = "seedchip"
_ACCESS = {
    Access.CONSTANT: "sw = r; hw = na;",
    Access.READ_ONLY: "sw = r; hw = w;",
    Access.READ_WRITE: "sw = rw; hw = r;",
    Access.WRITE_ONE_TO_CLEAR: "sw = rw; onwrite = woclr; hw = rw;",
    Access.PULSE: "sw = w; hw = r; singlepulse;",
}


def write_systemrdl(spec: ChipSpec) -> str:
    """The map of one chip: what is its own constant has its value as reset."""
    lines = [f"addrmap {TOP} {{", f'    name = "SeedChip {_text(spec.name)}";',
             '    desc = "Host registers over AXI4-Lite. A register of 64 bits is read low word first.";',
             f"    default regwidth = {8 * WORD_BYTES}; default accesswidth = {8 * WORD_BYTES};",
             "    littleendian; lsb0;"]
    for register in REGISTERS:
        for index in range(register.count):
            lines += _register_lines(spec, register, index)
    return "\n".join([*lines, "};", ""])


def _register_lines(spec: ChipSpec, register: Register, index: int) -> Iterator[str]:
    name = register.name + (f"_{index}" if register.count > 1 else "")
    yield "    reg {"
    yield f'        name = "{name}"; desc = "{_text(register.doc)}";'
    if register.width != 8 * WORD_BYTES:
        yield f"        regwidth = {register.width};"
    for field in register.fields:
        yield (f'        field {{ name = "{field.name}"; desc = "{_text(field.doc)}"; {_ACCESS[field.access]} }} '
               f"{field.name}[{field.low + field.width - 1}:{field.low}] = {_reset(spec, register, field, index):#x};")
    yield f"    }} {name} @ {register.offset + index * register.width // 8:#05x};"


def _reset(spec: ChipSpec, register: Register, field: Field, index: int) -> int:
    if field.reset is not None:
        return field.reset
    if register.name == "CHIP_HASH":
        return int.from_bytes(bytes.fromhex(spec.hash)[4 * index:4 * index + 4], "little")
    if register.name == "MEMORY_LIMIT":
        return spec.memory.bytes
    raise ValueError(f"{register.name}.{field.name} is the chip's own constant, and no value is known for it")


def _text(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).replace("\\", "\\\\").replace('"', '\\"')


def write_ipxact(systemrdl: str) -> str:
    """The same map as IP-XACT, by way of the SystemRDL text. Raises the compiler's errors."""
    from peakrdl_ipxact import IPXACTExporter
    from peakrdl_ipxact.exporter import Standard
    from systemrdl import RDLCompiler

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "registers.rdl", Path(folder) / "registers.xml"
        source.write_text(systemrdl, "utf-8")
        compiler = RDLCompiler()
        compiler.compile_file(str(source))
        exporter = IPXACTExporter(standard=Standard.IEEE_1685_2014, vendor="seedchip.org", library="seedchip",
                                  version="1.0")
        exporter.export(compiler.elaborate().top, str(target), component_name=TOP)
        return target.read_text("utf-8")
