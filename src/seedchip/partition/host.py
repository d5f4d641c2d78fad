"""A node that runs on the host: a model of this one node in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime

from seedchip.frontend.builder import Tensor

IR_VERSION = 10
"""Of single-node models: the first that has every element type of a chip's inputs (int4 came with it)."""


class HostError(ValueError):
    """A node that ONNX Runtime cannot compute. One sentence."""


@dataclass(frozen=True)
class HostValue:
    """A value that stays on the host: it is no tensor of numbers, or its size is known only at run time.

    ``name`` is the model's name of it, ``type`` ONNX Runtime's, such as ``tensor(int64)``; a size in ``shape`` is None
    when it is known only at run time, and the whole shape when not even the rank is known.
    """

    name: str
    type: str
    shape: tuple[int | None, ...] | None = None

    @property
    def dtype(self) -> str:
        """The element type as NumPy calls it."""
        kind = self.type.removeprefix("tensor(").removesuffix(")")
        return {"float": "float32", "double": "float64"}.get(kind, kind)


@dataclass(frozen=True)
class HostNode:
    """A node, why the chip refuses it, and where its operands come from.

    ``tensors`` maps names of the node's operands to tensors of the graph, ``values`` names operands that other host
    nodes made. ``arrivals`` maps the model's names of outputs to the graph's inputs that they become.
    """

    name: str
    operator: str
    rule: str
    session: onnxruntime.InferenceSession
    tensors: Mapping[str, Tensor]
    values: tuple[str, ...]
    outputs: tuple[str, ...]
    arrivals: Mapping[str, Tensor]
    position: int
    """number of chip nodes before it"""

    def run(self, read: Callable[[str], np.ndarray], made: Mapping[str, object]) -> dict[str, object]:
        """Outputs by name; ``read`` gives a graph tensor's values, ``made`` holds what host nodes made before.

        Raises `HostError`.
        """
        feeds: dict[str, object] = {name: made[name] for name in self.values}
        for name, tensor in self.tensors.items():
            feeds[name] = read(tensor.name).astype(tensor.dtype)
        try:
            results = self.session.run(list(self.outputs), feeds)
        except Exception as error:  # the library raises unrelated types
            raise HostError(f"host node {self.name} ({self.operator}) must run in ONNX Runtime, but "
                            f"{one_line(error)}; correct its inputs") from None
        return dict(zip(self.outputs, results, strict=True))


def open_node(node: onnx.NodeProto, operands: Mapping[str, object], opsets: Sequence[onnx.OperatorSetIdProto]
              ) -> tuple[onnxruntime.InferenceSession, list[HostValue]]:
    """ONNX Runtime's session of one node, and what it makes. Raises `HostError`.

    ``operands`` maps what the node reads to runtime tensors, host values and, for constants, arrays.
    """
    inputs, constants = [], []
    for name, value in operands.items():
        if isinstance(value, np.ndarray):
            constants.append(onnx.numpy_helper.from_array(value, name))
        else:
            inputs.append(_value_info(name, value))
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = onnx.helper.make_graph([node], "host node", inputs, outputs, constants)
    model = onnx.helper.make_model(graph, opset_imports=list(opsets), ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises unrelated types
        raise HostError(one_line(error)) from None
    return session, [HostValue(o.name, o.type, _shape(o, model)) for o in session.get_outputs()]


def _shape(output: Any, model: onnx.ModelProto) -> tuple[int | None, ...] | None:
    """Sizes as far as ONNX Runtime infers them. It reports scalars and unknown ranks alike: ONNX tells them apart."""
    if output.shape:
        return tuple(size if isinstance(size, int) and size >= 0 else None for size in output.shape)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output
    known = any(o.name == output.name and o.type.tensor_type.HasField("shape") for o in inferred)
    return () if known else None


def _value_info(name: str, value: object) -> onnx.ValueInfoProto:
    if isinstance(value, Tensor):
        element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
        return onnx.helper.make_tensor_value_info(name, element, value.shape)
    if isinstance(value, HostValue) and value.type.startswith("tensor("):
        kind = value.type.removeprefix("tensor(").removesuffix(")").upper()
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DataType.Value(kind), value.shape)
    raise HostError(f"its operand {name!r} is no tensor")


def reads(node: onnx.NodeProto) -> list[str]:
    """Names that a node reads, also through the graphs inside it, each once."""
    return list(dict.fromkeys(_reads(node)))


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
            made = {v.name for v in (*graph.input, *graph.initializer)} | {o for n in graph.node for o in n.output}
            inner = [name for n in graph.node for name in _reads(n)] + [v.name for v in graph.output]
            yield from (name for name in inner if name not in made)


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
