"""The binary32 units and the vector lane beside NumPy, one item a cycle, as many items as one likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from amaranth.lib import wiring

from seedchip.numerics.microop import MICRO_OPS, canonical
from seedchip.rtl.binary32 import add, convert, multiply
from seedchip.rtl.binary32 import round as rounding
from seedchip.rtl.binary32.operands import Operands, mixed_operands, special_operands
from seedchip.rtl.simulation.unit import CompiledUnit
from seedchip.rtl.vector import lane

CHUNK = 1 << 19
"""Items of one call; what NumPy works on should stay in the cache's neighbourhood."""

Inputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class UnitCheck:
    """A unit, where its result comes out, how operands go in, and NumPy's answer (uint32) to them."""

    unit: Callable[[], wiring.Component]
    cycles: int
    output: str
    inputs: Callable[[np.random.Generator, Operands], Inputs]
    expected: Callable[[Inputs], np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What a check found; ``first`` says the first difference, if there is any."""

    items: int
    differences: int
    first: str
    seconds: float


def run_check(check: UnitCheck, items: int, seed: int = 0) -> Outcome:
    """At least ``items`` operands from `mixed_operands`, after every pair of specials. Raises `BuildError`."""
    unit, rng = CompiledUnit(check.unit()), np.random.default_rng(seed)
    begun, done, differences, first = time.perf_counter(), 0, 0, ""
    while done < items:
        operands = mixed_operands(rng, min(CHUNK, items - done)) if done else special_operands()
        inputs = check.inputs(rng, operands)
        found = unit.run(inputs, check.cycles)[check.output]
        with np.errstate(all="ignore"):
            wanted = check.expected(inputs)
        wrong = np.flatnonzero(found != wanted)
        if len(wrong) and not first:
            i = wrong[0]
            given = ", ".join(f"{name} {int(values[i]):#x}" for name, values in inputs.items())
            first = f"{given} gave {int(found[i]):#x}, not {int(wanted[i]):#x}"
        differences += len(wrong)
        done += len(found)
    return Outcome(done, differences, first, time.perf_counter() - begun)


def _floats(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.uint32).view(np.float32)


def _bits(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float32).view(np.uint32)


def _pair(rng: np.random.Generator, operands: Operands) -> Inputs:
    return {"a": operands[0], "b": operands[1]}


def _to_integer(inputs: Inputs) -> np.ndarray:
    x = _floats(inputs["number"]).astype(np.float64)
    whole = np.where(inputs["down"], np.floor(x), np.rint(x))
    limit = np.where(inputs["narrow"], 2.0**7, 2.0**31)
    return np.where(np.isnan(x), 0, np.clip(whole, -limit, limit - 1)).astype(np.int64).astype(np.uint32)


def _flags(rng: np.random.Generator, count: int, *names: str) -> dict[str, np.ndarray]:
    return {name: rng.integers(0, 2, count).astype(np.uint32) for name in names}


def _round(inputs: Inputs) -> np.ndarray:
    x = _floats(inputs["value"])
    return _bits(canonical(np.where(inputs["down"], np.floor(x), np.rint(x))))


def _each_operation(rng: np.random.Generator, operands: Operands) -> Inputs:
    """Every operand with an operation of its own, so that neighbours in the pipe differ; specials go with each."""
    a, b, c = operands
    codes = np.array([op.opcode for op in MICRO_OPS.values()], np.uint32)
    times = len(codes) if len(a) == len(special_operands()[0]) else 1
    opcode = np.repeat(codes, len(a)) if times > 1 else rng.choice(codes, len(a))
    return {"opcode": opcode, "a": np.tile(a, times), "b": np.tile(b, times), "c": np.tile(c, times)}


def _lane(inputs: Inputs) -> np.ndarray:
    result = np.empty(len(inputs["a"]), np.uint32)
    for op in MICRO_OPS.values():
        at = np.flatnonzero(inputs["opcode"] == op.opcode)
        result[at] = _bits(op.compute(*(_floats(inputs[name][at]) for name in "abc"[:op.arity])))
    return result


UNIT_CHECKS = {
    "adder": UnitCheck(add.FloatAdd, add.CYCLES, "total", _pair,
                       lambda i: _bits(canonical(_floats(i["a"]) + _floats(i["b"])))),
    "multiplier": UnitCheck(multiply.FloatMultiply, multiply.CYCLES, "product", _pair,
                            lambda i: _bits(canonical(_floats(i["a"]) * _floats(i["b"])))),
    "number to integer": UnitCheck(
        convert.FloatToInteger, convert.CYCLES, "integer",
        lambda rng, o: {"number": o[0], **_flags(rng, len(o[0]), "narrow", "down")}, _to_integer),
    "integer to number": UnitCheck(convert.IntegerToFloat, convert.CYCLES, "number",
                                   lambda rng, o: {"integer": o[0]},
                                   lambda i: _bits(i["integer"].view(np.int32).astype(np.float32))),
    "whole numbers": UnitCheck(rounding.FloatRound, rounding.CYCLES, "result",
                               lambda rng, o: {"value": o[0], **_flags(rng, len(o[0]), "down")}, _round),
    "lane": UnitCheck(lane.VectorLane, lane.CYCLES, "result", _each_operation, _lane),
}
"""Comparisons, minimum, maximum, bit operations and multiply-adds are operations of the lane."""
