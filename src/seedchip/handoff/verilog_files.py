"""The chip's Verilog, one module to a file, under plain names.

The generator names modules after their place and writes one for every instance; equal ones become one here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

_MODULE = re.compile(r"^(?:\(\*.*?\*\)\s*\n)*module\s+(\\\S+|\w+).*?^endmodule *$", re.MULTILINE | re.DOTALL)
_ESCAPED = re.compile(r"\\(\S+)[ \t]?")
_EMPTY_WIRE = re.compile(r"^ *wire \[-1:0\] \S+ ?;\n", re.MULTILINE)
_INSTANCE = re.compile(r"^  (\w+) +(?:#\((?P<parameters>[^;]*?)\) )?(\\\S+|\w+) +\(\n", re.MULTILINE)
_PARAMETER = re.compile(r"\.(\w+)\(32'd(\d+)\)")
_ARRAY = re.compile(r"^  reg \[(\d+):0\] (\\\S+|\w+) +?\[(\d+):0\];|^  reg (\\\S+|\w+) +?\[(\d+):0\];", re.MULTILINE)
SRAM = "sram"


@dataclass(frozen=True)
class Child:
    """An instance inside a module; ``parameters`` as numbers."""

    module: str
    name: str
    parameters: dict[str, int]


@dataclass(frozen=True)
class Array:
    """A memory that is described inside a module, as an array of registers."""

    name: str
    words: int
    width: int
    read_ports: int


@dataclass(frozen=True)
class VerilogModule:
    """The text of one module."""

    name: str
    text: str

    @cached_property
    def children(self) -> list[Child]:
        return [Child(m.group(1), m.group(3).lstrip("\\"),
                      {k: int(v) for k, v in _PARAMETER.findall(m.group("parameters") or "")})
                for m in _INSTANCE.finditer(self.text) if m.group(1) not in ("module", "reg", "wire", "assign")]

    @cached_property
    def arrays(self) -> list[Array]:
        found = []
        for m in _ARRAY.finditer(self.text):
            name = m.group(2) or m.group(4)
            reads = re.findall(rf"= *{re.escape(name)} *\[[^\]\n]*\]", self.text)
            found.append(Array(name.lstrip("\\"), int(m.group(3) or m.group(5)) + 1, int(m.group(1) or 0) + 1,
                               len(reads)))
        return found


def split_modules(verilog: str, top: str) -> dict[str, VerilogModule]:
    """The modules of a text by name, the top first, then in the order in which they are used.

    Names become words of letters, digits and underscores; modules that are equal but for their names become one.
    """
    found = {m.group(1).lstrip("\\"): _EMPTY_WIRE.sub("", m.group(0)) for m in _MODULE.finditer(verilog)}
    names = _plain_names(list(found))
    texts = {names[name]: _rename(text, names) for name, text in found.items()}
    modules = _merge_equal(texts, names[top])
    return {name: modules[name] for name in _in_order(modules, names[top])}


def _plain_names(names: list[str]) -> dict[str, str]:
    plain: dict[str, str] = {}
    for name in names:
        word = re.sub(r"\W+", "_", re.sub(r"\$\d+$", "", name))
        while word in plain.values():
            word += "_x"
        plain[name] = word
    return plain


def _rename(text: str, names: dict[str, str]) -> str:
    """``text`` with the escaped names of modules made plain."""
    return _ESCAPED.sub(lambda m: names[m.group(1)] + " " if m.group(1) in names else m.group(0), text)


def _merge_equal(texts: dict[str, str], top: str) -> dict[str, VerilogModule]:
    """One of all modules that differ in their names only, again and again until none is left."""
    while True:
        kept: dict[str, str] = {}
        replaced: dict[str, str] = {}
        for name, text in texts.items():
            body = re.sub(rf"\bmodule\s+{name}\b", "module", text, count=1)
            first = kept.setdefault(body, name)
            if first != name and name != top:
                replaced[name] = first
        if not replaced:
            return {name: VerilogModule(name, text) for name, text in texts.items()}
        pattern = re.compile(r"^(  )(" + "|".join(map(re.escape, replaced)) + r")\b(?= )", re.MULTILINE)
        texts = {name: pattern.sub(lambda m: m.group(1) + replaced[m.group(2)], text)  # noqa: B023
                 for name, text in texts.items() if name not in replaced}


def _in_order(modules: dict[str, VerilogModule], top: str) -> list[str]:
    order: dict[str, None] = {}
    waiting = [top]
    while waiting:
        name = waiting.pop()
        if name in modules and name not in order:
            order[name] = None
            waiting += reversed([child.module for child in modules[name].children])
    return list(order)


def instances(modules: dict[str, VerilogModule], top: str) -> Iterator[tuple[str, VerilogModule, dict[str, int]]]:
    """Every instance: its path with dots, its module, its parameters. The top's path is its name."""
    waiting: list[tuple[str, str, dict[str, int]]] = [(top, top, {})]
    while waiting:
        path, name, parameters = waiting.pop()
        yield path, modules[name], parameters
        waiting += [(f"{path}.{child.name}", child.module, child.parameters)
                    for child in reversed(modules[name].children) if child.module in modules]
