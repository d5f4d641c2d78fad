"""Models with nodes that the chip refuses: in the middle, at the end, and with sizes known only at run time."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def model(nodes: list, inputs: dict, outputs: dict, constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """``inputs`` and ``outputs`` map names to (element type, shape)."""
    graph = helper.make_graph(
        nodes, "partial", [helper.make_tensor_value_info(n, *v) for n, v in inputs.items()],
        [helper.make_tensor_value_info(n, *v) for n, v in outputs.items()],
        [numpy_helper.from_array(a, n) for n, a in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
