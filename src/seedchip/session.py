"""`InferenceSession`: a compiled model that answers, with the shape of ONNX Runtime's class of that name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.build import Build, BuildOptions, build, build_with_host, is_program_file, program_inputs
from seedchip.device import Body, Device, Say, check_body, open_device
from seedchip.inputs import InputSpec
from seedchip.program import Program, ProgramError, verify_program
from seedchip.program import load as load_program
from seedchip.simulator.errors import FeedError
from seedchip.spec import ChipSpec
from seedchip.spec import load as load_chip

if TYPE_CHECKING:
    import onnx

    from seedchip.partition import PartitionedDevice
    from seedchip.report import Report
    from seedchip.simulator.timing import Timeline

_ONNX_TYPES = {"float32": "float", "float64": "double", "float16": "float16", "bool": "bool"}
_NO_OPTIONS = BuildOptions()


@dataclass(frozen=True)
class NodeArg:
    """Name, shape and type of an input or output, as `onnxruntime.NodeArg`; ``type`` reads ``tensor(float)``."""

    name: str
    shape: list[int | None]
    type: str


class InferenceSession:
    """A model on a chip: on its exact simulator, or (``device="rtl"``) on the hardware in lockstep with it.

    ``model`` is an ONNX model (a path or a `ModelProto`), a program file, or a `Program`. Construction compiles it;
    `run` gives its answers, `report` its costs. With ``host_fallback`` nodes that the chip refuses run in ONNX Runtime
    (see `seedchip.partition`). ``say`` is told what a long run does. Raises the errors of the chip description, the
    model, the program and the device.
    """

    def __init__(self, model: str | os.PathLike[str] | onnx.ModelProto | Program, chip: str | ChipSpec = "micro", *,
                 options: BuildOptions = _NO_OPTIONS, host_fallback: bool = False, device: Body = "sim",
                 say: Say | None = None) -> None:
        self.spec = load_chip(chip)
        check_body(device, self.spec)
        self._open: Callable[[Program, ChipSpec], Device] = partial(open_device, body=device, say=say)
        self.build: Build | None = None
        """graphs before and after quantisation; None for a program that came as such, and with nodes on the host"""
        self.partitioned: PartitionedDevice | None = None
        """the chip's parts and the host's nodes, when there are any"""
        self._program = self._make_program(model, options, host_fallback)

    @property
    def program(self) -> Program:
        """The model's one program. Raises `ProgramError` when it has several."""
        if self._program is None:
            raise ProgramError("a model with nodes on the host is no single program; its programs are in "
                               "InferenceSession.runs")
        return self._program

    @property
    def runs(self) -> list[tuple[Program, Timeline]]:
        """The programs of the model, each with its time line, in the order in which they run."""
        if self.partitioned is None:
            return [(self.program, self.timeline)]
        return [(device.program, device.timeline) for device in self.partitioned.parts.values()]

    def get_inputs(self) -> list[NodeArg]:
        ports = self.partitioned.partition.inputs if self.partitioned else self.program.inputs
        return [_node_arg(p.name, p.shape, p.dtype) for p in ports]

    def get_outputs(self) -> list[NodeArg]:
        ports = self.partitioned.partition.outputs if self.partitioned else self.program.outputs
        return [_node_arg(p.name, p.shape, p.dtype) for p in ports]

    @property
    def inputs(self) -> list[InputSpec]:
        if self.partitioned:
            return self.partitioned.inputs
        return program_inputs(self.program)

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[np.ndarray]:
        """The outputs named (all when None or empty), in that order. Raises `FeedError`."""
        known = [p.name for p in self.get_outputs()]
        wanted = list(output_names or known)
        for name in wanted:
            if name not in known:
                raise FeedError(f"output {name!r} must be one of {', '.join(known)}")
        outputs = (self.partitioned or self._device).run(input_feed)
        return [outputs[name] for name in wanted]

    @property
    def timeline(self) -> Timeline:
        """When every instruction ran; the same for all feeds, found once."""
        return self._device.timeline

    def report(self) -> Report:
        """What one run costs; needs no feeds."""
        from seedchip.report import build_report, build_sequence_report

        if self.partitioned:
            return build_sequence_report(self.partitioned.partition.name, self.runs, self.spec,
                                         self.partitioned.host_ops())
        return build_report(self.program, self.spec, self.timeline)

    def _make_program(self, model: Any, options: BuildOptions, host_fallback: bool) -> Program | None:
        if isinstance(model, Program):
            verify_program(model, self.spec)
            return model
        if isinstance(model, (str, os.PathLike)) and _holds_program(model):
            return load_program(model, self.spec)
        if host_fallback:
            from seedchip.partition import PartitionedDevice

            found = build_with_host(model, self.spec, options)
            if found is not None:
                self.partitioned = PartitionedDevice(found, self.spec, self._open)
                return None
        self.build = build(model, self.spec, options)
        return self.build.program

    @cached_property
    def _device(self) -> Device:
        return self._open(self.program, self.spec)


def _holds_program(path: str | os.PathLike[str]) -> bool:
    try:
        return is_program_file(path)
    except (OSError, ValueError):
        return False  # the front end says what is wrong with the path


def _node_arg(name: str, shape: Sequence[int | None], dtype: str) -> NodeArg:
    return NodeArg(name, list(shape), f"tensor({_ONNX_TYPES.get(dtype, dtype)})")


def compile(model: str | os.PathLike[str] | onnx.ModelProto, chip: str | ChipSpec = "micro", *,
            options: BuildOptions = _NO_OPTIONS) -> Program:
    """The program that computes an ONNX model on a chip."""
    return build(model, load_chip(chip), options).program


