"""Walks a checked model and builds its graph: known values are folded, the rest goes to the operators' rules."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import onnx

from seedchip.frontend import operators as _operators  # noqa: F401  (fills the table of rules)
from seedchip.frontend.binding import bind_shapes
from seedchip.frontend.builder import Builder, Tensor, graph_dtype
from seedchip.frontend.errors import ModelError, UnsupportedOperator
from seedchip.frontend.folding import fold
from seedchip.frontend.loading import MAX_GRAPH_DEPTH, LoadedModel, node_label, opset
from seedchip.frontend.registry import OPERATORS, Call
from seedchip.frontend.weights import to_array
from seedchip.graph.ir import Graph

KEPT_CODES = ("DequantizeLinear",)
"""Never folded for weights: their integer codes are what the matrix engine multiplies."""
FIXED_TYPES = ("bool", "int64", "int32", "uint8")
"""Element types that schemas name outright."""
NUMERIC_TYPES = (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16, *range(17, 27))
"""TensorProto element types of numbers and booleans (onnx.proto): all but strings and complex numbers."""
_BAD_MODEL = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)


class Importer:
    """State of one import: the builder and the version of the default operator set."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.opset = opset(model.proto)
        self.build = Builder()
        self.depth = 0

    def run(self, shapes: Mapping[str, int], input_shapes: Mapping[str, Sequence[int]],
            constants: Mapping[str, np.ndarray]) -> Graph:
        """The graph; ``constants`` gives inputs that are known at import their values."""
        graph, label = self.model.proto.graph, self.model.label
        if graph.sparse_initializer:
            name = graph.sparse_initializer[0].values.name
            raise ModelError(f"{label}: initializers must be dense, but {name!r} is sparse; export dense weights")
        inputs = _runtime_inputs(graph, label, constants)
        for value in inputs:
            _check_input(value, label)
        bound = bind_shapes(inputs, label, shapes, input_shapes)
        scope: ChainMap[str, Any] = ChainMap({"": None})
        scope.update({name: np.asarray(value) for name, value in constants.items()})
        for value in inputs:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
            scope[value.name] = self.build.add_input(value.name, bound[value.name], dtype)
        results = self.run_graph(graph, scope)
        outputs: dict[str, Tensor] = {}
        dtypes: dict[str, str] = {}
        for value, result in zip(graph.output, results, strict=True):
            public = value.name
            self.build.source = f"{label}: output {public!r}"
            if not isinstance(result, (Tensor, np.ndarray)):
                raise UnsupportedOperator(f"{label}: output {public!r} must be a tensor, not a sequence or an optional "
                                          "value; return the tensors one by one")
            dtypes[public] = _output_dtype(value, result)
            outputs[public] = self.build.tensor(result)
        return self.build.finish(graph.name or "model", outputs, dtypes)

    def run_graph(self, graph: onnx.GraphProto, scope: ChainMap[str, Any]) -> list[Any]:
        """Builds all nodes of a graph; names are looked up in ``scope`` and outputs are added to it."""
        self.depth += 1
        if self.depth > MAX_GRAPH_DEPTH:
            raise ModelError(f"{self.model.label}: graphs must not be nested deeper than {MAX_GRAPH_DEPTH}; flatten "
                             "the model")
        for tensor in graph.initializer:
            scope[tensor.name] = to_array(tensor, self.model)
        for index, node in enumerate(graph.node):
            self.run_node(node, scope, f"{self.model.label}: node {node_label(node, index)}")
        self.depth -= 1
        return [scope[o.name] for o in graph.output]

    def run_node(self, node: onnx.NodeProto, scope: ChainMap[str, Any], place: str) -> None:
        """Adds the outputs of one node to ``scope``."""
        inputs = [scope[name] if name else None for name in node.input]
        first = len(self.build.nodes)
        self.build.source = place
        self.build.prefix = next((o for o in node.output if o), node.name)
        try:
            results = self._results(node, inputs, scope, place)
        except (ModelError, UnsupportedOperator):
            raise
        except _BAD_MODEL as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ModelError(f"{place} must be well formed, but {reason}; repair the model") from error
        if len(results) < sum(1 for o in node.output if o):
            raise UnsupportedOperator(f"{place} can't run on the chip: it has {len(node.output)} outputs, of which "
                                      f"only the first {len(results)} can be computed; remove the others")
        for name, result in zip(node.output, self._named(node, list(results), first), strict=False):
            if name:
                scope[name] = result

    def _named(self, node: onnx.NodeProto, results: list[Any], first: int) -> list[Any]:
        """The results, of which the one that the node's last operation makes gets the model's name."""
        for name, result in zip(node.output, results, strict=False):
            if name and isinstance(result, Tensor) and len(self.build.nodes) > first \
                    and result.name == self.build.nodes[-1].output:
                renamed = self.build.rename_last(result, name)
                return [replace(r, name=renamed.name) if isinstance(r, Tensor) and r.name == result.name else r
                        for r in results]
        return results

    def _results(self, node: onnx.NodeProto, inputs: list[Any], scope: ChainMap[str, Any], place: str) -> Sequence[Any]:
        domain = "" if node.domain == "ai.onnx" else node.domain
        known = all(i is None or isinstance(i, np.ndarray) for i in inputs)
        if node.op_type == "Constant":
            return [self._constant(node, place)]
        if known and domain == "" and not _has_graphs(node) and not _keeps_codes(node, inputs):
            return fold(node, inputs, self.opset, place)
        entry = OPERATORS.get((domain, node.op_type))
        if entry is not None:
            call = Call(node, inputs, self.build, self.opset, place, entry.text, lambda t: to_array(t, self.model),
                        lambda graph, bound: self.run_graph(graph, scope.new_child(dict(bound))))
            result = entry.rule(call)
            results = list(result) if isinstance(result, tuple) else [result]
            return [self._settle(node, index, r, inputs) for index, r in enumerate(results)]
        return self._expand(node, inputs, place)

    def _constant(self, node: onnx.NodeProto, place: str) -> np.ndarray:
        for a in node.attribute:
            if a.name == "value":
                return to_array(a.t, self.model)
            if a.name in ("value_float", "value_floats"):
                return np.array(onnx.helper.get_attribute_value(a), np.float32)
            if a.name in ("value_int", "value_ints"):
                return np.array(onnx.helper.get_attribute_value(a), np.int64)
        raise UnsupportedOperator(f"{place} can't run on the chip: a constant must be a dense tensor of numbers; "
                                  "remove text and sparse tensors from the model")

    def _settle(self, node: onnx.NodeProto, index: int, result: Any, inputs: list[Any]) -> Any:
        """Gives a result the element type that the operator's schema declares, converting where the graph's type
        differs."""
        if not isinstance(result, Tensor):
            return result
        dtype = _declared_dtype(node, self.opset, index, inputs) or result.dtype
        if result.offset:
            return result.as_dtype(dtype)
        wanted = graph_dtype(dtype)
        if result.type.dtype != wanted:
            result = self.build.map(lambda a: a, result, dtype=wanted)
        return result.as_dtype(dtype)

    def _expand(self, node: onnx.NodeProto, inputs: list[Any], place: str) -> Sequence[Any]:
        """An operator without a rule of its own is replaced by the function that the ONNX standard defines it by."""
        body = _function_body(node, inputs, self.opset)
        if body is None:
            raise UnsupportedOperator(
                f"{place} can't run on the chip: the chip has no way to compute {node.op_type}; the operators that it "
                "has are listed in docs/03_reference/operators.md, the part around this node must run elsewhere")
        self.depth += 1
        if self.depth > MAX_GRAPH_DEPTH:
            raise ModelError(f"{place} must not expand deeper than {MAX_GRAPH_DEPTH} functions; simplify the model")
        scope: ChainMap[str, Any] = ChainMap({"": None})
        for i, name in enumerate(body.input):
            scope[name] = inputs[i] if i < len(inputs) else None
        given = {a.name: a for a in node.attribute}
        given = {a.name: a for a in body.attribute_proto} | given
        outer_opset = self.opset
        self.opset = max((o.version for o in body.opset_import if o.domain == ""), default=self.opset)
        for inner in body.node:
            self.run_node(_bind_attributes(inner, given), scope, place)
        self.opset = outer_opset
        self.depth -= 1
        return [scope.get(name) for name in body.output]


