"""Ranges of activations, observed by running the binary32 graph on calibration data.

One pass keeps, per channel, a histogram of magnitudes (whose range doubles as needed) and moments. The clipping
threshold is the largest magnitude, a percentile of them, or the one of least expected squared error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from seedchip.graph.ir import Graph
from seedchip.graph.ops import GraphError
from seedchip.graph.reference import compute_in
from seedchip.quantise.errors import QuantiseError

Method = Literal["minmax", "percentile", "mse"]
METHODS = ("minmax", "percentile", "mse")
NUM_BINS = 256
FRACTIONS = np.linspace(0.1, 1.0, 46)
"""Thresholds that the least-squares search tries, as shares of the largest magnitude."""
Feeds = Mapping[str, np.ndarray]


@dataclass
class Statistics:
    """What was seen of one tensor; channels are its last axis. All arrays have one entry, or one row, a channel."""

    count: int = 0
    """rows seen, a row being one position of all axes but the last"""
    low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """smallest value, at most 0"""
    high: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """largest value, at least 0"""
    total: np.ndarray = field(default_factory=lambda: np.zeros(0))
    square: np.ndarray = field(default_factory=lambda: np.zeros(0))
    histogram: np.ndarray = field(default_factory=lambda: np.zeros((0, NUM_BINS), np.int32))
    """magnitudes, in bins of `width` / NUM_BINS"""
    width: np.ndarray = field(default_factory=lambda: np.zeros(0))
    _known: dict[tuple[object, ...], np.ndarray] = field(default_factory=dict, repr=False, compare=False)
    """what was asked for since the last update: "auto" rewrites the network many times on the same statistics"""

    def update(self, x: np.ndarray) -> None:
        """Adds the values of one run; ``x`` is finite."""
        if not x.size:
            return
        rows = x.reshape(-1, x.shape[-1] if x.ndim else 1).astype(np.float32, copy=False)
        if not self.count:
            self.low, self.high, self.total, self.square, self.width = np.zeros((5, rows.shape[1]))
            self.histogram = np.zeros((rows.shape[1], NUM_BINS), np.int32)
        self.low = np.minimum(self.low, rows.min(axis=0))
        self.high = np.maximum(self.high, rows.max(axis=0))
        self.total = self.total + rows.sum(axis=0, dtype=np.float64)
        self.square = self.square + np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
        self.count += len(rows)
        self._widen()
        self._known.clear()
        bins = np.abs(rows)
        width = np.minimum(self.width, np.finfo(np.float32).max).astype(np.float32)
        bins /= np.where(width > 0, width, np.float32(1))
        bins *= NUM_BINS
        index = np.minimum(bins, NUM_BINS - 1, out=bins).astype(np.intp)
        index += NUM_BINS * np.arange(rows.shape[1])
        self.histogram += np.bincount(index.reshape(-1), minlength=self.histogram.size).reshape(
            self.histogram.shape).astype(np.int32)

    def _widen(self) -> None:
        """Doubles the range of histograms that have become too narrow."""
        fresh = self.width == 0
        self.width[fresh] = self.magnitude[fresh]
        while (narrow := self.magnitude > self.width).any():
            folded = self.histogram[narrow].reshape(-1, NUM_BINS // 2, 2).sum(axis=2)
            self.histogram[narrow] = np.pad(folded, ((0, 0), (0, NUM_BINS // 2)))
            self.width[narrow] *= 2

    @property
    def magnitude(self) -> np.ndarray:
        """Largest magnitude of every channel."""
        return np.maximum(self.high, -self.low)

    @property
    def absmax(self) -> float:
        return float(self.magnitude.max(initial=0.0))

    @property
    def mean(self) -> np.ndarray:
        return self.total / max(self.count, 1)

    @property
    def power(self) -> np.ndarray:
        """Mean square of every channel."""
        return self.square / max(self.count, 1)

    @property
    def _centres(self) -> np.ndarray:
        return (np.arange(NUM_BINS) + 0.5) * (self.width[:, None] / NUM_BINS)

    def clipped_power(self, threshold: np.ndarray) -> np.ndarray:
        """Mean squared error, per channel, of clipping magnitudes at ``threshold`` (broadcast)."""
        bins = np.asarray(threshold) * (NUM_BINS / np.where(self.width > 0, self.width, 1.0))
        first = np.clip(np.ceil(bins - 0.5), 0, NUM_BINS).astype(np.intp)
        count, total, square = self._tails[:, np.arange(len(bins)), first]
        beyond = square - 2 * bins * total + bins**2 * count
        return np.maximum(beyond, 0.0) * (self.width / NUM_BINS) ** 2 / max(self.count, 1)

    @property
    def _tails(self) -> np.ndarray:
        """[3, channels, NUM_BINS + 1]: number, sum and sum of squares, in bins, of the magnitudes from a bin on."""
        if ("tails",) not in self._known:
            centres = np.arange(NUM_BINS) + 0.5
            moments = np.stack([self.histogram * centres**power for power in range(3)])
            self._known["tails",] = np.pad(np.cumsum(moments[..., ::-1], axis=-1)[..., ::-1], ((0, 0), (0, 0), (0, 1)))
        return self._known["tails",]

    def thresholds(self, method: Method, percentile: float, levels: int) -> np.ndarray:
        """Magnitude that the largest of ``levels`` steps stands for, with a scale for every channel."""
        key = "channel", method, percentile, levels
        if key not in self._known:
            self._known[key] = self._find_thresholds(method, percentile, levels)
        return self._known[key]

    def threshold(self, method: Method, percentile: float, levels: int) -> float:
        """The same with one scale for the whole tensor."""
        key = "tensor", method, percentile, levels
        if key not in self._known:
            self._known[key] = np.array(self._find_threshold(method, percentile, levels))
        return float(self._known[key])

    def _find_thresholds(self, method: Method, percentile: float, levels: int) -> np.ndarray:
        if method == "minmax":
            return self.magnitude
        if method == "percentile":
            share = np.cumsum(self.histogram, axis=1) / max(self.count, 1)
            edges = (np.argmax(share >= percentile / 100, axis=1) + 1) * (self.width / NUM_BINS)
            return np.minimum(edges, self.magnitude)
        errors = [self.clipped_power(f * self.magnitude) + (f * self.magnitude / levels) ** 2 / 12 for f in FRACTIONS]
        return FRACTIONS[np.argmin(errors, axis=0)] * self.magnitude

    def _find_threshold(self, method: Method, percentile: float, levels: int) -> float:
        if method == "minmax" or not self.absmax:
            return self.absmax
        if method == "percentile":
            order = np.argsort(self._centres, axis=None)
            share = np.cumsum(self.histogram.reshape(-1)[order]) / max(self.histogram.sum(), 1)
            centre = self._centres.reshape(-1)[order][np.argmax(share >= percentile / 100)]
            return min(float(centre), self.absmax)
        errors = [float(self.clipped_power(np.array(f * self.absmax)).mean()) + (f * self.absmax / levels) ** 2 / 12
                  for f in FRACTIONS]
        return float(FRACTIONS[np.argmin(errors)]) * self.absmax


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
            values[node.output] = compute_in(np.float32, node.op, *(values[name] for name in node.inputs))
        except GraphError as error:
            raise QuantiseError(f"calibration feed {index} fails at {node.source or node.output}: {error}") from None
        yield node.output, values[node.output]
        for name in dict.fromkeys((*node.inputs, node.output)):
            if last.get(name, -1) <= i and name not in graph.constants:
                values.pop(name, None)
