"""Symbolic sizes get numbers at import."""

import numpy as np
import pytest
from onnx import helper
from onnx_models import FLOAT, INT64, model

from seedchip.frontend import ModelError, load_model

TOKENS = model([helper.make_node("Relu", ["x"], ["y"])], {"x": (FLOAT, ["batch", "sequence", 8])}, ["y"])


def test_a_leading_size_is_a_batch_of_one():
    assert load_model(TOKENS, shapes={"sequence": 5}).types["x"].shape == (1, 5, 8)


def test_named_sizes_and_whole_shapes_agree():
    assert load_model(TOKENS, shapes={"batch": 2, "sequence": 5}).types["x"].shape == (2, 5, 8)
    assert load_model(TOKENS, input_shapes={"x": (2, 5, 8)}).types["x"].shape == (2, 5, 8)


@pytest.mark.parametrize(("options", "message"), [
    ({}, "test: axis 1 of input 'x' must have a fixed size, but it is the symbol 'sequence'; bind it with "
         "shapes={'sequence': SIZE}"),
    ({"shapes": {"sequnce": 4}}, "test: the model must have the symbolic size that is bound, but it has no 'sequnce'; "
                                 "did you mean 'sequence'?"),
    ({"shapes": {"sequence": -4}}, "test: symbolic size 'sequence' must be a whole number from 0 to 2147483647, not "
                                   "-4; bind another size"),
    ({"input_shapes": {"x": (1, 5)}}, "test: input 'x' must have 3 axes, not 2; correct input_shapes"),
    ({"input_shapes": {"x": (1, 5, 9)}}, "test: axis 2 of input 'x' must have size 8, not 9; correct input_shapes"),
    ({"input_shapes": {"z": (1, 5, 9)}}, "test: the model must have the input that is bound, but it has no 'z'; it has "
                                         "'x'"),
    ({"constants": {"q": np.zeros(1)}}, "test: a value given at import must be an input of the model, but it has no "
                                        "'q'; its inputs are 'x'"),
])
def test_wrong_bindings_get_a_sentence(options, message):
    with pytest.raises(ModelError) as caught:
        load_model(TOKENS, **options)
    assert str(caught.value) == message


def test_an_input_bound_to_its_value_is_an_input_no_longer():
    reshape = helper.make_node("Reshape", ["x", "shape"], ["y"])
    proto = model([reshape], {"x": (FLOAT, [6]), "shape": (INT64, [2])}, ["y"])
    graph = load_model(proto, constants={"shape": np.array([2, 3])})
    assert graph.inputs == ("x",)
    assert graph.types[graph.outputs["y"]].shape == (2, 3)


def test_an_unbound_shape_operand_is_refused_with_its_name():
    reshape = helper.make_node("Reshape", ["x", "shape"], ["y"], "r")
    proto = model([reshape], {"x": (FLOAT, [6]), "shape": (INT64, [2])}, ["y"])
    with pytest.raises(ModelError) as caught:
        load_model(proto)
    assert str(caught.value) == ("test: node 'r' (Reshape) can't run on the chip: the value of 'shape' is known at run "
                                 "time only; the rule for Reshape: The new shape must be known at import.")
    assert caught.value.needs == "shape"


def test_zero_sized_tensors_pass_through():
    graph = load_model(TOKENS, shapes={"sequence": 0})
    assert graph.types[graph.outputs["y"]].shape == (1, 0, 8)