def _output_dtype(value: onnx.ValueInfoProto, result: Tensor | np.ndarray) -> str:
    """The type that the model declares for an output, or the one that it was computed in when it declares none."""
    declared = value.type.tensor_type.elem_type
    if declared in NUMERIC_TYPES:
        return onnx.helper.tensor_dtype_to_np_dtype(declared).name
    return result.dtype if isinstance(result, Tensor) else result.dtype.name


def _runtime_inputs(graph: onnx.GraphProto, label: str,
                    constants: Mapping[str, np.ndarray]) -> list[onnx.ValueInfoProto]:
    """Inputs that are fed at run time: those without a default and without a value given at import."""
    names = [i.name for i in graph.input]
    for name in constants:
        if name not in names:
            raise ModelError(f"{label}: a value given at import must be an input of the model, but it has no {name!r}; "
                             f"its inputs are {', '.join(map(repr, names)) or 'none'}")
    known = {t.name for t in graph.initializer} | set(constants)
    return [i for i in graph.input if i.name not in known]


def _check_input(value: onnx.ValueInfoProto, label: str) -> None:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise UnsupportedOperator(f"{label}: input {value.name!r} must be a tensor, not a sequence or an optional "
                                  "value; give the tensors one by one")
    try:
        graph_dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name)
    except KeyError:
        raise UnsupportedOperator(f"{label}: input {value.name!r} must hold real numbers or integers of 2 to 64 bits, "
                                  f"not type {value.type.tensor_type.elem_type}; convert it before it enters the "
                                  "model") from None


