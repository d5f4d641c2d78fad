"""Post-training quantisation: a binary32 graph in, a graph whose matrix products are exact int8 out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from threadpoolctl import threadpool_limits

from seedchip.graph.ir import Graph
from seedchip.graph.verify import verify
from seedchip.numerics.limbs import NUM_LIMBS
from seedchip.quantise.automatic import Search
from seedchip.quantise.calibration import METHODS, Feeds, Method, Statistics, observe
from seedchip.quantise.errors import QuantiseError
from seedchip.quantise.hoist import hoist_row_factors
from seedchip.quantise.options import PRECISIONS, LayerChoice, Precision, QuantiseOptions
from seedchip.quantise.rewrite import Rewriter
from seedchip.quantise.scales import ScaleRule
from seedchip.quantise.storage import is_float_matrix, moves_codes

DEFAULT_OPTIONS = QuantiseOptions()


@threadpool_limits.wrap(limits=1, user_api="blas")  # matrices are small: threads would wait more than they work
def quantise(graph: Graph, *, precision: Precision = "int8", calibration: Sequence[Feeds] | None = None,
             method: Method = "minmax", options: QuantiseOptions = DEFAULT_OPTIONS) -> Graph:
    """The same network with int8 matrix nodes and folded maps; its value is `seedchip.graph.reference.evaluate`.

    Args:
        graph: a verified graph. Matrix nodes that are int8 already stay as they are; maps behind them are folded.
        precision: one, two or three INT8 limbs an operand, or "auto": per layer what the accuracy targets need.
        calibration: feeds that represent real use, by input name. Without them scales are computed at run time.
        method: how a clipping threshold follows from what calibration saw.
        options: see `QuantiseOptions`.

    Raises:
        QuantiseError: unknown choices, static scales or "auto" without calibration, or numbers that are not finite.
    """
    _check_choices(graph, precision, calibration, method, options)
    graph = hoist_row_factors(graph)
    layers = [node.output for node in graph.nodes if is_float_matrix(graph, node)]
    static = calibration is not None and options.activations != "dynamic"
    num_limbs = NUM_LIMBS.get(precision, 1)
    fixed = {name: LayerChoice(NUM_LIMBS[p], static) for name, p in options.layers.items()}
    choices = {name: fixed.get(name, LayerChoice(num_limbs, static)) for name in layers}
    statistics = _statistics(graph, calibration) if calibration is not None and layers else {}
    rule = ScaleRule(method, options)
    if precision == "auto" and layers:
        result = Search(graph, calibration or [], statistics, rule, fixed).run()
    else:
        result = Rewriter(graph, choices, statistics, rule).run()
    verify(result)
    return result


def _check_choices(graph: Graph, precision: str, calibration: Sequence[Feeds] | None, method: str,
                   options: QuantiseOptions) -> None:
    if precision not in PRECISIONS:
        raise QuantiseError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    if method not in METHODS:
        raise QuantiseError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if calibration is None and options.activations == "static":
        raise QuantiseError("static activations must have calibration data; pass calibration=[feeds, ...] or "
                            "activations='dynamic'")
    if calibration is None and precision == "auto":
        raise QuantiseError("precision 'auto' must have calibration data to measure on; pass calibration=[feeds, ...] "
                            "or choose int8, int16 or int24")
    if calibration is not None and not len(calibration):
        raise QuantiseError("calibration must hold at least one set of feeds; pass representative inputs or "
                            "calibration=None")
    layers = {node.output for node in graph.nodes if is_float_matrix(graph, node)}
    for name in options.layers:
        if name not in layers:
            raise QuantiseError(f"QuantiseOptions.layers must name results of matrix nodes, not {name!r}; "
                                f"the first are {', '.join(sorted(layers)[:4])}")


def _statistics(graph: Graph, feeds: Sequence[Feeds]) -> Mapping[str, Statistics]:
    """Ranges of every runtime tensor that may get static scales: operands of matrix nodes and image tensors."""
    names: set[str] = set()
    for node in reversed(graph.nodes):
        image = graph.types[node.output].dtype == "float32" and len(graph.types[node.output].shape) == 4
        if image:
            names.add(node.output)
        if is_float_matrix(graph, node) or (moves_codes(node) and node.output in names):
            names.update(node.inputs)
    return observe(graph, feeds, names - set(graph.constants))
