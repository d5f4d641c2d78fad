"""One model of the zoo through every door: front end, quantisation, compiler, simulator, and ONNX Runtime beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.compiler import compile_graph
from seedchip.frontend import load_model
from seedchip.quantise import quantise
from seedchip.report import build_report
from seedchip.simulator.device import SimulatedDevice
from seedchip.zoo.entry import Entry, Feeds

if TYPE_CHECKING:
    from seedchip.graph.ir import Graph
    from seedchip.program import Program
    from seedchip.quantise.options import Precision
    from seedchip.report import Report
    from seedchip.spec import ChipSpec

Outputs = dict[str, np.ndarray]
RunModel = Callable[[Feeds], Outputs]


def quantise_entry(entry: Entry, precision: Precision, num_feeds: int = 0, *,
                   shapes: Mapping[str, int] | None = None) -> Graph:
    """The entry's network in the chip's numbers: scales from the first ``num_feeds`` calibration feeds, found at run
    time when there are none. ``shapes`` binds other sizes than the entry's own, to which feeds must conform."""
    graph = load_model(entry.model(), shapes=shapes or entry.shapes).replace(name=entry.name)
    return quantise(graph, precision=precision, calibration=entry.calibration()[:num_feeds] if num_feeds else None)


@dataclass(frozen=True)
class Trial:
    """A program on a simulated chip."""

    program: Program
    spec: ChipSpec

    @cached_property
    def device(self) -> SimulatedDevice:
        return SimulatedDevice(self.program, self.spec)

    @cached_property
    def report(self) -> Report:
        """Every counted figure; needs no feeds."""
        return build_report(self.program, self.spec, self.device.timeline)

    def run(self, feeds: Feeds) -> Outputs:
        """Outputs on the chip; feeds may have the wider types of the model file where the values fit."""
        types = {place.name: place.dtype for place in self.program.inputs}
        return self.device.run({name: feeds[name].astype(types[name], copy=False) for name in types})


def compile_trial(quantised: Graph, spec: ChipSpec) -> Trial:
    """Raises `seedchip.compiler.CompileError`."""
    return Trial(compile_graph(quantised, spec), spec)


def reference(entry: Entry) -> RunModel:
    """The model in ONNX Runtime as it stands in its file: the answer that the chip's is shown beside."""
    session = reference_session(str(entry.model()))
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, feeds), strict=True))


def reference_session(model: str | bytes) -> Any:
    """An ONNX Runtime session on the processor, silent but for errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_beside(run: RunModel, compare: RunModel, samples: Iterable[Feeds]) -> tuple[list[Outputs], list[Outputs]]:
    """Both answers for every sample."""
    pairs = [(run(feeds), compare(feeds)) for feeds in samples]
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
