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
from seedchip.quantise.simplify import saturated, scaled, shifted
from seedchip.quantise.storage import Storage, is_float_matrix
from seedchip.quantise.term import Term, const, operate

EXPONENTS = (0.25, 0.5, 0.75, 1.0)
MIN_GAIN = 0.9
"""Share of an error or step below which a scale a channel, or a zero point, is worth its constants."""


@dataclass(frozen=True)
class AffineScale:
    """Real value = scale * (code - zero). ``scale`` has shape () or [channels]; ``zero`` is the code of real zero.

    Asymmetric codes cost nothing: a sum of products is off by ``zero`` times a sum of weights, part of the bias, and
    a convolution pads with ``zero``. They give an activation behind ReLU all 256 codes.
    """

    scale: np.ndarray
    zero: int = 0

    def real(self, codes: Term) -> Term:
        """The value of codes."""
        if self.zero == 0:
            return operate("mul", codes, const(self.scale))
        return operate("mad", codes, const(self.scale), const(-self.scale * self.zero))

    def code(self, value: Term) -> Term:
        """Codes of a value, before they are rounded and saturated."""
        return saturated(shifted(scaled(value, 1.0 / self.scale), float(self.zero)))

    def quantised(self, values: np.ndarray) -> np.ndarray:
        """Codes of constants, int8."""
        return np.clip(np.rint(values / self.scale) + self.zero, -128, 127).astype(np.int8)


@dataclass(frozen=True)
class ScaleRule:
    """How thresholds follow from statistics."""

    method: Method
    options: QuantiseOptions

    def tensor_scale(self, statistics: Statistics, num_limbs: int) -> float:
        """Symmetric scale of a tensor in limbs: nothing is clipped."""
        return (statistics.absmax or 1.0) / limit(num_limbs)

    def bounds(self, statistics: Statistics) -> tuple[float, float]:
        """Smallest and largest value (0 among them) that int8 codes have to hold."""
        low, high = float(statistics.low.min(initial=0.0)), float(statistics.high.max(initial=0.0))
        levels = 127 if -low > high / 2 or not self.options.asymmetric else 255
        threshold = statistics.threshold(self.method, self.options.percentile, levels)
        return max(low, -threshold), min(high, threshold)


def affine_scale(low: float, high: float, *, symmetric: bool) -> AffineScale:
    """The finest scale whose codes hold ``low`` to ``high`` (0 among them), with a zero of its own where that pays."""
    even = (max(-low, high) or 1.0) / limit(1)
    if symmetric or (high - low) / 255 > MIN_GAIN * even or high == low:
        return AffineScale(np.array(even))
    zero = int(np.clip(np.rint(-128 - low * 255 / (high - low)), -128, 127))
    return AffineScale(np.array(_channel_bounds(np.array(low), np.array(high), zero)), zero)


def _channel_bounds(low: np.ndarray, high: np.ndarray, zero: int) -> np.ndarray:
    """Smallest scale that holds each range when ``zero`` stands for 0; -128 is left free when codes are symmetric."""
    above, below = high / max(127 - zero, 1), -low / max((127 if zero == 0 else 128) + zero, 1)
    return np.maximum(above, below)


def activation_scales(graph: Graph, storage: Storage, choices: Mapping[str, LayerChoice], rule: ScaleRule,
                      statistics: Mapping[str, Statistics]) -> dict[str, AffineScale]:
    """Scale and zero of every tensor with codes; tensors of one group share them."""
    consumers = graph.consumers()
    bounds: dict[str, tuple[float, float]] = {}
    symmetric: set[str] = set()
    for name, group in storage.groups.items():
        if name in statistics:
            low, high = rule.bounds(statistics[name])
            known = bounds.get(group, (0.0, 0.0))
            bounds[group] = min(low, known[0]), max(high, known[1])
        if not rule.options.asymmetric or any(_needs_symmetry(graph, name, node) for node in consumers[name]):
            symmetric.add(group)
    shared = {group: affine_scale(*bounds[group], symmetric=group in symmetric) for group in bounds}
    scales = {name: shared[group] for name, group in storage.groups.items()}
    if not rule.options.equalise:
        return scales
    for name in scales:
        if len(storage.members(name)) == 1 and name in statistics:
            weights = _meeting_weights(graph, name, consumers[name], choices)
            if weights:
                scales[name] = _equalised(rule, statistics[name], weights, scales[name])
    return scales


