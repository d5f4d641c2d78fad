"""ONNX's own backend tests through the front end and any way of running a graph: passed, refused with a reason, or
failed."""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from seedchip.frontend import ModelError, UnsupportedOperator, load_model
from seedchip.frontend.builder import FLOATS, NARROW_FLOATS, NARROW_INTEGERS
from seedchip.graph.ir import Graph

Runner = Callable[[Graph, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
KINDS = ("node", "pytorch-converted", "pytorch-operator", "simple")

SPACING = {"bfloat16": 2.0**-6, "float16": 2.0**-9}
"""A relative tolerance below two spacings of the output's own type is raised to them: the expected values are rounded
to that type at every step, the chip's once."""


@dataclass(frozen=True)
class Outcome:
    """What became of one test: ``status`` is passed, refused or failed."""

    name: str
    kind: str
    status: str
    reason: str = ""
    bound: tuple[str, ...] = ()
    """Inputs given their values at import, as exported networks have them: axes, sizes, pads, numbers of steps."""


@dataclass(frozen=True)
class Case:
    """One test of the suite: a model, input and output values, and its tolerances."""

    name: str
    kind: str
    model: onnx.ModelProto
    data: tuple[tuple[list[Any], list[Any]], ...]
    rtol: float
    atol: float


def load_cases(kinds: Sequence[str] = KINDS, only: str = "") -> Iterable[Case]:
    """The tests of the installed onnx package whose names hold ``only``."""
    from onnx.backend.test.loader import load_model_tests

    for kind in kinds:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            tests = load_model_tests(kind=kind)
        for test in tests:
            if only in test.name:
                folder = test.model_dir or ""
                model = test.model if test.model is not None else onnx.load(os.path.join(folder, "model.onnx"))
                data = test.data_sets if test.data_sets is not None else _stored_data(folder, model)
                yield Case(test.name, kind, model, tuple((list(i), list(o)) for i, o in data), test.rtol, test.atol)


def _stored_data(folder: str, model: onnx.ModelProto) -> list[tuple[list[Any], list[Any]]]:
    """Data sets of a test that is stored as files."""
    sets = []
    for name in sorted(os.listdir(folder)):
        if name.startswith("test_data_set_"):
            place = os.path.join(folder, name)
            count = len([f for f in os.listdir(place) if f.startswith("input_")])
            inputs = [_stored(os.path.join(place, f"input_{i}.pb"), model.graph.input[i].type) for i in range(count)]
            outputs = [_stored(os.path.join(place, f"output_{i}.pb"), o.type) for i, o in enumerate(model.graph.output)]
            sets.append((inputs, outputs))
    return sets


def _stored(path: str, kind: onnx.TypeProto) -> Any:
    if kind.WhichOneof("value") != "tensor_type":
        return None
    with open(path, "rb") as file:
        return numpy_helper.to_array(onnx.TensorProto.FromString(file.read()))


def run_case(case: Case, run: Runner, refusals: tuple[type[Exception], ...] = ()) -> Outcome:
    """Imports, runs and compares one test with its own tolerances.

    The suite feeds axes, sizes and the like as inputs. Where a rule refuses a test because it must know such an input
    at import, the input is bound to the test's value and the test is tried again. ``refusals`` are the runner's own
    clean refusals.
    """
    bound: tuple[str, ...] = ()
    while True:
        try:
            problems = [_attempt(case, run, bound, inputs, wanted) for inputs, wanted in case.data]
            problem = next((p for p in problems if p), "")
            return Outcome(case.name, case.kind, "failed" if problem else "passed", problem, bound)
        except UnsupportedOperator as error:
            if error.needs in bound or not _is_parameter(case, error.needs):
                return Outcome(case.name, case.kind, "refused", str(error), bound)
            bound = (*bound, error.needs)
        except refusals as error:
            return Outcome(case.name, case.kind, "refused", str(error), bound)
        except ModelError as error:
            return Outcome(case.name, case.kind, "failed" if error.__cause__ else "refused", str(error), bound)
        except Exception as error:  # anything else is what these tests look for
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            return Outcome(case.name, case.kind, "failed", reason, bound)


def _is_parameter(case: Case, name: str) -> bool:
    """Whether ``name`` is an input of at most one axis: a size, a list of axes, a flag, never an image or a table."""
    shapes = {i.name: len(i.type.tensor_type.shape.dim) for i in case.model.graph.input}
    return shapes.get(name, 2) < 2


def _attempt(case: Case, run: Runner, bound: tuple[str, ...], inputs: list[Any], wanted: list[Any]) -> str:
    initializers = {t.name for t in case.model.graph.initializer}
    feeds = {i.name: _array(v) for i, v in zip(case.model.graph.input, inputs, strict=False) if not isinstance(v, list)}
    constants = {n: v for n, v in feeds.items() if n in bound}
    shapes = {n: v.shape for n, v in feeds.items() if n not in initializers and n not in constants}
    graph = load_model(case.model, input_shapes=shapes, constants=constants)
    found = run(graph, {n: _fed(v, n) for n, v in feeds.items() if n in graph.inputs})
    return _difference(case, found, wanted)


def _array(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _fed(value: np.ndarray, name: str) -> np.ndarray:
    """A value as the chip takes it: narrow and wide floats as binary32."""
    if value.dtype.name in NARROW_INTEGERS:
        return value.astype(np.int8)
    if value.dtype.kind == "f" or value.dtype.name in (*FLOATS, *NARROW_FLOATS):
        with np.errstate(over="ignore"):
            narrow = value.astype(np.float32)
        if np.isfinite(value.astype(np.float64)).all() and not np.isfinite(narrow).all():
            raise UnsupportedOperator(f"input {name!r} must lie in binary32's range, which this test's numbers exceed")
        return narrow
    return value


def _difference(case: Case, found: Mapping[str, np.ndarray], wanted: Sequence[Any]) -> str:
    """The first output that is not what the test wants, in words; empty if all are."""
    for output, want in zip(case.model.graph.output, wanted, strict=True):
        got, want = np.asarray(found[output.name]), _array(want)
        if got.shape != want.shape:
            return f"output {output.name!r} has shape {got.shape}, not {want.shape}"
        if got.dtype != want.dtype:
            return f"output {output.name!r} has type {got.dtype}, not {want.dtype}"
        exact = want.dtype.kind in "iub"
        rtol = max(case.rtol, SPACING.get(want.dtype.name, 0.0))
        got, want = got.astype(np.float64), want.astype(np.float64)
        if not np.allclose(got, want, rtol=0 if exact else rtol, atol=0 if exact else case.atol, equal_nan=True):
            with np.errstate(all="ignore"):
                worst = np.nanmax(np.abs(got - want), initial=0.0)
            return f"output {output.name!r} differs by up to {worst:.3g}"
    return ""


def run_all(run: Runner, kinds: Sequence[str] = KINDS, only: str = "",
            refusals: tuple[type[Exception], ...] = ()) -> list[Outcome]:
    """Every test of ``kinds`` through ``run``."""
    return [run_case(case, run, refusals) for case in load_cases(kinds, only)]


def summary(outcomes: Sequence[Outcome]) -> str:
    """Counts by kind."""
    lines = []
    for kind in dict.fromkeys(o.kind for o in outcomes):
        counts = Counter(o.status for o in outcomes if o.kind == kind)
        lines.append(f"{kind}: {counts['passed']} passed, {counts['refused']} refused, {counts['failed']} failed")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs the tests whose names hold the first argument through the graph reference and prints what did not pass."""
    from seedchip.graph.reference import evaluate

    outcomes = run_all(evaluate, only=arguments[0] if arguments else "")
    for o in outcomes:
        if o.status != "passed":
            print(f"{o.status} {o.name}: {o.reason}")
    print(summary(outcomes))
    return 1 if any(o.status == "failed" for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
