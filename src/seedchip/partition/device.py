"""`PartitionedDevice`: chip parts on the simulated chip and host nodes in ONNX Runtime, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from seedchip.device import open_device
from seedchip.inputs import InputSpec
from seedchip.partition.build import PartitionBuild
from seedchip.partition.host import HostNode
from seedchip.partition.importer import Port
from seedchip.partition.values import Values
from seedchip.program import TensorPlace
from seedchip.program.program import user_dtype
from seedchip.report import HostOp
from seedchip.simulator.driver import check_feeds

if TYPE_CHECKING:
    from seedchip.device import Device
    from seedchip.program import Program
    from seedchip.spec import ChipSpec


class PartitionedDevice:
    """A model whose parts lie in memory side by side; host and chip take turns, so their times add up.

    ``open_part`` makes the device of a part: by default, the exact simulator.
    """

    def __init__(self, build: PartitionBuild, spec: ChipSpec,
                 open_part: Callable[[Program, ChipSpec], Device] = open_device) -> None:
        """Raises `seedchip.program.ProgramError`."""
        self.build, self.partition = build, build.partition
        self.parts = {index: open_part(program, spec) for index, program in enumerate(build.programs) if program}
        self.host_seconds: list[float | None] | None = None
        """wall-clock time of every host node in the last run; None before the first"""
        self._places = tuple(_place(port) for port in self.partition.inputs)

    def run(self, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Outputs by name. Raises `FeedError`, `HostError` and the simulator's `Fault`."""
        values = Values(self.partition, check_feeds(self._places, feeds))
        seconds: list[float | None] = []
        for index, step in enumerate(self.partition.steps):
            if isinstance(step, HostNode):
                start = time.perf_counter()
                values.run_host(step)
                seconds.append(time.perf_counter() - start)
            else:
                device = self.parts[index]
                values.tensors.update(device.run({p.name: values.read(p.name) for p in device.program.inputs}))
        self.host_seconds = seconds
        return {port.name: self._output(port.name, port.dtype, values) for port in self.partition.outputs}

    @property
    def inputs(self) -> list[InputSpec]:
        return self.partition.input_specs

    def host_ops(self) -> tuple[HostOp, ...]:
        """The nodes on the host, in the order in which they run, for the report."""
        nodes = self.partition.host_nodes
        seconds = self.host_seconds or [None] * len(nodes)
        return tuple(HostOp(n.name, n.operator, n.rule, s) for n, s in zip(nodes, seconds, strict=True))

    def _output(self, public: str, dtype: str, values: Values) -> Any:
        """An output as the node that made it left it."""
        if public in values.made:
            return values.made[public]
        with np.errstate(all="ignore"):
            return values.read(self.partition.results[public]).astype(user_dtype(dtype))


def _place(port: Port) -> TensorPlace:
    """An input of the model as the driver checks it; it has no place of its own in memory."""
    shape = tuple(size or 0 for size in port.shape)
    return TensorPlace(port.name, shape, port.dtype, port.dtype, 0, 0, tuple(range(len(shape))))
