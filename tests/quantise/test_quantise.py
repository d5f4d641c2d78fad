"""Quantised graphs against the binary32 graphs that they came from."""

from __future__ import annotations

import re

import numpy as np
import pytest
from networks import Net, attention_network, image_network, normal_feeds

from seedchip.graph.ops import Conv, Map, MatMul
from seedchip.graph.reference import evaluate, evaluate_all
from seedchip.graph.verify import verify
from seedchip.numerics.expression import apply, argument
from seedchip.quantise import QuantiseError, QuantiseOptions, quantise, report_accuracy
from seedchip.quantise.hoist import hoist_row_factors

NETWORKS = {"image": image_network, "attention": attention_network}
MIN_SQNR_DB = {"int8": 25.0, "int16": 70.0, "int24": 110.0}


def output_db(graph, quantised, feeds):
    return report_accuracy(graph, quantised, feeds).outputs[0].sqnr_db


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", MIN_SQNR_DB)
@pytest.mark.parametrize("static", [True, False])
def test_every_precision_reaches_its_accuracy(network, precision, static):
    graph = NETWORKS[network]()
    calibration = normal_feeds(graph) if static else None
    quantised = quantise(graph, precision=precision, calibration=calibration)
    assert output_db(graph, quantised, normal_feeds(graph, seed=5 if static else 9)) >= MIN_SQNR_DB[precision]


@pytest.mark.parametrize("network", NETWORKS)
def test_all_matrix_nodes_become_int8_with_int32_sums(network):
    quantised = quantise(NETWORKS[network](), precision="int16")
    matrices = [n for n in quantised.nodes if isinstance(n.op, (Conv, MatMul))]
    assert matrices
    assert {quantised.types[i].dtype for n in matrices for i in n.inputs} == {"int8"}
    assert {quantised.types[n.output].dtype for n in matrices} == {"int32"}


def test_a_calibrated_image_network_stores_int8_between_its_layers():
    graph = image_network()
    quantised = quantise(graph, calibration=normal_feeds(graph))
    maps = [n for n in quantised.nodes if isinstance(n.op, Map) and quantised.types[n.output].shape[1:3] != (1, 1)]
    assert {quantised.types[n.output].dtype for n in maps if n.output != "out"} == {"int8"}


def test_a_transformers_residual_stream_stays_binary32():
    graph = attention_network()
    quantised = quantise(graph, calibration=normal_feeds(graph))
    tail = next(n for n in quantised.nodes if n.output == "result")
    assert "x" in tail.inputs
    assert "x/int8" in quantised.types


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("precision", ["int8", "int24"])
def test_run_time_scales_never_cross_a_batch(network, precision):
    two, one = NETWORKS[network](batch=2), NETWORKS[network](batch=1)
    feed = normal_feeds(two, 1)[0]
    together = evaluate(quantise(two, precision=precision), feed)
    alone = evaluate(quantise(one, precision=precision), {"x": feed["x"][1:]})
    for name, value in alone.items():
        np.testing.assert_array_equal(value, together[name][1:])


def test_zero_points_give_activations_behind_relu_another_bit():
    net = Net(3)
    x = net.relu("positive", net.input("x", 1, 8, 8, 4))
    graph = net.graph(net.conv("y", x, 4, kernel=1))
    feeds = normal_feeds(graph)
    plain = QuantiseOptions(asymmetric=False, equalise=False)
    asymmetric = QuantiseOptions(asymmetric=True, equalise=False)
    gain = output_db(graph, quantise(graph, calibration=feeds, options=asymmetric), feeds) \
        - output_db(graph, quantise(graph, calibration=feeds, options=plain), feeds)
    assert 2.0 < gain < 7.0


def test_padding_reads_the_code_of_zero():
    graph = image_network()
    quantised = quantise(graph, calibration=normal_feeds(graph))
    second = next(n for n in quantised.nodes if n.output == "conv2_sum/sum")
    assert isinstance(second.op, Conv)
    assert second.op.pad_value == -128  # behind ReLU


def test_equalisation_rescues_channels_of_unequal_range():
    net = Net(4)
    x = net.input("x", 1, 64, 8)
    spread = net.const("spread", 10.0 ** np.linspace(-2, 1, 8))
    wide = net.add("wide", Map(apply("mul", argument(0), argument(1))), x, spread)
    narrow = net.const("w", net.rng.normal(size=(8, 4)) / net.constants["spread"][:, None])
    graph = net.graph(net.add("y", MatMul(), wide, narrow))
    feeds = normal_feeds(graph)
    without = quantise(graph, calibration=feeds, options=QuantiseOptions(equalise=False))
    assert output_db(graph, quantise(graph, calibration=feeds), feeds) > output_db(graph, without, feeds) + 15


def test_bias_correction_removes_the_mean_error_of_rounded_weights():
    net = Net(6)
    x = net.relu("x_positive", net.input("x", 1, 256, 32))
    graph = net.graph(net.dense("y", x, 8))
    feeds = normal_feeds(graph, 4)
    errors = {}
    for correct in (False, True):
        options = QuantiseOptions(bias_correction=correct, equalise=False)
        found = quantise(graph, calibration=feeds, options=options)
        errors[correct] = np.mean([evaluate(found, f)["y"] - evaluate(graph, f)["y"] for f in feeds], axis=(0, 1, 2))
    assert np.abs(errors[True]).max() < 0.5 * np.abs(errors[False]).max()


