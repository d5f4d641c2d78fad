"""Bad files get one sentence, quickly; sound ones are read."""

import os
import time

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_models import FLOAT, convolution_network, model, quantised_network

from seedchip.frontend import ModelError, load_model
from seedchip.graph.verify import verify

RELU = helper.make_node("Relu", ["x"], ["y"], "relu")


def sentence(source, **options) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(source, **options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / "none.onnx"
    assert sentence(path) == f"{path}: the model file must be readable, but no such file or directory; check the path"


def test_a_folder_is_not_a_model(tmp_path):
    assert sentence(tmp_path) == f"{tmp_path}: a model must be a regular file; give the path of a .onnx file"


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 2000])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "short.onnx"
    path.write_bytes(convolution_network().SerializeToString()[:keep])
    assert str(path) in sentence(path)


def test_text_is_refused(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("this is no model" * 100)
    assert sentence(path) == (f"{path}: the file must be an ONNX model, but it is truncated, damaged or of another "
                              "format; export or download it again")


def test_deep_nesting_is_refused(tmp_path):
    """Graphs inside graphs, deeper than protobuf and the loader allow, written by hand: the library refuses to."""
    def length(n: int) -> bytes:
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + length(n >> 7)

    inner = b""
    for _ in range(300):
        attribute = b"\x32" + length(len(inner)) + inner
        node = b"\x2a" + length(len(attribute)) + attribute
        inner = b"\x0a" + length(len(node)) + node
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x3a" + length(len(inner)) + inner)
    assert "must" in sentence(path)


def test_a_cycle_is_named():
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], "first"), helper.make_node("Relu", ["a"], ["b"], "second")]
    assert sentence(model(nodes, {"x": (FLOAT, [2])}, ["b"])) == (
        "test: a graph must not have cycles, but node 'first' (Add) depends on itself; export the model again")


def test_nodes_in_any_order_are_sorted():
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Neg", ["x"], ["a"])]
    graph = load_model(model(nodes, {"x": (FLOAT, [2])}, ["y"]))
    verify(graph)
    assert [n.op.name for n in graph] == ["map"]


def test_a_name_defined_twice_is_refused():
    assert sentence(model([RELU, RELU], {"x": (FLOAT, [2])}, ["y"])) == (
        "test: tensor names must be unique, but node output 'y' is defined twice; export the model again")


def test_a_tensor_that_nothing_makes_is_refused():
    text = sentence(model([helper.make_node("Relu", ["z"], ["y"], "relu")], {"x": (FLOAT, [2])}, ["y"]))
    assert text == ("test: node 'relu' (Relu) must read a tensor that exists, but nothing makes 'z'; export the model "
                    "again")


def test_an_output_that_nothing_makes_is_refused():
    assert sentence(model([RELU], {"x": (FLOAT, [2])}, ["q"])) == (
        "test: graph output 'q' must be made by a node, but none makes it; export the model again")


def test_an_unknown_domain_is_named():
    proto = model([helper.make_node("Relu", ["x"], ["y"], "relu", domain="my.own")], {"x": (FLOAT, [2])}, ["y"])
    assert sentence(proto) == ("test: node 'relu' (Relu) must come from a known domain, not 'my.own'; export the model "
                               "with standard operators only")


def test_an_operator_set_of_the_future_is_refused():
    newest = onnx.defs.onnx_opset_version()
    assert sentence(model([RELU], {"x": (FLOAT, [2])}, ["y"], opset=newest + 7)) == (
        f"test: the operator set must be version 1 to {newest}, not {newest + 7}; export the model for an older "
        "operator set or update the onnx package")


@pytest.mark.parametrize(("bad", "words"), [(np.nan, "must not hold NaN"), (np.inf, "must not hold infinite weights")])
def test_weights_that_are_no_numbers_are_refused(bad, words):
    proto = convolution_network()
    w = next(t for t in proto.graph.initializer if t.name == "w2")
    array = onnx.numpy_helper.to_array(w).copy()
    array[3, 0, 1, 1] = bad
    w.CopyFrom(onnx.numpy_helper.from_array(array, "w2"))
    assert sentence(proto) == f"test: tensor 'w2' {words}; repair or train the model again"


