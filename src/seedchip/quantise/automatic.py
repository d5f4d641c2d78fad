"""Precision "auto": every layer runs in the cheapest way that keeps its own error and the network's within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seedchip.graph.ir import Graph, Node
from seedchip.graph.ops import MatMul
from seedchip.graph.reference import evaluate, evaluate_all
from seedchip.quantise.accuracy import cosine, sqnr_db
from seedchip.quantise.calibration import Feeds, Statistics
from seedchip.quantise.options import LayerChoice
from seedchip.quantise.rewrite import Rewriter
from seedchip.quantise.scales import ScaleRule
from seedchip.quantise.storage import is_float_matrix

MAX_FEEDS = 4
"""Calibration feeds on which candidates are run."""
MAX_ROUNDS = 24
RAISED_SHARE = 0.1
"""Share of the layers that is raised before the network is run again."""

_STATIC = tuple(LayerChoice(n, True) for n in (1, 2, 3))
CONV_LADDER = _STATIC
MATMUL_LADDER = (_STATIC[0], LayerChoice(1, False), *_STATIC[1:])
"""Ways to run a layer, cheapest first: scales from calibration, scales per row at run time, more limbs."""


@dataclass(frozen=True)
class Candidate:
    """A quantised graph with the choices that made it and its worst cosine on the feeds."""

    graph: Graph
    choices: Mapping[str, LayerChoice]
    rule: ScaleRule
    cosine: float


class Search:
    """Greedy choice of a precision per layer on calibration feeds."""

    def __init__(self, graph: Graph, feeds: Sequence[Feeds], statistics: Mapping[str, Statistics], rule: ScaleRule,
                 fixed: Mapping[str, LayerChoice]) -> None:
        self.graph, self.feeds, self.statistics = graph, feeds[:MAX_FEEDS], statistics
        self.rule, self.fixed = rule, fixed
        self.layers = [n for n in graph.nodes if is_float_matrix(graph, n) and n.output not in fixed]
        self.ladders = {n.output: MATMUL_LADDER if isinstance(n.op, MatMul) else CONV_LADDER for n in self.layers}
        self.exact = [evaluate(graph, feed) for feed in self.feeds]

    def run(self) -> Graph:
        """The first graph that reaches ``options.cosine``, or the best that was found."""
        noise = self._isolated_sqnr()
        levels = {name: next((i for i, db in enumerate(row) if db >= self.rule.options.layer_sqnr_db), len(row) - 1)
                  for name, row in noise.items()}
        best = self._best_rule(levels)
        for _ in range(MAX_ROUNDS):
            if best.cosine >= self.rule.options.cosine or not self._raise_worst(levels, noise):
                break
            candidate = self._try(levels, best.rule)
            best = candidate if candidate.cosine >= best.cosine else best
        return best.graph

    def _best_rule(self, levels: Mapping[str, int]) -> Candidate:
        """Equalisation and bias correction as asked, and both off: whichever agrees better."""
        first = self._try(levels, self.rule)
        options = self.rule.options
        if first.cosine >= options.cosine or not (options.equalise or options.bias_correction):
            return first
        plain = self._try(levels, replace(self.rule, options=replace(options, equalise=False, bias_correction=False)))
        return plain if plain.cosine > first.cosine else first

    def _try(self, levels: Mapping[str, int], rule: ScaleRule) -> Candidate:
        choices = {**{name: self.ladders[name][level] for name, level in levels.items()}, **self.fixed}
        graph = Rewriter(self.graph, choices, self.statistics, rule).run()
        worst = 1.0
        for feed, exact in zip(self.feeds, self.exact, strict=True):
            found = evaluate(graph, feed)
            worst = min([worst, *(cosine(exact[name], found[name]) for name in exact)])
        return Candidate(graph, choices, rule, worst)

    def _raise_worst(self, levels: dict[str, int], noise: Mapping[str, Sequence[float]]) -> bool:
        """One step up the ladder for the layers with the most noise; False when all are at the top."""
        open_layers = [name for name, level in levels.items() if level + 1 < len(self.ladders[name])]
        open_layers.sort(key=lambda name: noise[name][levels[name]])
        for name in open_layers[:max(1, int(len(levels) * RAISED_SHARE))]:
            now = noise[name][levels[name]]
            better = [i for i in range(levels[name] + 1, len(self.ladders[name])) if noise[name][i] > now + 1]
            levels[name] = better[0] if better else len(self.ladders[name]) - 1
        return bool(open_layers)

    def _isolated_sqnr(self) -> dict[str, list[float]]:
        """Every layer alone, on exact operands of the first feed, at every step of its ladder (dB)."""
        values = evaluate_all(self.graph, self.feeds[0])
        return {node.output: [self._layer_sqnr(node, choice, values) for choice in self.ladders[node.output]]
                for node in self.layers}

    def _layer_sqnr(self, node: Node, choice: LayerChoice, values: Mapping[str, np.ndarray]) -> float:
        constants = {n: self.graph.constants[n] for n in node.inputs if n in self.graph.constants}
        inputs = tuple(dict.fromkeys(n for n in node.inputs if n not in constants))
        names = (*node.inputs, node.output)
        alone = Graph("layer", inputs, {"result": node.output}, constants, (node,),
                      {n: self.graph.types[n] for n in names})
        quantised = Rewriter(alone, {node.output: choice}, self.statistics, self.rule).run()
        return sqnr_db(values[node.output], evaluate(quantised, {n: values[n] for n in inputs})["result"])
