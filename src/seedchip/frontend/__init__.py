"""The front end: ONNX models in, graphs out.

`load_model` reads a file that nobody vouches for, binds its symbolic sizes, folds what is constant and hands back a
`seedchip.graph.ir.Graph`. Whatever can't be imported is one `ModelError`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from seedchip.frontend.errors import ModelError, UnsupportedOperator
from seedchip.frontend.importer import Importer
from seedchip.frontend.loading import LoadedModel, check_model, read_model
from seedchip.graph.ir import Graph
from seedchip.graph.passes import simplify

__all__ = ["ModelError", "UnsupportedOperator", "load_model"]


def load_model(source: str | os.PathLike[str] | onnx.ModelProto, *, shapes: Mapping[str, int] | None = None,
               input_shapes: Mapping[str, Sequence[int]] | None = None,
               constants: Mapping[str, np.ndarray] | None = None, optimise: bool = True) -> Graph:
    """The graph of an ONNX model.

    ``source`` is a path or a model in memory. ``shapes`` binds symbolic sizes by name, ``input_shapes`` whole inputs;
    unbound leading sizes of tensors with two or more axes become 1. ``constants`` gives inputs their values at import
    (a target size, a number of steps): they are inputs of the graph no longer. ``optimise=False`` leaves the graph as
    the rules built it. Raises `ModelError`, and `UnsupportedOperator` (a kind of it) for a sound model that the chip
    can't run.
    """
    if isinstance(source, onnx.ModelProto):
        copy = onnx.ModelProto()
        copy.CopyFrom(source)
        model = check_model(LoadedModel(copy, copy.graph.name or "model", None))
    else:
        model = read_model(source)
    graph = Importer(model).run(shapes or {}, input_shapes or {}, constants or {})
    return simplify(graph) if optimise else graph
