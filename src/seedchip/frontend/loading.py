"""Reads ONNX files that nobody vouches for: every size is checked before memory is taken for it.

A model is returned only when its structure is sound: known format version and domains, unique names, nodes in an
order in which each reads what earlier ones made. Tensors stay as protobuf messages until `seedchip.frontend.weights`
turns them into arrays.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import onnx.inliner
from google.protobuf.message import DecodeError

from seedchip.frontend.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FILE_BYTES = 2**31 - 1
"""A protobuf message can't be larger (https://protobuf.dev/programming-guides/proto-limits); weights beyond it are
external."""
MAX_NODES = 1_000_000
MAX_GRAPH_DEPTH = 16
KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft")


@dataclass(frozen=True)
class LoadedModel:
    """A sound model, the name to call it by in messages, and the folder that its external data must stay inside."""

    proto: onnx.ModelProto
    label: str
    folder: Path | None


def read_model(path: str | os.PathLike[str]) -> LoadedModel:
    """Reads and checks a model file. Raises `ModelError`."""
    path = Path(path)
    data = _read_bytes(path)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except (DecodeError, RecursionError, ValueError, UnicodeDecodeError):
        raise ModelError(f"{path}: the file must be an ONNX model, but it is truncated, damaged or of another format; "
                         "export or download it again") from None
    return check_model(LoadedModel(proto, str(path), path.resolve().parent))


def _read_bytes(path: Path) -> bytes:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise ModelError(f"{path}: a model must be a regular file; give the path of a .onnx file")
        if info.st_size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: a model file must not exceed {MAX_FILE_BYTES} bytes, but it has {info.st_size}; "
                             "save its weights as external data")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        reason = getattr(error, "strerror", None) or "the path is not valid"
        raise ModelError(f"{path}: the model file must be readable, but {reason.lower()}; check the path") from None


def check_model(model: LoadedModel) -> LoadedModel:
    """Checks versions and structure; returns the model with local functions inlined and nodes in order."""
    proto, label = model.proto, model.label
    if not proto.HasField("graph"):
        raise ModelError(f"{label}: the file must hold a graph, but it has none; export the model again")
    _check_opsets(proto, label)
    _check_text(proto.graph, label)
    if proto.functions:
        proto = _inline_functions(proto, label)
        model = LoadedModel(proto, label, model.folder)
    count = _check_graph(proto.graph, label, 0, set())
    if count > MAX_NODES:
        raise ModelError(f"{label}: a model must not have more than {MAX_NODES} nodes, but it has {count}; split it")
    return model


def opset(proto: onnx.ModelProto) -> int:
    """Version of the default operator set."""
    return max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=1)


def _check_opsets(proto: onnx.ModelProto, label: str) -> None:
    newest = onnx.defs.onnx_opset_version()
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx") and not 1 <= entry.version <= newest:
            raise ModelError(f"{label}: the operator set must be version 1 to {newest}, not {entry.version}; "
                             "export the model for an older operator set or update the onnx package")


def _inline_functions(proto: onnx.ModelProto, label: str) -> onnx.ModelProto:
    try:
        return onnx.inliner.inline_local_functions(proto)
    except Exception as error:  # the C++ inliner raises several unrelated types
        raise ModelError(f"{label}: the model's own functions must be expandable, but {_one_line(error)}; "
                         "export the model without functions") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _check_graph(graph: onnx.GraphProto, label: str, depth: int, outer: set[str]) -> int:
    """Checks names and order of one graph and the graphs inside it; sorts its nodes. Returns the number of nodes."""
    if depth > MAX_GRAPH_DEPTH:
        raise ModelError(f"{label}: graphs must not be nested deeper than {MAX_GRAPH_DEPTH}; flatten the model")
    names: set[str] = set()
    initializers = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    _claim(names, (t.name for t in graph.initializer), label, "initializer")
    _claim(names, (i.name for i in graph.input if i.name not in initializers), label, "input")
    for index, node in enumerate(graph.node):
        if node.domain not in KNOWN_DOMAINS:
            raise ModelError(f"{label}: node {node_label(node, index)} must come from a known domain, not "
                             f"{node.domain!r}; export the model with standard operators only")
        _claim(names, (o for o in node.output if o), label, "node output")
    visible = outer | names
    order = _sorted_nodes(graph, outer, names, label)
    if order != list(range(len(graph.node))):
        nodes = [onnx.NodeProto.FromString(graph.node[i].SerializeToString()) for i in order]
        del graph.node[:]
        graph.node.extend(nodes)
    for value in graph.output:
        if value.name not in visible:
            raise ModelError(f"{label}: graph output {value.name!r} must be made by a node, but none makes it; "
                             "export the model again")
    return len(graph.node) + sum(_check_graph(a, label, depth + 1, visible) for a in _subgraphs(graph.node))


def _check_text(graph: onnx.GraphProto, label: str) -> None:
    """Protobuf hands names that are not UTF-8 out as bytes: they are refused before anything compares them."""
    values = [*graph.input, *graph.output, *(t for t in graph.initializer)]
    texts = [graph.name, *(v.name for v in values)]
    texts += [d.dim_param for v in (*graph.input, *graph.output) for d in v.type.tensor_type.shape.dim]
    texts += [e for t in graph.initializer for pair in t.external_data for e in (pair.key, pair.value)]
    for node in graph.node:
        texts += [node.name, node.op_type, node.domain, *node.input, *node.output]
        texts += [text for a in node.attribute for text in (a.name, a.ref_attr_name)]
    if not all(isinstance(text, str) for text in texts):
        raise ModelError(f"{label}: every name must be valid UTF-8, but one is not; export the model again")
    for inner in _subgraphs(graph.node):  # as deep as the protobuf parser allows, which is 100
        _check_text(inner, label)


def _claim(names: set[str], new: Iterable[str], label: str, kind: str) -> None:
    for name in new:
        if not name:
            raise ModelError(f"{label}: every {kind} must have a name; export the model again")
        if name in names:
            raise ModelError(f"{label}: tensor names must be unique, but {kind} {name!r} is defined twice; "
                             "export the model again")
        names.add(name)


def _subgraphs(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.GraphProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield attribute.g
            yield from attribute.graphs


def _reads(node: onnx.NodeProto, depth: int = 0) -> set[str]:
    """Names that a node reads, also through the graphs inside it."""
    names = {name for name in node.input if name}
    if depth > MAX_GRAPH_DEPTH:
        return names
    for inner in _subgraphs([node]):
        made = {i.name for i in inner.input} | {t.name for t in inner.initializer}
        made |= {o for n in inner.node for o in n.output}
        for n in inner.node:
            names |= _reads(n, depth + 1) - made
        names |= {o.name for o in inner.output} - made
    return names


def _sorted_nodes(graph: onnx.GraphProto, outer: set[str], names: set[str], label: str) -> list[int]:
    """Kahn's topological order (CACM 5, 1962), stable: an ordered file keeps its order."""
    maker = {o: i for i, node in enumerate(graph.node) for o in node.output if o}
    waiting: dict[int, set[int]] = {}
    readers: dict[int, list[int]] = {}
    for i, node in enumerate(graph.node):
        reads = _reads(node)
        for name in sorted(reads):
            if name not in names and name not in outer:
                raise ModelError(f"{label}: node {node_label(node, i)} must read a tensor that exists, but nothing "
                                 f"makes {name!r}; export the model again")
        waiting[i] = {maker[name] for name in reads if name in maker}
        for j in waiting[i]:
            readers.setdefault(j, []).append(i)
    if all(max(w, default=-1) < i for i, w in waiting.items()):
        return list(range(len(graph.node)))
    ready = [i for i, w in waiting.items() if not w]
    order: list[int] = []
    while ready:
        i = ready.pop(0)
        order.append(i)
        for j in readers.get(i, ()):
            waiting[j].discard(i)
            if not waiting[j]:
                ready.append(j)
    if len(order) < len(graph.node):
        stuck = min(i for i, w in waiting.items() if w)
        raise ModelError(f"{label}: a graph must not have cycles, but node {node_label(graph.node[stuck], stuck)} "
                         "depends on itself; export the model again")
    return order


def node_label(node: onnx.NodeProto, index: int) -> str:
    """How messages call a node: its name, or its place when it has none."""
    return f"{node.name!r} ({node.op_type})" if node.name else f"number {index} ({node.op_type})"