def _needs_symmetry(graph: Graph, name: str, node: Node) -> bool:
    """A product with another runtime tensor has no constant correction for a zero point."""
    return is_float_matrix(graph, node) and (node.inputs[0] != name or node.inputs[1] not in graph.constants)


def _meeting_weights(graph: Graph, name: str, readers: list[Node],
                     choices: Mapping[str, LayerChoice]) -> list[np.ndarray]:
    """Weights of the readers by input channel, or none where a reader needs one scale for the whole tensor.

    A convolution does: ranges of its channels differ between pictures (grey and coloured ones), and a scale fitted to a
    few of them saturates on others. EfficientNet-Lite0 lost half its cosine that way.
    """
    found = []
    for node in readers:
        if isinstance(node.op, Map):
            continue
        if isinstance(node.op, Conv):
            return []
        if not is_float_matrix(graph, node) or node.inputs[0] != name or node.inputs[1] not in graph.constants:
            return []
        if choices[node.output] != LayerChoice(1, True):
            continue
        found.append(by_input_channel(node, graph.constants[node.inputs[1]]))
    return found


def by_input_channel(node: Node, weights: np.ndarray) -> np.ndarray:
    """[groups, channels of a group, products of a channel and filter, filters of a group]; a matrix has one group."""
    w = np.asarray(weights, np.float32)
    if not isinstance(node.op, Conv):
        return np.moveaxis(w, -2, 0).reshape(1, w.shape[-2], -1, w.shape[-1])
    height, width, channels, filters = w.shape
    groups = node.op.groups
    return w.reshape(height * width, channels, groups, filters // groups).transpose(2, 1, 0, 3)


def _equalised(rule: ScaleRule, statistics: Statistics, weights: list[np.ndarray],
               shared: AffineScale) -> AffineScale:
    """The per-channel scale of least expected error, or ``shared`` itself."""
    widest = _channel_bounds(statistics.low, statistics.high, shared.zero)
    if not widest.size or widest.max() <= 0 or any(w.shape[0] * w.shape[1] != len(widest) for w in weights):
        return shared
    levels = max(127 - shared.zero, 128 + shared.zero)
    kept = statistics.thresholds(rule.method, rule.options.percentile, levels)
    x = widest * kept / np.where(statistics.magnitude > 0, statistics.magnitude, 1.0)
    x = np.maximum(x, 1e-3 * x.max())
    w = np.maximum.reduce([np.abs(a).max(axis=(2, 3)).reshape(-1) for a in weights])
    w = np.maximum(w, max(1e-3 * float(w.max()), 1e-30))
    best, best_error = shared, _expected_error(statistics, weights, np.broadcast_to(shared.scale, x.shape), levels)
    for exponent in EXPONENTS:
        move = x**exponent / w ** (1 - exponent)
        candidate = np.minimum(move * np.max(x / move), widest.max())
        error = _expected_error(statistics, weights, candidate, levels)
        if error < MIN_GAIN * best_error:
            best, best_error = AffineScale(candidate, shared.zero), error
    return best


def _expected_error(statistics: Statistics, weights: list[np.ndarray], scale: np.ndarray, levels: int) -> float:
    """Squared error of one output position, summed over filters: x rounded and clipped, weights rounded.

    What weights lose does not change when all scales grow by one factor: relative ones keep binary32 from overflowing.
    """
    noise = scale**2 / 12 + statistics.clipped_power(scale * levels)
    relative = scale / scale.max()
    total = 0.0
    for w in weights:
        groups, channels, _, _ = w.shape
        lost = w * relative.astype(np.float32).reshape(groups, channels, 1, 1)
        step = np.maximum(lost.max(axis=(1, 2), keepdims=True), -lost.min(axis=(1, 2), keepdims=True)) / limit(1)
        step = np.where(step > 0, step, np.float32(1))
        lost /= step
        lost -= np.rint(lost)
        lost *= step
        total += float(noise @ _power_by_channel(w))
        total += float(statistics.power @ (_power_by_channel(lost) / relative**2))
    return total


def _power_by_channel(w: np.ndarray) -> np.ndarray:
    """Sum of squares of every input channel, of what `by_input_channel` gives."""
    return np.einsum("gcpf,gcpf->gc", w, w, dtype=np.float64).reshape(-1)
