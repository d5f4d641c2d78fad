"""Scales of static int8 activations: one a tensor, or one a channel where range can move into the weights.

Equalisation. A channel k of an operand may be divided by m[k] when the weights that meet it are multiplied by m[k].
Nagel et al., "Data-free quantization through weight equalization and bias correction" (2019), do it between two layers;
here the division is part of the map that writes the codes and so works behind any activation. Xiao et al.,
"SmoothQuant" (2023), balance m[k] = max|x_k|**a / max|w_k|**(1 - a); the exponent is chosen by the expected squared
error. No channel gets a coarser scale than the tensor would, so a clip at the tensor's bound stays with saturation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Conv, Map
from seedchip.numerics.limbs import limit
from seedchip.quantise.calibration import Method, Statistics
from seedchip.quantise.options import LayerChoice, QuantiseOptions
from seedchip.quantise.storage import Storage, is_float_matrix

EXPONENTS = (0.25, 0.5, 0.75, 1.0)
MIN_GAIN = 0.9
"""Share of the expected error that must remain at most for one scale a channel to be worth its parameters."""


@dataclass(frozen=True)
class ScaleRule:
    """How thresholds follow from statistics."""

    method: Method
    options: QuantiseOptions

    def tensor_scale(self, statistics: Statistics, num_limbs: int = 1) -> float:
        method: Method = self.method if num_limbs == 1 else "minmax"
        threshold = statistics.threshold(method, self.options.percentile)
        return threshold / limit(num_limbs) if threshold > 0 else 1.0 / limit(num_limbs)


def activation_scales(graph: Graph, storage: Storage, choices: Mapping[str, LayerChoice], rule: ScaleRule,
                      statistics: Mapping[str, Statistics]) -> dict[str, np.ndarray]:
    """Scale of every tensor with codes: shape () or [channels]. Real value = scale * code."""
    consumers = graph.consumers()
    by_group: dict[str, float] = {}
    for name, group in storage.groups.items():
        if name in statistics:
            by_group[group] = max(by_group.get(group, 0.0), rule.tensor_scale(statistics[name]))
    scales: dict[str, np.ndarray] = {name: np.array(by_group[group]) for name, group in storage.groups.items()}
    if not rule.options.equalise:
        return scales
    for name in scales:
        if len(storage.members(name)) == 1 and name in statistics:
            weights = _meeting_weights(graph, name, consumers[name], choices)
            if weights:
                scales[name] = _equalised(statistics[name], weights, scales[name])
    return scales


def _meeting_weights(graph: Graph, name: str, readers: list[Node],
                     choices: Mapping[str, LayerChoice]) -> list[np.ndarray]:
    """Weights of the readers by input channel, or none where a reader needs one scale for the whole tensor."""
    found = []
    for node in readers:
        if isinstance(node.op, Map):
            continue
        if not is_float_matrix(graph, node) or node.inputs[0] != name or node.inputs[1] not in graph.constants:
            return []
        if choices[node.output] != LayerChoice(1, True):
            continue
        found.append(by_input_channel(node, graph.constants[node.inputs[1]]))
    return found


def by_input_channel(node: Node, weights: np.ndarray) -> np.ndarray:
    """[groups, channels of a group, products of a channel and filter, filters of a group]; a matrix has one group."""
    w = np.asarray(weights, np.float64)
    if not isinstance(node.op, Conv):
        return np.moveaxis(w, -2, 0).reshape(1, w.shape[-2], -1, w.shape[-1])
    height, width, channels, filters = w.shape
    groups = node.op.groups
    return w.reshape(height * width, channels, groups, filters // groups).transpose(2, 1, 0, 3)


def _equalised(statistics: Statistics, weights: list[np.ndarray], scale: np.ndarray) -> np.ndarray:
    """The per-channel scale of least expected error, or ``scale`` itself."""
    x_max = statistics.channel_absmax
    if not x_max.size or x_max.max() <= 0 or any(w.shape[0] * w.shape[1] != len(x_max) for w in weights):
        return scale
    clip = float(scale) * limit(1) / float(x_max.max())
    x = np.maximum(x_max, 1e-3 * x_max.max())
    w = np.maximum.reduce([np.abs(a).max(axis=(2, 3)).reshape(-1) for a in weights])
    w = np.maximum(w, max(1e-3 * float(w.max()), 1e-30))
    best, best_error = scale, _expected_error(statistics, weights, np.broadcast_to(scale, x.shape))
    for exponent in EXPONENTS:
        move = x**exponent / w ** (1 - exponent)
        candidate = np.minimum(move * (np.max(x / move) * clip / limit(1)), scale)
        error = _expected_error(statistics, weights, candidate)
        if error < MIN_GAIN * best_error:
            best, best_error = candidate, error
    return best


def _expected_error(statistics: Statistics, weights: list[np.ndarray], scale: np.ndarray) -> float:
    """Squared error of one output position, summed over filters, that uniform rounding of both operands makes."""
    total = 0.0
    for w in weights:
        groups, channels, taps, _ = w.shape
        moved = w * scale.reshape(groups, channels, 1, 1)
        step = np.abs(moved).max(axis=(1, 2)) / limit(1)
        power = (statistics.channel_power / scale**2).reshape(groups, channels).sum(axis=1)
        total += float(np.sum(moved**2)) / 12 + taps * float(power @ np.sum(step**2, axis=1)) / 12
    return total
