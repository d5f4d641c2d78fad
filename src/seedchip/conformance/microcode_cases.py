"""Every micro-operation over special values, and every source that a micro-operation can name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from seedchip.conformance.data import CODE_BYTES, SPECIALS
from seedchip.conformance.random_microcode import word
from seedchip.conformance.scene import CODE, Scene
from seedchip.isa import ElementType, Load, Vector
from seedchip.isa.vector import NUM_REGISTERS, SOURCE_A, SOURCE_CONSTANT, SOURCE_PARAMETER
from seedchip.numerics.microop import MICRO_OPS, MicroOp

if TYPE_CHECKING:
    from seedchip.conformance.case import Case
    from seedchip.spec import ChipSpec

NUM_PAIRS = len(SPECIALS) ** 2
ROW_BYTES = 4 * NUM_PAIRS
FLOAT32 = int(ElementType.FLOAT32)
_MOV, _XOR = MICRO_OPS["mov"].opcode, MICRO_OPS["xor"].opcode


def microcode_cases(spec: ChipSpec) -> Iterator[Case]:
    for op in MICRO_OPS.values():
        yield _operation(spec, op)
    yield _sources(spec, "registers", [
        word(_MOV, 1, (SOURCE_A,)), *(word(_XOR, r, (r - 1, SOURCE_A + r % 2)) for r in range(2, NUM_REGISTERS)),
        word(_XOR, 0, (NUM_REGISTERS - 1, 1)), *(word(_XOR, 0, (0, r)) for r in range(1, NUM_REGISTERS))])
    yield _sources(spec, "parameters", [
        word(_MOV, 0, (SOURCE_A,)), *(word(_XOR, 0, (0, SOURCE_PARAMETER + p)) for p in range(8))])
    yield _sources(spec, "constants", [
        word(_MOV, 0, (SOURCE_CONSTANT,)), *(word(_XOR, 0, (0, SOURCE_CONSTANT + c)) for c in range(1, 64))], 64)


def _operation(spec: ChipSpec, op: MicroOp) -> Case:
    """One operation: A and B run through every pair of special values, C is those in another order."""
    code = np.array([word(op.opcode, 0, (SOURCE_A, SOURCE_A + 1, SOURCE_A + 2)[:op.arity])], np.uint32)
    scene = Scene(spec)
    _lay_out_pairs(scene)
    places = {f"{name}_address": i * ROW_BYTES for i, name in enumerate("abc")}
    kinds = {f"{name}_{key}": value for name in "abc"[:op.arity] for key, value in (("kind", 1), ("type", FLOAT32))}
    scene.test(Vector, {CODE: code.view(np.uint8), "num_operations": 1, "columns": NUM_PAIRS, "out_type": FLOAT32,
                        "out_address": spec.scratchpad.bytes // 2, **kinds, **places})
    return scene.case(f"micro-operation {op.name}")


def _lay_out_pairs(scene: Scene) -> None:
    """Three rows of `NUM_PAIRS` patterns at the scratchpad's beginning."""
    first, second = np.repeat(SPECIALS, len(SPECIALS)), np.tile(SPECIALS, len(SPECIALS))
    rows = np.concatenate([first, second, np.roll(second, 7)])
    scene.data[CODE_BYTES:CODE_BYTES + rows.nbytes] = rows.view(np.uint8)
    scene.test(Load, {"memory_address": CODE_BYTES, "run_bytes": rows.nbytes})


def _sources(spec: ChipSpec, name: str, words: list[int], num_constants: int = 0) -> Case:
    scene = Scene(spec)
    lines, lanes = spec.parameter.bytes // spec.line_bytes, spec.vector.lanes
    constants = [(0x9E3779B1 * (c + 1)) & 0x7FFFFFFF for c in range(num_constants)]
    scene.test(Vector, {
        CODE: np.array([*words, *constants], np.uint32).view(np.uint8), "num_operations": len(words),
        "num_constants": num_constants, "num_parameters": 8, "parameter_address": lines // 2, "columns": lanes + 1,
        "a_type": FLOAT32, "b_type": FLOAT32, "b_kind": 1, "b_address": 64 * lanes, "out_type": FLOAT32,
        "out_address": spec.scratchpad.bytes // 2, "size_x": 9, "a_stride_x": 4 * lanes, "b_stride_x": 4 * lanes,
        "out_stride_x": 8 * lanes})
    return scene.case(f"micro-operation sources: {name}")
