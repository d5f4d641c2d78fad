"""How well a quantised graph agrees with its binary32 source, layer by layer and at its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seedchip.graph.ir import Graph
from seedchip.graph.reference import evaluate_all
from seedchip.quantise.errors import QuantiseError
from seedchip.quantise.storage import is_float_matrix

Feeds = Mapping[str, np.ndarray]
MAX_SQNR_DB = 200.0
"""Reported where a result has no error at all."""


@dataclass(frozen=True)
class LayerAccuracy:
    """A matrix node, the tensor behind its tail that was compared, and the ratio of signal to error there."""

    layer: str
    source: str
    tensor: str
    num_pairs: int
    """int8 products that the layer was turned into; 1 is plain INT8"""
    sqnr_db: float


@dataclass(frozen=True)
class OutputAccuracy:
    """One output of the graph over all feeds; rows run along the last axis."""

    name: str
    cosine: float
    """smallest over feeds"""
    row_cosine: float
    """mean over rows"""
    top1: float
    """share of rows with the same largest element"""
    sqnr_db: float


@dataclass(frozen=True)
class AccuracyReport:
    layers: tuple[LayerAccuracy, ...]
    outputs: tuple[OutputAccuracy, ...]

    @property
    def cosine(self) -> float:
        """The worst output's cosine."""
        return min((o.cosine for o in self.outputs), default=1.0)

    @property
    def top1(self) -> float:
        return min((o.top1 for o in self.outputs), default=1.0)

    def __str__(self) -> str:
        lines = [f"{'layer':48} {'int8 products':>13} {'SQNR dB':>8}"]
        lines += [f"{(x.source or x.layer)[-48:]:48} {x.num_pairs:13d} {x.sqnr_db:8.1f}" for x in self.layers]
        lines += [f"output {o.name}: cosine {o.cosine:.6f}, row cosine {o.row_cosine:.6f}, top-1 {o.top1:.4f}, "
                  f"SQNR {o.sqnr_db:.1f} dB" for o in self.outputs]
        return "\n".join(lines)


def sqnr_db(exact: np.ndarray, approximate: np.ndarray) -> float:
    """10 log10 of signal power over error power; binary64."""
    return _ratio_db(*_powers(exact, approximate))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two arrays taken as vectors; 1 if both are zero."""
    x, y = np.asarray(a, np.float64).reshape(-1), np.asarray(b, np.float64).reshape(-1)
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norms if norms else float(np.array_equal(x, y))


def report_accuracy(float_graph: Graph, quantised_graph: Graph, feeds: Sequence[Feeds]) -> AccuracyReport:
    """Runs both graphs on all feeds and compares.

    A layer's result exists in the quantised graph only behind its tail, often as int8 codes; codes are compared after
    the best scale and shift (per channel) have been fitted, since neither is an error of the codes.

    Raises:
        QuantiseError: there are no feeds.
    """
    if not feeds:
        raise QuantiseError("report_accuracy must have at least one set of feeds; pass representative inputs")
    places = _compared_tensors(float_graph, quantised_graph)
    powers = {layer: np.zeros(2) for layer in places}
    outputs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in float_graph.outputs}
    for feed in feeds:
        exact, quantised = evaluate_all(float_graph, feed), evaluate_all(quantised_graph, feed)
        for layer, (tensor, stored) in places.items():
            powers[layer] += _powers(exact[tensor], _fitted(exact[tensor], quantised[stored]))
        for name, tensor in float_graph.outputs.items():
            outputs[name].append((exact[tensor], quantised[quantised_graph.outputs[name]]))
    pairs = _num_pairs(float_graph, quantised_graph)
    sources = {node.output: node.source for node in float_graph.nodes}
    layers = tuple(LayerAccuracy(layer, sources[layer], tensor, pairs.get(layer, 1), _ratio_db(*powers[layer]))
                   for layer, (tensor, _) in places.items())
    return AccuracyReport(layers, tuple(_output_accuracy(name, runs) for name, runs in outputs.items()))


def _compared_tensors(float_graph: Graph, quantised_graph: Graph) -> dict[str, tuple[str, str]]:
    """For each matrix node: the first tensor behind it that both graphs hold, and its name in the quantised one."""
    consumers = float_graph.consumers()
    places = {}
    for node in float_graph.nodes:
        if not is_float_matrix(float_graph, node):
            continue
        name = node.output
        while True:
            stored = next((n for n in (name, f"{name}/int8") if n in quantised_graph.types), None)
            if stored:
                places[node.output] = (name, stored)
                break
            if not consumers[name]:
                break
            name = consumers[name][0].output
    return places


def _num_pairs(float_graph: Graph, quantised_graph: Graph) -> dict[str, int]:
    pairs: dict[str, int] = {}
    layers = {node.output for node in float_graph.nodes if is_float_matrix(float_graph, node)}
    for node in quantised_graph.nodes:
        layer = node.output.rpartition("/")[0]
        if layer in layers and node.op.name in ("conv", "matmul"):
            pairs[layer] = pairs.get(layer, 0) + len(node.inputs) // 2
    return pairs


def _fitted(exact: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Codes times the scale plus the shift, per channel, that fit the exact values best in the least-squares sense."""
    if stored.dtype == np.float32 or not stored.size:
        return stored
    x = exact.reshape(-1, exact.shape[-1]).astype(np.float64)
    q = stored.reshape(x.shape).astype(np.float64)
    middle, code = x.mean(axis=0), q.mean(axis=0)
    q = q - code
    power = np.einsum("ij,ij->j", q, q)
    scale = np.einsum("ij,ij->j", x - middle, q) / np.where(power > 0, power, 1.0)
    return (q * scale + middle).reshape(exact.shape)


def _powers(exact: np.ndarray, approximate: np.ndarray) -> tuple[float, float]:
    x, y = np.asarray(exact, np.float64), np.asarray(approximate, np.float64)
    same = x == y  # equal infinities (masks) have no error
    finite = np.isfinite(x)
    error = np.subtract(x, y, out=np.zeros_like(x), where=~same)
    return float(np.sum(np.square(x, where=finite, out=np.zeros_like(x)))), float(np.sum(error**2))


def _ratio_db(signal: float, error: float) -> float:
    if error == 0:
        return MAX_SQNR_DB
    if signal == 0 or not np.isfinite(error):
        return -MAX_SQNR_DB
    return float(min(10 * np.log10(signal / error), MAX_SQNR_DB))


def _output_accuracy(name: str, runs: list[tuple[np.ndarray, np.ndarray]]) -> OutputAccuracy:
    cosines = [cosine(a, b) for a, b in runs]
    row_cosines: list[float] = []
    agreeing, rows = 0, 0
    for a, b in runs:
        if not a.size:
            continue
        x, y = (v.reshape(-1, v.shape[-1] if v.ndim else 1).astype(np.float64) for v in (a, b))
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
        products = np.einsum("ij,ij->i", x, y)
        row_cosines.extend(np.where(norms > 0, products / np.where(norms > 0, norms, 1.0), 1.0).tolist())
        agreeing += int(np.sum(x.argmax(axis=1) == y.argmax(axis=1)))
        rows += len(x)
    totals = np.sum([_powers(a, b) for a, b in runs], axis=0)
    return OutputAccuracy(name, min(cosines), float(np.mean(row_cosines)) if rows else 1.0,
                          agreeing / rows if rows else 1.0, _ratio_db(*totals))
