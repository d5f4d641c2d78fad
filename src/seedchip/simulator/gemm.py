"""Exact INT8 x INT8 -> INT32 matrix products at the speed of native code.

ONNX Runtime's `MatMulInteger` is the fastest exact kernel that was measured (docs/04_developer/simulator_speed.md).
Its unsigned-by-signed kernel is exact with VNNI, but adds pairs of products in saturating INT16 on processors that lack
it, so the first product of a process is a probe that would saturate; where it does, the unsigned-by-unsigned kernel,
which widens first, takes over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

OFFSET = 0x80
"""Activations and, in the second form, weights are passed as value + 128: one exclusive or of the byte."""

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]


@cache
def product() -> Product:
    """``f(a, b)``: uint8 [..., M, K] (activation + 128) times int8 [..., K, N] gives int32 [..., M, N] modulo 2**32."""
    signed = _session(TensorProto.INT8)

    def multiply_signed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return signed.run(None, {"a": a, "b": b})[0]  # type: ignore[no-any-return]

    if _is_exact(multiply_signed):
        return multiply_signed
    return widening_product()


def widening_product() -> Product:
    """The same by the kernel that cannot saturate on any processor."""
    unsigned = _session(TensorProto.UINT8)

    def multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return unsigned.run(None, {"a": a, "b": b.view(np.uint8) ^ np.uint8(OFFSET)})[0]  # type: ignore[no-any-return]

    return multiply


def _is_exact(multiply: Product) -> bool:
    """Extreme operands, for which sums of two neighbouring products exceed 16 bits."""
    a = np.tile(np.array([127, -128, 127, 127], np.int8), (8, 16))
    b = np.tile(np.array([[127], [-128], [-128], [127]], np.int8), (16, 32))
    exact = a.astype(np.int64) @ b.astype(np.int64)
    return bool(np.array_equal(multiply(a.view(np.uint8) ^ np.uint8(OFFSET), b), exact))


def _session(weight_type: int) -> onnxruntime.InferenceSession:
    operands = [helper.make_tensor_value_info("a", TensorProto.UINT8, None),
                helper.make_tensor_value_info("b", weight_type, None)]
    zeros = [helper.make_tensor("a_zero", TensorProto.UINT8, [], [OFFSET])]
    if weight_type == TensorProto.UINT8:
        zeros.append(helper.make_tensor("b_zero", TensorProto.UINT8, [], [OFFSET]))
    node = helper.make_node("MatMulInteger", ["a", "b", *(z.name for z in zeros)], ["y"])
    result = helper.make_tensor_value_info("y", TensorProto.INT32, None)
    graph = helper.make_graph([node], "product", operands, [result], initializer=zeros)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # products of one instruction are too short to share among threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
