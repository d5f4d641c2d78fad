"""The conformance suite: named small programs that say every instruction with every field at its edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from seedchip.conformance.headers import CLASSES, header_cases, header_span
from seedchip.conformance.matmul_fields import matmul_spans
from seedchip.conformance.microcode_cases import microcode_cases
from seedchip.conformance.scene import INDICES, MICROCODE, Scene
from seedchip.conformance.transfer_fields import load_spans, store_spans
from seedchip.conformance.vector_fields import vector_spans
from seedchip.isa import Halt, Instruction, Load, Matmul, Store, Vector
from seedchip.isa.instruction import FieldPlace, layout

if TYPE_CHECKING:
    from seedchip.conformance.case import Case
    from seedchip.conformance.span import Span
    from seedchip.spec import ChipSpec

HEADER = tuple(p.name for p in layout(Halt))
STORE_CODE = MICROCODE
"""Where programs that store lie in memory: not where the edges of memory are."""


def suite(spec: ChipSpec) -> Iterator[Case]:
    """Every case for a chip, in a fixed order; names are unique."""
    yield from header_cases(spec)
    for cls in CLASSES.values():
        for place in layout(cls):
            if place.name not in HEADER:
                yield from _field_cases(spec, cls, place)
    yield from microcode_cases(spec)


def legal_spans(spec: ChipSpec, cls: type[Instruction], field: str) -> list[Span]:
    """The spans of a field that the suite tries; a field's legal values are all of theirs."""
    if field in HEADER:
        return [header_span(spec, cls, field)]
    return _SPANS[cls](spec)[field]


_SPANS = {Load: load_spans, Store: store_spans, Matmul: matmul_spans, Vector: vector_spans}


def _field_cases(spec: ChipSpec, cls: type[Instruction], place: FieldPlace) -> Iterator[Case]:
    for number, span in enumerate(legal_spans(spec, cls, place.name)):
        settings = [{**span.setting(value), place.name: value} for value in span.edges]
        scene = Scene(spec, indices=any(s.get(INDICES) for s in settings))
        for fields in settings:
            scene.test(cls, fields)
            if fields.get("space"):
                scene.probe_parameters(fields["local_address"] if place.name == "local_address" else 0)
        yield scene.case(f"{cls.mnemonic()}.{place.name}" + (f" ({number + 1})" if number else ""),
                         STORE_CODE if cls is Store else 0)


def covered(spec: ChipSpec, cases: Iterable[Case]) -> dict[str, tuple[int, int]]:
    """For each instruction's fields ``load.run_bytes`` ...: edges that some instruction of the cases has, edges."""
    seen: dict[tuple[type[Instruction], str], set[int]] = {}
    for case in cases:
        for instruction in case.program:
            for place in layout(type(instruction)):
                seen.setdefault((type(instruction), place.name), set()).add(getattr(instruction, place.name))
    counts = {}
    classes: list[type[Instruction]] = [*CLASSES.values(), Halt]
    for cls in classes:
        for place in layout(cls):
            wanted = {value for span in legal_spans(spec, cls, place.name) for value in span.edges}
            counts[f"{cls.mnemonic()}.{place.name}"] = (len(wanted & seen[cls, place.name]), len(wanted))
    return counts
