"""Ranges of activations, observed by running the binary32 graph on calibration data.

One pass keeps, per tensor, a histogram of magnitudes (whose range doubles as needed) and per-channel figures. The
clipping threshold is the largest magnitude, a percentile of them, or the one of least expected squared error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from seedchip.graph.ir import Graph
from seedchip.graph.ops import GraphError
from seedchip.graph.reference import compute
from seedchip.quantise.errors import QuantiseError

Method = Literal["minmax", "percentile", "mse"]
METHODS = ("minmax", "percentile", "mse")
NUM_BINS = 2048
Feeds = Mapping[str, np.ndarray]


@dataclass
class Statistics:
    """What was seen of one tensor; channels are its last axis."""

    absmax: float = 0.0
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(NUM_BINS, np.int64))
    width: float = 0.0
    """magnitude that the histogram spans"""
    count: int = 0
    """rows seen, a row being one position of all axes but the last"""
    channel_low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """smallest value, at most 0, of every channel"""
    channel_high: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """largest value, at least 0"""
    channel_sum: np.ndarray = field(default_factory=lambda: np.zeros(0))
    channel_square: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def update(self, x: np.ndarray) -> None:
        """Adds the values of one run; ``x`` is finite."""
        if not x.size:
            return
        rows = x.reshape(-1, x.shape[-1] if x.ndim else 1).astype(np.float64)
        magnitudes = np.abs(rows)
        if not self.channel_sum.size:
            self.channel_low, self.channel_high, self.channel_sum, self.channel_square = np.zeros((4, rows.shape[1]))
        self.channel_low = np.minimum(self.channel_low, rows.min(axis=0))
        self.channel_high = np.maximum(self.channel_high, rows.max(axis=0))
        self.channel_sum = self.channel_sum + rows.sum(axis=0)
        self.channel_square = self.channel_square + np.einsum("ij,ij->j", rows, rows)
        self.count += len(rows)
        self.absmax = max(float(self.channel_high.max()), float(-self.channel_low.min()))
        self._widen()
        if self.width:
            index = np.minimum((magnitudes * (NUM_BINS / self.width)).astype(np.int64), NUM_BINS - 1)
            self.histogram = self.histogram + np.bincount(index.reshape(-1), minlength=NUM_BINS)

    def _widen(self) -> None:
        if not self.width:
            self.width = self.absmax
            return
        while self.absmax > self.width:
            folded = self.histogram.reshape(-1, 2).sum(axis=1)
            self.histogram = np.concatenate([folded, np.zeros(NUM_BINS // 2, np.int64)])
            self.width *= 2

    @property
    def channel_mean(self) -> np.ndarray:
        return self.channel_sum / max(self.count, 1)

    @property
    def channel_power(self) -> np.ndarray:
        """Mean square of every channel."""
        return self.channel_square / max(self.count, 1)

    def clipped_power(self, threshold: float) -> float:
        """Squared error of clipping magnitudes at ``threshold``, per row, summed over channels."""
        centres = (np.arange(NUM_BINS) + 0.5) * (self.width / NUM_BINS)
        return float(self.histogram @ np.maximum(centres - threshold, 0.0) ** 2) / max(self.count, 1)

    def threshold(self, method: Method, percentile: float = 99.99) -> float:
        """Magnitude that the largest code stands for."""
        if method == "minmax" or not self.width:
            return self.absmax
        edges = np.arange(1, NUM_BINS + 1) * (self.width / NUM_BINS)
        if method == "percentile":
            share = np.cumsum(self.histogram) / self.histogram.sum()
            return min(float(edges[np.searchsorted(share, percentile / 100)]), self.absmax)
        return min(self._least_squares(edges), self.absmax)

    def _least_squares(self, edges: np.ndarray) -> float:
        """Threshold t of least error: clipping beyond t plus uniform noise (t / 127)**2 / 12 below it."""
        centres = edges - self.width / (2 * NUM_BINS)
        best, best_error = self.absmax, np.inf
        for t in self.absmax * np.linspace(0.2, 1.0, 81):
            clipped = np.maximum(centres - t, 0.0)
            inside = centres <= t
            error = float(self.histogram @ (clipped**2) + self.histogram[inside].sum() * (t / 127) ** 2 / 12)
            if error < best_error:
                best, best_error = float(t), error
        return best


def observe(graph: Graph, feeds: Sequence[Feeds], names: Iterable[str]) -> dict[str, Statistics]:
    """Statistics of the named tensors over all feeds.

    Raises:
        QuantiseError: there is no feed, a feed does not fit the graph, or a tensor is not finite.
    """
    if not feeds:
        raise QuantiseError("calibration must hold at least one set of feeds; pass representative inputs or "
                            "calibration=None")
    wanted = {name: Statistics() for name in names}
    for index, feed in enumerate(feeds):
        for name, value in _run(graph, feed, index):
            if name in wanted:
                if not np.isfinite(value).all():
                    raise QuantiseError(f"tensor {name!r} must be finite on calibration feed {index}, but it holds NaN "
                                        "or infinity; remove that feed or repair the model")
                wanted[name].update(value)
    return wanted


def _run(graph: Graph, feed: Feeds, index: int) -> Iterable[tuple[str, np.ndarray]]:
    """All tensors one after the other; each is dropped after its last use."""
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    values: dict[str, np.ndarray] = dict(graph.constants)
    for name in graph.inputs:
        if name not in feed:
            raise QuantiseError(f"calibration feed {index} must hold input {name!r}; add it")
        array = np.asarray(feed[name])
        if array.shape != graph.types[name].shape:
            raise QuantiseError(f"calibration feed {index} must give input {name!r} the shape "
                                f"{graph.types[name].shape}, not {array.shape}; reshape it or bind other sizes")
        values[name] = array.astype(graph.types[name].dtype)
        yield name, values[name]
    for i, node in enumerate(graph.nodes):
        try:
            values[node.output] = compute(node.op, *(values[name] for name in node.inputs))
        except GraphError as error:
            raise QuantiseError(f"calibration feed {index} fails at {node.source or node.output}: {error}") from None
        yield node.output, values[node.output]
        for name in dict.fromkeys((*node.inputs, node.output)):
            if last.get(name, -1) <= i and name not in graph.constants:
                values.pop(name, None)
