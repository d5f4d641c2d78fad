"""`torch.compile(module, backend="seedchip")`: TorchDynamo hands over graphs, and each runs as a program on the chip.

A graph is exported when it is first called, once for every set of shapes. One that can't be exported or that the chip
refuses runs eagerly, which is said once in the log; so does every call that has to record gradients.
https://docs.pytorch.org/docs/stable/torch.compiler_custom_backends.html
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seedchip.build import BuildOptions
from seedchip.compiler.placement import CompileError
from seedchip.frontend import ModelError
from seedchip.graph.ops import GraphError
from seedchip.pytorch.export import ExportError, export_module, torch
from seedchip.quantise import QuantiseError
from seedchip.session import InferenceSession

log = logging.getLogger("seedchip.pytorch")
OPTIONS: Mapping[str, Any] = {"chip": "micro", "precision": "int8", "host_fallback": False}
"""What ``torch.compile(..., options={...})`` takes, and what holds without."""
REFUSALS = (ExportError, ModelError, GraphError, QuantiseError, CompileError)
"""Errors that say that a graph can't run on the chip."""
MAX_SESSIONS = 16
"""Programs that a graph keeps, one for each set of shapes; the oldest goes first."""


def seedchip(graph: torch.fx.GraphModule, example_inputs: Sequence[Any], *, options: Mapping[str, Any] | None = None,
             mode: str | None = None) -> Callable[..., Any]:
    """The backend: a callable that computes ``graph`` on the chip. Raises ValueError for options it does not know."""
    if mode is not None:
        raise ValueError(f"torch.compile(backend='seedchip') takes options, not mode={mode!r}; "
                         f"the options are {', '.join(OPTIONS)}")
    for name in options or {}:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(OPTIONS)}"
            raise ValueError(f"torch.compile(backend='seedchip') has no option {name!r}; {hint}")
    fixed = [isinstance(value, torch.nn.Parameter) or _is_static(value) for value in example_inputs]
    return ChipGraph(graph, fixed, {**OPTIONS, **(options or {})})


def _is_static(value: Any) -> bool:
    """Whether TorchDynamo marks a graph's input as a parameter or buffer of the module."""
    return getattr(value, "_dynamo_static_input_type", None) is not None