def _has_graphs(node: onnx.NodeProto) -> bool:
    return any(a.HasField("g") or a.graphs for a in node.attribute)


def _keeps_codes(node: onnx.NodeProto, inputs: Sequence[Any]) -> bool:
    return (node.op_type in KEPT_CODES and inputs[0] is not None and inputs[0].ndim >= 2
            and inputs[0].dtype.name in ("int8", "uint8", "int4", "uint4"))


@lru_cache(maxsize=4096)
def _schema(op_type: str, version: int, domain: str) -> onnx.defs.OpSchema | None:
    try:
        return onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return None


def _declared_dtype(node: onnx.NodeProto, version: int, index: int, inputs: Sequence[Any]) -> str | None:
    """Element type of an output as the schema ties it to the inputs' types or fixes it; None if an attribute decides.
    """
    schema = _schema(node.op_type, version, node.domain)
    if schema is None or not schema.outputs:
        return None
    text = schema.outputs[min(index, len(schema.outputs) - 1)].type_str
    for i, value in enumerate(inputs):
        formal = schema.inputs[min(i, len(schema.inputs) - 1)]
        if formal.type_str == text and isinstance(value, (Tensor, np.ndarray)):
            return value.dtype if isinstance(value, Tensor) else value.dtype.name
    fixed = [c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == text]
    names = fixed[0] if fixed and len(fixed[0]) == 1 else [text]
    kind = names[0].removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(kind, kind if kind in FIXED_TYPES else None)


def _function_body(node: onnx.NodeProto, inputs: Sequence[Any], version: int) -> onnx.FunctionProto | None:
    schema = _schema(node.op_type, version, node.domain)
    if schema is None:
        return None
    if schema.has_function:  # type: ignore[attr-defined]
        return schema.function_body
    if not schema.has_context_dependent_function:  # type: ignore[attr-defined]
        return None
    types = []
    for value in inputs:
        if not isinstance(value, (Tensor, np.ndarray)):
            types.append(onnx.TypeProto().SerializeToString())
            continue
        name = value.dtype if isinstance(value, Tensor) else value.dtype.name
        element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(name) if name != "bfloat16" else np.dtype(np.float32))
        types.append(onnx.helper.make_tensor_type_proto(element, list(value.shape)).SerializeToString())
    body = schema.get_context_dependent_function(node.SerializeToString(), types)  # type: ignore[attr-defined]
    return onnx.FunctionProto.FromString(body) if isinstance(body, bytes) and body else None


def _bind_attributes(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> onnx.NodeProto:
    """A copy of a function's node with references to the function's attributes replaced by their values."""
    if not any(a.ref_attr_name for a in node.attribute):
        return node
    bound = onnx.NodeProto()
    bound.CopyFrom(node)
    del bound.attribute[:]
    for a in node.attribute:
        if not a.ref_attr_name:
            bound.attribute.append(a)
        elif a.ref_attr_name in given:
            copy = bound.attribute.add()
            copy.CopyFrom(given[a.ref_attr_name])
            copy.name = a.name
    return bound

