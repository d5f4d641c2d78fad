"""Host fallback: refused nodes run in ONNX Runtime, the rest on the chip, and the report says which."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from partial_models import model

import seedchip
from seedchip.frontend import UnsupportedOperator
from seedchip.partition import ChipPart, HostNode, partition_model
from seedchip.partition.host import HostError
from seedchip.program import ProgramError

F, I = TensorProto.FLOAT, TensorProto.INT64
RANDOM = np.random.default_rng(11)
W1, W2 = (RANDOM.standard_normal((16, 16)).astype(np.float32) for _ in range(2))
X = np.random.default_rng(12).standard_normal((3, 16, 16)).astype(np.float32)
INT24 = seedchip.BuildOptions(precision="int24")
node = helper.make_node


def determinant_in_the_middle():
    """MatMul, Relu -> Det -> a residual that reads both sides of the host node, and a second matrix."""
    nodes = [node("MatMul", ["x", "w1"], ["a"], "first"), node("Relu", ["a"], ["b"], "relu"),
             node("Det", ["b"], ["d"], "volume"), node("Reshape", ["d", "column"], ["c"], "column"),
             node("Tanh", ["c"], ["t"], "tanh"), node("Add", ["b", "t"], ["s"], "residual"),
             node("MatMul", ["s", "w2"], ["y"], "second")]
    return model(nodes, {"x": (F, [3, 16, 16])}, {"y": (F, [3, 16, 16])},
                 {"w1": W1, "w2": W2, "column": np.array([3, 1, 1])})


def indices_at_the_end():
    """A matrix, then the places of positive values (a size known only at run time) and a gather that reads them."""
    nodes = [node("MatMul", ["x", "w1"], ["a"], "first"), node("Relu", ["a"], ["r"], "relu"),
             node("NonZero", ["r"], ["where"], "find"), node("Transpose", ["where"], ["places"], "turn", perm=[1, 0]),
             node("GatherND", ["r", "places"], ["found"], "pick")]
    return model(nodes, {"x": (F, [3, 16, 16])},
                 {"r": (F, [3, 16, 16]), "places": (I, ["n", 3]), "found": (F, ["n"])}, {"w1": W1})


def reference(proto, feeds):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def test_without_the_flag_the_node_is_refused_with_its_operator_and_rule():
    with pytest.raises(UnsupportedOperator, match=r"^partial: node 'volume' \(Det\) can't run on the chip: the chip "
                                                  r"has no way to compute Det; "):
        seedchip.InferenceSession(determinant_in_the_middle())


def test_a_node_in_the_middle_splits_the_network_into_two_programs():
    partition = partition_model(determinant_in_the_middle(), {})
    assert [type(step) for step in partition.steps] == [ChipPart, HostNode, ChipPart]
    before, _, after = partition.steps
    assert tuple(before.graph.inputs) == ("x",) and set(before.graph.outputs) == {"b"}
    assert set(after.graph.inputs) == {"b", "d"} and set(after.graph.outputs) == {"y"}


def test_answers_agree_with_onnx_runtime():
    session = seedchip.InferenceSession(determinant_in_the_middle(), options=INT24, host_fallback=True)
    (ours,), (theirs,) = session.run(None, {"x": X}), reference(determinant_in_the_middle(), {"x": X})
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_report_lists_and_counts_what_ran_on_the_host():
    session = seedchip.InferenceSession(determinant_in_the_middle(), "nano", options=INT24, host_fallback=True)
    (before,) = session.report().host_ops
    assert (before.node, before.operator, before.seconds) == ("volume", "Det", None)
    session.run(None, {"x": X})
    report = session.report()
    (op,) = report.host_ops
    assert op.rule.startswith("the chip has no way to compute Det") and 0 < op.seconds < 10
    timelines = [timeline.cycles for _, timeline in session.runs]
    assert len(timelines) == 2 and report.cycles == sum(timelines) == sum(layer.cycles for layer in report.layers)
    assert report.layers[-1].last_cycle == report.cycles
    assert report.macs == 6 * 2 * 3 * 16**3  # three limbs an operand: six products for each of the model's own
    for engine, bins in report.timeline.busy.items():
        assert 0 < sum(bins) <= report.cycles, engine


def test_results_of_unknown_size_keep_their_readers_on_the_host():
    proto = indices_at_the_end()
    session = seedchip.InferenceSession(proto, options=INT24, host_fallback=True)
    x = X.copy()
    ours = dict(zip(("r", "places", "found"), session.run(None, {"x": x}), strict=True))
    wanted = reference(proto, {"x": x})
    np.testing.assert_allclose(ours["r"], wanted[0], atol=1e-4)
    np.testing.assert_array_equal(ours["places"], np.argwhere(ours["r"]))
    np.testing.assert_array_equal(ours["found"], ours["r"][ours["r"] != 0])
    assert [op.node for op in session.report().host_ops] == ["find", "turn", "pick"]
    assert session.report().host_ops[1].rule == ("it reads 'where', which the host makes and whose size is known only "
                                                 "at run time")
    assert [(o.name, o.shape, o.type) for o in session.get_outputs()] == [
        ("r", [3, 16, 16], "tensor(float)"), ("places", [None, 3], "tensor(int64)"), ("found", [None], "tensor(float)")]


def test_calibration_reaches_every_part():
    seen = []

    def samples(specs):
        seen.extend(specs)
        return [{"x": X}, {"x": 0.5 * X}]

    options = seedchip.BuildOptions(precision="int16", calibration=samples)
    session = seedchip.InferenceSession(determinant_in_the_middle(), options=options, host_fallback=True)
    assert [(s.name, s.shape, s.dtype) for s in seen] == [("x", (3, 16, 16), "float32")]
    (ours,), (theirs,) = session.run(None, {"x": X}), reference(determinant_in_the_middle(), {"x": X})
    np.testing.assert_allclose(ours, theirs, atol=1e-3 * np.abs(theirs).max())


def test_a_model_that_the_chip_can_run_is_one_program_as_before():
    proto = model([node("MatMul", ["x", "w1"], ["y"], "only")], {"x": (F, [3, 16, 16])}, {"y": (F, [3, 16, 16])},
                  {"w1": W1})
    asked, plain = (seedchip.InferenceSession(proto, host_fallback=flag) for flag in (True, False))
    assert asked.program.code == plain.program.code and asked.report() == plain.report()


def test_host_nodes_run_before_between_and_beside_parts():
    """Two host nodes in a row at the start, constants of the model as operands, and an output that is an input."""
    nodes = [node("Unique", ["x", ], ["u"], "sort"), node("Det", ["x"], ["d"], "volume"),
             node("Relu", ["d"], ["e"], "relu"), node("Det", ["w1"], ["k"], "known"),
             node("Mul", ["e", "k"], ["y"], "scale"), node("Identity", ["x"], ["same"], "same")]
    proto = model(nodes, {"x": (F, [3, 16, 16])},
                  {"u": (F, ["n"]), "y": (F, [3]), "same": (F, [3, 16, 16]), "d": (F, [3])}, {"w1": W1 / 4})
    session = seedchip.InferenceSession(proto, host_fallback=True)
    for ours, theirs in zip(session.run(None, {"x": X}), reference(proto, {"x": X}), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert [op.node for op in session.report().host_ops] == ["sort", "volume"]


def test_a_node_that_neither_side_can_run_is_one_sentence():
    nodes = [node("Det", ["x"], ["y"], "volume", domain="com.microsoft")]
    proto = model(nodes, {"x": (F, [3, 16, 16])}, {"y": (F, [3])}, {})
    proto.opset_import.add(domain="com.microsoft", version=1)
    with pytest.raises(UnsupportedOperator, match=r"^partial: node 'volume' \(Det\) can't run on the chip: .*; and "
                                                  r"ONNX Runtime can't run it on the host: [^\n]+$"):
        seedchip.InferenceSession(proto, host_fallback=True)


def test_a_partitioned_session_has_no_single_program():
    session = seedchip.InferenceSession(determinant_in_the_middle(), host_fallback=True)
    with pytest.raises(ProgramError, match=r"^a model with nodes on the host is no single program; its programs are in "
                                           r"InferenceSession\.runs$"):
        _ = session.program


def test_a_node_that_fails_on_the_host_is_one_sentence():
    nodes = [node("TopK", ["x", "k"], ["y", "i"], axis=2)]
    proto = model(nodes, {"x": (F, [3, 16, 16]), "k": (I, [1])}, {"y": (F, [3, 16, "k"])}, {})
    session = seedchip.InferenceSession(proto, host_fallback=True)
    np.testing.assert_array_equal(session.run(None, {"x": X, "k": np.array([2])})[0], np.sort(X)[..., :-3:-1])
    with pytest.raises(HostError, match=r"^host node number 0 \(TopK\) must run in ONNX Runtime, but [^\n]+; correct "
                                        r"its inputs$"):
        session.run(None, {"x": X, "k": np.array([17])})
