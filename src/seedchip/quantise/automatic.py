"""Precision "auto": the cheapest way to run every layer such that the network's error stays within its bound.

Rounding errors of different layers are nearly uncorrelated, so the error power at the outputs is close to the sum of
what each layer causes alone. Each layer's share is measured once, by putting its int8 result into the binary32
network. Layers are then raised in order of error removed per cycle spent until the sum is small enough, and the network
is run to check; what the sum missed corrects the next round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import Conv, MatMul
from seedchip.graph.reference import compute_in, evaluate, evaluate_all
from seedchip.quantise.accuracy import cosine
from seedchip.quantise.calibration import Feeds, Statistics
from seedchip.quantise.options import LayerChoice
from seedchip.quantise.rewrite import Rewriter
from seedchip.quantise.scales import ScaleRule
from seedchip.quantise.storage import is_float_matrix

MAX_FEEDS = 6
"""Calibration feeds on which networks are compared; shares of layers are measured on the one of middling error."""
UNSEEN = 0.4
"""Share of the allowed distance from 1 that the cosine may use up on calibration feeds: feeds that calibration has not
seen come out further away (measured on EfficientNet-Lite0 and MiniLM: about twice as far)."""
MAX_ROUNDS = 8
MARGIN = 0.7
"""Share of the allowed error power that a prediction may use up."""
LIMB_GAIN = 1e-4
"""Error power that one more limb leaves, at most (8 bits less step: 2**-16)."""
ARRAY, LANES, ROW_PASSES = 256, 16, 3
"""Multipliers and lanes of the chip that costs are weighed for, and vector passes that a run-time scale takes."""

_STATIC = tuple(LayerChoice(n, True) for n in (1, 2, 3))
CONV_LADDER = _STATIC
MATMUL_LADDER = (_STATIC[0], LayerChoice(1, False), *_STATIC[1:])
"""Ways to run a layer, cheapest first: scales from calibration, scales per row at run time, more limbs."""


@dataclass(frozen=True)
class Candidate:
    """A quantised graph, how its scales were found and the worst output's cosine, over each feed and all together."""

    graph: Graph
    rule: ScaleRule
    cosine: float
    typical_feed: int

    @property
    def error(self) -> float:
        """Relative error power at the outputs: ``1 - cos**2`` of the worst one."""
        return max(1 - self.cosine**2, 1e-15)


