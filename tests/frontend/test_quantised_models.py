"""Models as ONNX Runtime's own quantiser writes them: QDQ, QLinear and dynamic."""

import warnings

import numpy as np
import onnx
import pytest
from onnx_models import convolution_network, reference
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from seedchip.frontend import load_model
from seedchip.graph.ops import Conv
from seedchip.graph.reference import evaluate
from seedchip.graph.verify import verify


class Images(CalibrationDataReader):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.images = iter([{"x": rng.standard_normal((1, 3, 12, 10)).astype(np.float32)} for _ in range(4)])

    def get_next(self):
        return next(self.images, None)


@pytest.fixture
def paths(tmp_path):
    onnx.save(convolution_network(), tmp_path / "float.onnx")
    return tmp_path / "float.onnx", tmp_path / "quantised.onnx"


def compare(path, atol):
    """Largest difference from ONNX Runtime, and the graph."""
    feeds = {"x": np.random.default_rng(5).standard_normal((1, 3, 12, 10)).astype(np.float32)}
    graph = load_model(path)
    verify(graph)
    (got,), (want,) = evaluate(graph, feeds).values(), reference(onnx.load(path), feeds)
    np.testing.assert_allclose(got, want, atol=atol)
    return graph


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("activation", "weight"), [("QInt8", "QInt8"), ("QUInt8", "QInt8"), ("QUInt8", "QUInt8")])
@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
def test_statically_quantised_networks_run_on_integers_throughout(paths, form, activation, weight, per_channel):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_static(*map(str, paths), Images(), quant_format=QuantFormat[form], per_channel=per_channel,
                        activation_type=QuantType[activation], weight_type=QuantType[weight])
    graph = compare(paths[1], atol=1.01 / 256)  # one code of the output
    convolutions = [n for n in graph if isinstance(n.op, Conv)]
    assert len(convolutions) == 4
    assert all(graph.types[n.output].dtype == "int32" for n in convolutions)


def test_dynamically_quantised_networks_agree(paths):
    quantize_dynamic(*map(str, paths), weight_type=QuantType.QInt8)
    compare(paths[1], atol=0.01)
