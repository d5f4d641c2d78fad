"""Computes at import what depends on nothing but constants, with ONNX's own reference evaluator."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from seedchip.frontend.errors import ModelError, UnsupportedOperator

MAX_FOLDED_BYTES = 2**33
RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
_SHAPE_INPUT = {"ConstantOfShape": 0, "Expand": 1}


def fold(node: onnx.NodeProto, inputs: Sequence[np.ndarray | None], opset: int, place: str) -> list[np.ndarray]:
    """Outputs of a node whose inputs are all known. Raises `ModelError` when they can't be computed."""
    if node.op_type in RANDOM:
        raise UnsupportedOperator(f"{place} can't run on the chip: its result is random, and the same program must "
                                  "always give the same answer; replace it with an input")
    _check_growth(node, inputs, place)
    quick = _quick(node, inputs)
    if quick is not None:
        return [quick]
    feeds = {name: value for name, value in zip(node.input, inputs, strict=False) if name and value is not None}
    try:
        results = _by_reference(node, feeds, opset)
    except Exception as error:  # the evaluator raises whatever NumPy or its own operators raise
        try:
            results = _by_runtime(node, feeds, opset)
        except Exception:  # so does the runtime; the first reason is the clearer one
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ModelError(f"{place} must be computable from its constants, but {reason}; repair the model") from None
    named = dict(zip([name for name in node.output if name], results, strict=True))
    return [_array(named[name]) if name else np.zeros(0) for name in node.output]


def _by_reference(node: onnx.NodeProto, feeds: dict[str, np.ndarray], opset: int) -> list[object]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        evaluator = ReferenceEvaluator(node, opsets={"": opset, node.domain: opset})
        return list(evaluator.run([name for name in node.output if name], feeds))


def _by_runtime(node: onnx.NodeProto, feeds: dict[str, np.ndarray], opset: int) -> list[object]:
    """The same by ONNX Runtime, which also knows the forms of operators before operator set 13."""
    inputs = [onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
              for n, a in feeds.items()]
    graph = onnx.helper.make_graph([node], "fold", inputs, [onnx.ValueInfoProto(name=n) for n in node.output if n])
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return list(onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, feeds))


def _array(value: object) -> np.ndarray:
    return value if isinstance(value, list) else np.asarray(value)  # type: ignore[return-value]


def _quick(node: onnx.NodeProto, inputs: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Frequent cases that need no evaluator."""
    first = inputs[0] if inputs else None
    if node.op_type in ("Identity", "Dropout") and isinstance(first, np.ndarray) and len(node.output) == 1:
        return first
    if node.op_type == "Cast" and isinstance(first, np.ndarray) and first.dtype.kind in "iufb":
        to = next((a.i for a in node.attribute if a.name == "to"), 0)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(to) if to in (1, 3, 6, 7) else None
        if dtype is not None and (first.dtype.kind != "f" or to == 1):
            return first.astype(dtype)
    return None


def _check_growth(node: onnx.NodeProto, inputs: Sequence[np.ndarray | None], place: str) -> None:
    """Operators that make large tensors of small ones are measured before they are computed."""
    count = 0.0
    first = inputs[0] if inputs else None
    if node.op_type in _SHAPE_INPUT and len(inputs) > _SHAPE_INPUT[node.op_type]:
        shape = inputs[_SHAPE_INPUT[node.op_type]]
        count = float(np.prod(np.asarray(shape, np.float64)))
        count *= 1 if node.op_type == "ConstantOfShape" or first is None else max(first.size, 1)
    elif node.op_type == "Tile" and first is not None and len(inputs) > 1:
        count = first.size * float(np.prod(np.asarray(inputs[1], np.float64)))
    elif node.op_type == "Range" and len(inputs) == 3:
        start, limit, delta = (float(np.asarray(i).reshape(-1)[0]) for i in inputs)  # type: ignore[arg-type]
        count = abs((limit - start) / delta) if delta else 0
    elif node.op_type in ("Pad", "Resize", "Upsample", "OneHot", "EyeLike", "ConvTranspose", "MatMul", "Gemm", "Conv"):
        count = _loose_bound(inputs)
    if count * 4 > MAX_FOLDED_BYTES:
        raise ModelError(f"{place} must not make a tensor of more than {MAX_FOLDED_BYTES} bytes; bind smaller sizes")


def _loose_bound(inputs: Sequence[np.ndarray | None]) -> float:
    """Product of the data's size and of every small integer or scale that follows it: never below the true size."""
    sizes = [i for i in inputs[1:] if i is not None and i.size <= 16 and i.dtype.kind in "iuf"]
    first = inputs[0].size if inputs and inputs[0] is not None else 1
    return first * float(max((np.max(np.abs(i.astype(np.float64)), initial=1.0) for i in sizes), default=1.0))