class Search:
    """Greedy choice of a precision per layer on calibration feeds."""

    def __init__(self, graph: Graph, feeds: Sequence[Feeds], statistics: Mapping[str, Statistics], rule: ScaleRule,
                 fixed: Mapping[str, LayerChoice]) -> None:
        self.graph, self.feeds, self.statistics = graph, feeds[:MAX_FEEDS], statistics
        self.rule, self.fixed = rule, fixed
        self.target = 1 - UNSEEN * (1 - rule.options.cosine)
        self.layers = {n.output: n for n in graph.nodes if is_float_matrix(graph, n) and n.output not in fixed}
        self.exact = [evaluate(graph, feed, sums=np.float32) for feed in self.feeds]
        self.values: Mapping[str, np.ndarray] = {}

    def run(self) -> Graph:
        """The first graph that reaches the target, or the best that was found."""
        levels = dict.fromkeys(self.layers, 0)
        best = self._best_rule(levels)
        if best.cosine >= self.target or not self.layers:
            return best.graph
        self.values = evaluate_all(self.graph, self.feeds[best.typical_feed], sums=np.float32)
        shares = {name: self._shares(node, best.rule) for name, node in self.layers.items()}
        trust = best.error / max(sum(s[0] for s in shares.values()), 1e-30)
        allowed = 1 - self.target**2
        for _ in range(MAX_ROUNDS):
            predicted = self._raise(levels, shares, MARGIN * allowed / trust)
            candidate = self._try(levels, best.rule)
            best = candidate if candidate.cosine > best.cosine else best
            if best.cosine >= self.target or all(v + 1 == len(shares[n]) for n, v in levels.items()):
                break
            trust = max(1.5 * trust, candidate.error / max(predicted, 1e-30))
        return best.graph

    def _best_rule(self, levels: Mapping[str, int]) -> Candidate:
        """Equalisation and bias correction as asked, and the least-squares thresholds: whichever agrees better."""
        best = self._try(levels, self.rule)
        if best.cosine < self.target and self.rule.method != "mse":
            other = self._try(levels, replace(self.rule, method="mse"))
            best = other if other.cosine > best.cosine else best
        if best.cosine < self.target and self.rule.options.bias_correction:
            plain = replace(best.rule, options=replace(self.rule.options, bias_correction=False))
            other = self._try(levels, plain)
            best = other if other.cosine > best.cosine else best
        return best

    def _try(self, levels: Mapping[str, int], rule: ScaleRule) -> Candidate:
        choices = {**{name: ladder(self.layers[name])[level] for name, level in levels.items()}, **self.fixed}
        graph = Rewriter(self.graph, choices, self.statistics, rule).run()
        found = [evaluate(graph, feed, sums=np.float32) for feed in self.feeds]
        single = [min((cosine(e[name], f[name]) for name in e), default=1.0)
                  for e, f in zip(self.exact, found, strict=True)]
        whole = min((cosine(_joined(self.exact, name), _joined(found, name)) for name in self.exact[0]), default=1.0)
        return Candidate(graph, rule, min(whole, *single), int(np.argsort(single)[len(single) // 2]))

    def _shares(self, node: Node, rule: ScaleRule) -> list[float]:
        """Relative error power at the outputs that the layer causes alone, at every step of its ladder."""
        shares: list[float] = []
        for choice in ladder(node):
            if choice.num_limbs == 1:
                shares.append(self._damage(node, self._alone(node, choice, rule)))
            else:
                shares.append(shares[0] * LIMB_GAIN ** (choice.num_limbs - 1))
        return shares

    def _alone(self, node: Node, choice: LayerChoice, rule: ScaleRule) -> np.ndarray:
        """The layer's quantised result on exact operands."""
        constants = {n: self.graph.constants[n] for n in node.inputs if n in self.graph.constants}
        inputs = tuple(dict.fromkeys(n for n in node.inputs if n not in constants))
        types = {n: self.graph.types[n] for n in (*node.inputs, node.output)}
        layer = Graph("layer", inputs, {"result": node.output}, constants, (node,), types)
        quantised = Rewriter(layer, {node.output: choice}, self.statistics, rule).run()
        return evaluate(quantised, {n: self.values[n] for n in inputs})["result"]

    def _damage(self, node: Node, result: np.ndarray) -> float:
        changed = {node.output: result}
        for later in self.graph.nodes:
            if later.output != node.output and any(n in changed for n in later.inputs):
                operands = (changed[n] if n in changed else self.values[n] for n in later.inputs)
                changed[later.output] = compute_in(np.float32, later.op, *operands)
        reached = [n for n in self.graph.outputs.values() if n in changed]
        return max((1 - cosine(self.values[n], changed[n]) ** 2 for n in reached), default=0.0)

    def _raise(self, levels: dict[str, int], shares: Mapping[str, Sequence[float]], allowed: float) -> float:
        """Raises layers, most error removed per cycle first, until the sum of shares is allowed; returns the sum."""
        total = sum(shares[name][level] for name, level in levels.items())
        while total > allowed:
            steps = [((shares[name][level] - shares[name][up]) / (self._cycles(name, up) - self._cycles(name, level)),
                      name, up)
                     for name, level in levels.items() for up in range(level + 1, len(shares[name]))]
            if not steps:
                break
            _, name, up = max(steps)
            total -= shares[name][levels[name]] - shares[name][up]
            levels[name] = up
        return total

    def _cycles(self, name: str, level: int) -> float:
        """Cycles of a layer on the array and, for run-time scales, on the lanes; each step up costs more."""
        node = self.layers[name]
        choice = ladder(node)[level]
        operands = [self.graph.types[n] for n in node.inputs]
        depth = int(np.prod(operands[1].shape[:3])) if isinstance(node.op, Conv) else operands[0].shape[-1]
        cycles = choice.num_passes * self.graph.types[node.output].num_elements * depth / ARRAY
        runtime = sum(operands[i].num_elements for i, n in enumerate(node.inputs) if n not in self.graph.constants)
        vector_passes = 0 if choice == _STATIC[0] else ROW_PASSES * (1 if choice.num_limbs == 1 else choice.num_limbs)
        return cycles + vector_passes * runtime / LANES + level


def _joined(runs: Sequence[Mapping[str, np.ndarray]], name: str) -> np.ndarray:
    return np.concatenate([run[name].reshape(-1) for run in runs])


def ladder(node: Node) -> tuple[LayerChoice, ...]:
    """The ways to run a matrix node, cheapest first."""
    return MATMUL_LADDER if isinstance(node.op, MatMul) else CONV_LADDER
