"""The tensors of one run of a partitioned model, on their way between chip parts and host nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from seedchip.partition.host import HostNode
from seedchip.partition.importer import Partition


class Values:
    """``tensors`` holds values of graph tensors by name, ``made`` what host nodes made by the model's name."""

    def __init__(self, partition: Partition, feeds: Mapping[str, Any]) -> None:
        self.tensors: dict[str, np.ndarray] = {**partition.constants, **{n: np.asarray(v) for n, v in feeds.items()}}
        self.made: dict[str, Any] = {}

    def read(self, name: str) -> np.ndarray:
        return self.tensors[name]

    def run_host(self, node: HostNode) -> None:
        """Adds a host node's outputs. Raises `HostError`."""
        results = node.run(self.read, self.made)
        self.made.update(results)
        for name, tensor in node.arrivals.items():
            self.tensors[tensor.name] = np.asarray(results[name])