class ChipGraph:
    """One graph of TorchDynamo. ``fixed`` says which inputs are parameters and buffers: constants on the chip."""

    def __init__(self, graph: torch.fx.GraphModule, fixed: Sequence[bool], options: Mapping[str, Any]) -> None:
        self.graph, self.fixed, self.options = graph, fixed, options
        self.outputs = _outputs(graph)
        self.sessions: dict[tuple[Any, ...], InferenceSession | None] = {}
        """by what the other inputs look like; None where the graph runs eagerly"""
        self._weights: list[tuple[torch.Tensor, int]] = []
        self._said: set[str] = set()

    def __call__(self, *arguments: Any) -> Any:
        if torch.is_grad_enabled() and any(isinstance(a, torch.Tensor) and a.requires_grad for a in arguments):
            return self._run_eagerly(arguments, "the chip records no gradients; call it under torch.no_grad()")
        if self.outputs is None:
            return self._run_eagerly(arguments, "its outputs must be tensors and constants")
        weights = [a for a, fixed in zip(arguments, self.fixed, strict=True) if fixed]
        if not self._has(weights):
            self.sessions.clear()
            self._weights = [(w, w._version) for w in weights]
        key = tuple(_looks(a) for a, fixed in zip(arguments, self.fixed, strict=True) if not fixed)
        if key not in self.sessions:
            if len(self.sessions) == MAX_SESSIONS:
                self.sessions.pop(next(iter(self.sessions)))
            self.sessions[key] = self._open(arguments)
        session = self.sessions[key]
        return self.graph(*arguments) if session is None else self._run(session, arguments)

    def _has(self, weights: Sequence[torch.Tensor]) -> bool:
        """Whether the programs were made with these weights, as they are now."""
        return len(weights) == len(self._weights) and all(
            new is old and new._version == version for new, (old, version) in zip(weights, self._weights, strict=True))

    def _open(self, arguments: Sequence[Any]) -> InferenceSession | None:
        fed = self._fed(arguments)
        bound = BoundGraph(self.graph, arguments, fed)
        try:
            model = export_module(bound, tuple(arguments[i].detach() for i in fed))
            session = InferenceSession(model, self.options["chip"],
                                       options=BuildOptions(precision=self.options["precision"]),
                                       host_fallback=self.options["host_fallback"])
        except REFUSALS as refusal:
            self._say(str(refusal))
            return None
        if len(session.get_outputs()) != sum(isinstance(o, Place) for o in self.outputs or ()):
            self._say("its outputs must be tensors that differ from each other")
            return None
        return session

    def _fed(self, arguments: Sequence[Any]) -> list[int]:
        """Places of the tensors that change from call to call."""
        return [i for i, a in enumerate(arguments) if isinstance(a, torch.Tensor) and not self.fixed[i]]

    def _run(self, session: InferenceSession, arguments: Sequence[Any]) -> tuple[Any, ...]:
        tensors = [arguments[i].detach() for i in self._fed(arguments)]
        feeds = {f"input_{i}": _to_numpy(tensor) for i, tensor in enumerate(tensors)}
        results = iter(session.run(None, {i.name: feeds[i.name] for i in session.get_inputs()}))
        device = tensors[0].device if tensors else torch.device("cpu")
        return tuple(_to_tensor(next(results), o.dtype, device) if isinstance(o, Place) else o
                     for o in self.outputs or ())

    def _run_eagerly(self, arguments: Sequence[Any], reason: str) -> Any:
        self._say(reason)
        return self.graph(*arguments)

    def _say(self, reason: str) -> None:
        if reason not in self._said:
            self._said.add(reason)
            log.warning("a graph of %d nodes runs eagerly: %s", len(self.graph.graph.nodes), reason)


@dataclass(frozen=True)
class Place:
    """Where a graph returns a tensor, and its type."""

    dtype: torch.dtype


class BoundGraph(torch.nn.Module):
    """A graph as a function of the inputs at ``fed`` alone; it holds the others."""

    def __init__(self, graph: torch.fx.GraphModule, arguments: Sequence[Any], fed: Sequence[int]) -> None:
        super().__init__()
        self.graph, self.fed = graph, list(fed)
        self.constants = {i: a for i, a in enumerate(arguments) if not isinstance(a, torch.Tensor)}
        self.num_arguments = len(arguments)
        for i, value in enumerate(arguments):
            if isinstance(value, torch.Tensor) and i not in self.fed:
                self.register_buffer(f"argument_{i}", value.detach())

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        given = dict(zip(self.fed, tensors, strict=True))
        arguments = [given[i] if i in given else self.constants[i] if i in self.constants
                     else getattr(self, f"argument_{i}") for i in range(self.num_arguments)]
        return tuple(value for value in self.graph(*arguments) if isinstance(value, torch.Tensor))


def _outputs(graph: torch.fx.GraphModule) -> tuple[Any, ...] | None:
    """What the graph returns, tensors by their `Place`; None when something else is computed."""
    returned = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    found: list[Any] = []
    for value in returned if isinstance(returned, (tuple, list)) else (returned,):
        example = value.meta.get("example_value") if isinstance(value, torch.fx.Node) else None
        if isinstance(value, torch.fx.Node) and not isinstance(example, torch.Tensor):
            return None
        found.append(Place(example.dtype) if isinstance(example, torch.Tensor) else value)
    return tuple(found)


def _looks(value: Any) -> Any:
    """What a program depends on: shape and type of a tensor, the value of anything else."""
    return (tuple(value.shape), value.dtype) if isinstance(value, torch.Tensor) else value


def _to_numpy(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def _to_tensor(array: np.ndarray, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    known = array.dtype.kind in "biuf" and array.dtype.isbuiltin == 1
    return torch.from_numpy(array if known else array.astype(np.float32)).to(device, dtype)
