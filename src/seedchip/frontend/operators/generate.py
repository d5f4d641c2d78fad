"""Tensors made from numbers: they are constants of the graph."""

from __future__ import annotations

import numpy as np
import onnx

from seedchip.frontend.folding import fold
from seedchip.frontend.registry import Call, operator


@operator("Range", "ConstantOfShape")
def from_known_numbers(call: Call) -> np.ndarray:
    """All operands known at import."""
    known = [call.const(i, f"operand {i}") for i in range(len(call.inputs))]
    return fold(call.node, known, call.opset, call.place)[0]


@operator("EyeLike")
def eye_like(call: Call) -> np.ndarray:
    """Known at import, as every shape is."""
    rows, columns = call.shape(0)
    to = call.attr("dtype")
    dtype = np.dtype(call.dtype(0)) if to is None else onnx.helper.tensor_dtype_to_np_dtype(to)
    return np.eye(rows, columns, call.attr("k", 0)).astype(dtype)


@operator("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial")
def random(call: Call) -> None:
    """Random results are refused: the same program must always give the same answer."""
    raise call.refuse("its result is random")