def test_automatic_precision_raises_only_what_the_target_needs():
    graph = image_network()
    feeds = normal_feeds(graph)
    easy = quantise(graph, precision="auto", calibration=feeds, options=QuantiseOptions(cosine=0.99))
    hard = quantise(graph, precision="auto", calibration=feeds, options=QuantiseOptions(cosine=0.999999))
    assert {x.num_pairs for x in report_accuracy(graph, easy, feeds).layers} == {1}
    report = report_accuracy(graph, hard, feeds)
    assert report.cosine >= 0.999999
    assert max(x.num_pairs for x in report.layers) > 1


def test_single_layers_can_be_set_by_name():
    graph = image_network()
    options = QuantiseOptions(layers={"conv3_sum": "int16"})
    report = report_accuracy(graph, quantise(graph, options=options), normal_feeds(graph))
    assert {x.layer: x.num_pairs for x in report.layers if x.num_pairs > 1} == {"conv3_sum": 4}


def test_a_quantised_graph_is_left_as_it_is():
    graph = image_network()
    feeds = normal_feeds(graph)
    once = quantise(graph, calibration=feeds)
    twice = quantise(once)
    assert len(twice.nodes) == len(once.nodes)
    np.testing.assert_array_equal(evaluate(once, feeds[0])["out"], evaluate(twice, feeds[0])["out"])


def test_an_inner_axis_too_long_for_exact_sums_is_cut():
    net = Net(7)
    x = net.input("x", 1, 70000)
    graph = net.graph(net.add("y", MatMul(), x, net.const("w", net.rng.normal(size=(70000, 2)))))
    quantised = quantise(graph, precision="int16")
    feed = normal_feeds(graph, 1)[0]
    assert sum(isinstance(n.op, MatMul) for n in quantised.nodes) == 6
    np.testing.assert_allclose(evaluate(quantised, feed)["y"], evaluate(graph, feed)["y"], rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 20000), (3, 8209)])
def test_run_time_scales_of_long_rows_are_found_in_stages(shape):
    net = Net(8)
    x = net.input("x", *shape)
    graph = net.graph(net.add("y", MatMul(), x, net.const("w", net.rng.normal(size=(shape[1], 2)))))
    feed = normal_feeds(graph, 1)[0]
    quantised = quantise(graph)
    scale = next(v for n, v in evaluate_all(quantised, feed).items() if n.endswith("/scale"))
    np.testing.assert_allclose(scale.reshape(-1), np.abs(feed["x"]).max(axis=1) / 127, rtol=1e-6)


def test_empty_products_become_zeros():
    net = Net(9)
    x = net.input("x", 3, 0)
    graph = net.graph(net.add("y", MatMul(), x, net.const("w", np.zeros((0, 4)))))
    np.testing.assert_array_equal(evaluate(quantise(graph), {"x": np.zeros((3, 0), np.float32)})["y"], np.zeros((3, 4)))


def test_rows_of_zeros_give_zeros():
    graph = attention_network()
    feed = {"x": np.zeros(graph.types["x"].shape, np.float32)}
    for precision in MIN_SQNR_DB:
        found = evaluate(quantise(graph, precision=precision), feed)["result"]
        np.testing.assert_allclose(found, evaluate(graph, feed)["result"], atol=0.02)


REFUSALS = {
    "precision must be one of int8, int16, int24, auto, not 'int4'": {"precision": "int4"},
    "method must be one of minmax, percentile, mse, not 'best'": {"method": "best"},
    "precision 'auto' must have calibration data to measure on; pass calibration=[feeds, ...] or choose int8, int16 or "
    "int24": {"precision": "auto"},
    "static activations must have calibration data; pass calibration=[feeds, ...] or activations='dynamic'":
        {"options": QuantiseOptions(activations="static")},
    "calibration must hold at least one set of feeds; pass representative inputs or calibration=None":
        {"calibration": []},
    "calibration feed 0 must hold input 'x'; add it": {"calibration": [{}]},
    "calibration feed 0 must give input 'x' the shape (2, 16, 16, 3), not (1,); reshape it or bind other sizes":
        {"calibration": [{"x": np.zeros(1)}]},
    "tensor 'x' must be finite on calibration feed 0, but it holds NaN or infinity; remove that feed or repair the "
    "model": {"calibration": [{"x": np.full((2, 16, 16, 3), np.nan, np.float32)}]},
}


@pytest.mark.parametrize("sentence", REFUSALS)
def test_wrong_requests_get_a_sentence(sentence):
    with pytest.raises(QuantiseError, match=f"^{re.escape(sentence)}$"):
        quantise(image_network(), **REFUSALS[sentence])


def test_weights_that_are_not_finite_get_a_sentence():
    net = Net()
    graph = net.graph(net.add("y", MatMul(), net.input("x", 2, 2), net.const("w", [[1, np.inf], [0, 1]])))
    sentence = "weights 'w' of 'y' must be finite, but they hold NaN or infinity; repair or train the model again"
    with pytest.raises(QuantiseError, match=f"^{re.escape(sentence)}$"):
        quantise(graph)


def test_the_division_of_a_softmax_follows_the_product_behind_it():
    graph = attention_network()
    hoisted = hoist_row_factors(graph)
    verify(hoisted)
    product = next(n for n in hoisted.nodes if n.output == "mixed/unscaled")
    assert product.inputs == ("powers", "v")
    assert hoisted.types["shares"].shape == (2, 12, 1)
    feed = normal_feeds(graph, 1)[0]
    np.testing.assert_allclose(evaluate(hoisted, feed)["result"], evaluate(graph, feed)["result"], rtol=1e-5, atol=1e-6)
