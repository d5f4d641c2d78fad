"""ONNX's own backend tests through compiler and simulator, and through ONNX Runtime on the same list."""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seedchip.bench.node_tests import Case, Outcome, load_cases, run_case
from seedchip.bench.record import Detail, Measurement, Progress, Row
from seedchip.bench.trial import reference_session
from seedchip.compiler import CompileError, compile_graph
from seedchip.graph.ir import Graph
from seedchip.quantise import quantise
from seedchip.simulator.device import SimulatedDevice
from seedchip.spec import ChipSpec, load

SOME_NETWORKS = ("GridSample", "RoiAlign", "DeformConv", "MaxUnpool", "ReverseSequence", "NonMaxSuppression", "NonZero",
                 "STFT", "DFT")
"""Operators that some inference networks use (detectors, segmenters, speech front ends): while tests of these are
refused, the row is reached in part only."""
REPORT_EVERY = 50
"""Tests between two words of progress."""


def run_on_chip(spec: ChipSpec) -> Any:
    """A runner for `run_case`: three limbs, scales at run time, the exact simulator."""
    def run(graph: Graph, feeds: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        program = compile_graph(quantise(graph, precision="int24"), spec)
        return SimulatedDevice(program, spec).run(dict(feeds))

    return run


def run_reference(case: Case) -> str:
    """What ONNX Runtime makes of a test: passed, refused (it does not run the model), or failed (other values)."""
    try:
        session = reference_session(case.model.SerializeToString())
        names = [i.name for i in session.get_inputs()]
        results = [(session.run(None, dict(zip(names, map(_plain, inputs), strict=False))), wanted)
                   for inputs, wanted in case.data]
    except Exception:  # the library raises unrelated types for what it does not support
        return "refused"
    same = all(_agrees(got, want, case) for found, wanted in results for got, want in zip(found, wanted, strict=True))
    return "passed" if same else "failed"


def _plain(value: Any) -> Any:
    from onnx import TensorProto, numpy_helper

    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def _agrees(got: Any, want: Any, case: Case) -> bool:
    want = _plain(want)
    if got is None or want is None or isinstance(want, (list, tuple)):
        return (got is None) == (want is None) and all(
            _agrees(g, w, case) for g, w in zip(got or (), want or (), strict=True))
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    if want.dtype.kind in "OUSb":
        return bool((got == want).all())
    a, b = got.astype(np.float64), want.astype(np.float64)
    return np.allclose(a, b, rtol=case.rtol, atol=case.atol, equal_nan=True)


def reason_group(reason: str) -> str:
    """A refusal's rule: the sentence without the place, names, numbers and lists that differ from test to test."""
    rule = re.sub(r"^.*?: node (?:'[^']*' \(\w+\)|number \d+ \(\w+\)):? ?", "", reason)
    rule = re.sub(r"^\S+: (?=input|output|tensor)", "", rule)
    rule = re.sub(r"\btensor \S+ has", "a tensor has", rule)
    rule = re.sub(r"; the operators that it has are listed .*", "", rule)
    rule = re.sub(r"(?<!\w)'[^']*'", "'…'", rule)
    rule = re.sub(r"[\[(][-\d, x]+[\])]", "[…]", rule)
    return re.sub(r"-?\b\d+(\.\d+)?\b", "N", rule).strip()


def _measure(progress: Progress) -> Measurement:
    run, outcomes, references = run_on_chip(load("micro")), list[Outcome](), Counter[str]()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for index, case in enumerate(load_cases()):
            if index % REPORT_EVERY == 0:
                progress(f"backend test {index + 1}, {case.name}")
            outcomes.append(run_case(case, run, (CompileError,)))
            references[run_reference(case)] += 1
    return summarise(outcomes, references)


def summarise(outcomes: Sequence[Outcome], references: Mapping[str, int]) -> Measurement:
    """Counts by kind, the refusals by reason, and what failed."""
    counts = Counter(o.status for o in outcomes)
    figure = (f"{counts['passed']} passed, {counts['refused']} refused with a reason, {counts['failed']} failed; ONNX "
              f"Runtime on the same list: {references.get('passed', 0)} passed, {references.get('refused', 0)} "
              f"refused, {references.get('failed', 0)} failed")
    details = [_by_kind(outcomes), _refusals(outcomes)]
    missing = Counter(name for o in outcomes if o.status == "refused" for name in SOME_NETWORKS
                      if re.search(rf"\b(compute|rule for) {name}\b", o.reason))
    if missing:
        figure += f"; refused though some networks use them: {', '.join(f'{n} ({c})' for n, c in missing.items())}"
    failed = [[o.name, o.reason[:160]] for o in outcomes if o.status == "failed"]
    if failed:
        details.append(Detail("Backend tests that failed", ["test", "reason"], failed))
    values = {**counts, "onnxruntime": dict(references),
              "refused_tests": {o.name: o.reason for o in outcomes if o.status == "refused"},
              "failed_tests": {o.name: o.reason for o in outcomes if o.status == "failed"}}
    met = False if counts["failed"] else None if missing else True
    return Measurement(figure, met, "`micro`, `--precision int24`, scales at run time, each test's own "
                       "tolerances; an input that names axes or sizes is bound at import", values, details)


def _by_kind(outcomes: Sequence[Outcome]) -> Detail:
    rows = []
    for kind in dict.fromkeys(o.kind for o in outcomes):
        counts = Counter(o.status for o in outcomes if o.kind == kind)
        rows.append([kind, *(str(counts[status]) for status in ("passed", "refused", "failed"))])
    return Detail("ONNX backend tests by kind", ["kind", "passed", "refused", "failed"], rows)


def _refusals(outcomes: Sequence[Outcome]) -> Detail:
    groups = defaultdict[str, list[str]](list)
    for o in outcomes:
        if o.status == "refused":
            groups[reason_group(o.reason)].append(o.name)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return Detail("ONNX backend tests that are refused, by reason", ["tests", "reason", "for example"],
                  [[str(len(names)), reason, f"`{min(names)}`"] for reason, names in ranked],
                  ["Each refused test with its whole sentence is in benchmarks.json."])


NODE_TESTS = Row("node-tests", "ONNX backend tests (`onnx.backend.test`) through compiler and simulator at int24",
                 "every test whose operators and types inference networks use passes within its own tolerance; the "
                 "rest listed with a reason; no crash", "ONNX Runtime's own count on the same list, measured beside",
                 _measure)