def test_a_mask_of_negative_infinity_is_no_weight():
    mask = np.triu(np.full((4, 4), -np.inf, np.float32), 1)
    graph = load_model(model([helper.make_node("Add", ["x", "m"], ["y"])], {"x": (FLOAT, [4, 4])}, ["y"], {"m": mask}))
    verify(graph)
    assert np.array_equal(next(iter(graph.constants.values())), mask)


def test_a_tensor_larger_than_its_bytes_is_refused_before_it_is_made():
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": (FLOAT, [1])}, ["y"])
    proto.graph.initializer.append(TensorProto(name="w", data_type=FLOAT, dims=[2**30], raw_data=b"1234"))
    assert sentence(proto) == ("test: tensor 'w' must have 4294967296 bytes for shape [1073741824], but the file has "
                               "4; export the model again")


@pytest.mark.parametrize("shape", [[2**40], [2**31, 2**31]])
def test_a_computed_tensor_larger_than_memory_is_refused(shape):
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["c"], "big"), helper.make_node("Add", ["x", "c"], ["y"])]
    proto = model(nodes, {"x": (FLOAT, [1])}, ["y"], {"s": np.array(shape)})
    assert sentence(proto).startswith("test: node 'big' (ConstantOfShape) must not make a tensor of more than")


def external_model(path, location: str, offset: str = "0", length: str = "16") -> None:
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": (FLOAT, [4])}, ["y"])
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    proto.graph.initializer.append(tensor)
    path.write_bytes(proto.SerializeToString())


def test_external_data_beside_the_model_is_read(tmp_path):
    np.arange(6, dtype=np.float32).tofile(tmp_path / "w.bin")
    external_model(tmp_path / "m.onnx", "w.bin", offset="8")
    graph = load_model(tmp_path / "m.onnx")
    assert np.array_equal(next(iter(graph.constants.values())), [2, 3, 4, 5])


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "", "a/../../w.bin", "no\0name", "..\\w.bin"])
def test_external_data_outside_the_folder_is_refused(tmp_path, location):
    (tmp_path / "inner").mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(16))
    external_model(tmp_path / "inner" / "m.onnx", location)
    assert sentence(tmp_path / "inner" / "m.onnx").endswith(
        f"must have its external data inside the model's folder, not at {location!r}; move the file beside the model")


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_external_data_through_a_link_is_refused(tmp_path, link):
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    (tmp_path / "inner").mkdir()
    link(tmp_path / "secret.bin", tmp_path / "inner" / "w.bin")
    external_model(tmp_path / "inner" / "m.onnx", "w.bin")
    assert "link" in sentence(tmp_path / "inner" / "m.onnx")


@pytest.mark.parametrize(("offset", "length"), [("8", "16"), ("-4", "16"), ("0", "12"), ("x", "16"), ("9" * 30, "16")])
def test_external_data_outside_its_file_is_refused(tmp_path, offset, length):
    (tmp_path / "w.bin").write_bytes(bytes(16))
    external_model(tmp_path / "m.onnx", "w.bin", offset, length)
    assert "tensor 'w' must" in sentence(tmp_path / "m.onnx")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), quantised=st.booleans())
def test_mutated_files_never_crash_nor_stall(tmp_path, data, quantised):
    original = bytearray((quantised_network() if quantised else convolution_network()).SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(original) - 1))
        if data.draw(st.booleans()):
            original[place] = data.draw(st.integers(0, 255))
        else:
            del original[place:place + data.draw(st.integers(1, 40))]
    path = tmp_path / "mutated.onnx"
    path.write_bytes(bytes(original))
    start = time.perf_counter()
    try:
        verify(load_model(path))
    except ModelError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    assert time.perf_counter() - start < 5
