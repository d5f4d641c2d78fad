"""The table of operators: each is one function whose docstring is the rule, the refusal and the row of the manual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from seedchip.frontend.builder import FLOATS, Builder, Tensor, Value
from seedchip.frontend.errors import ModelError, UnsupportedOperator

Result = Any
"""What a rule returns: one value, or a tuple of them for a node with several outputs."""


@dataclass(frozen=True)
class Operator:
    """One ONNX operator: ``rule`` builds its graph; ``theme`` is the file it stands in."""

    name: str
    domain: str
    rule: Callable[[Call], Result]
    theme: str

    @property
    def text(self) -> str:
        return " ".join((self.rule.__doc__ or "").split())


OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(*names: str, domain: str = "") -> Callable[[Callable[[Call], Result]], Callable[[Call], Result]]:
    """Registers a rule for one or more ONNX operators. Its docstring must not be empty."""
    def register(rule: Callable[[Call], Result]) -> Callable[[Call], Result]:
        if not rule.__doc__:
            raise ValueError(f"operator rule {rule.__name__} must have a docstring: it is the message of a refusal")
        for name in names:
            if (domain, name) in OPERATORS:
                raise ValueError(f"operator {name} is already registered")
            OPERATORS[domain, name] = Operator(name, domain, rule, rule.__module__.rsplit(".", 1)[-1])
        return rule
    return register


@dataclass
class Call:
    """One node on its way into the graph: its inputs as values, its attributes, and the builder."""

    node: onnx.NodeProto
    inputs: list[Any]
    build: Builder
    opset: int
    place: str
    """How messages call the node."""
    rule: str = ""
    to_array: Callable[[TensorProto], np.ndarray] | None = None
    run_graph: Callable[[onnx.GraphProto, dict[str, Any]], list[Any]] | None = None
    attributes: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.attributes = {a.name: a for a in self.node.attribute}

    # refusals --------------------------------------------------------------------------------------------------------
    def refuse(self, found: str, needs: str = "") -> UnsupportedOperator:
        """The error to raise: node, operator, what was found, and the rule."""
        sentence = f"{self.place} can't run on the chip: {found}; the rule for {self.node.op_type}: {self.rule}"
        return UnsupportedOperator(sentence, needs)

    def require(self, condition: bool, found: str) -> None:
        if not condition:
            raise self.refuse(found)

    # attributes ------------------------------------------------------------------------------------------------------
    def attr(self, name: str, default: Any = None) -> Any:
        """Attribute ``name``: int, float, text, tuple, array or graph."""
        if name not in self.attributes:
            return default
        a = self.attributes[name]
        if a.type == onnx.AttributeProto.TENSOR and self.to_array:
            return self.to_array(a.t)
        value = onnx.helper.get_attribute_value(a)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        if isinstance(value, (int, float)) or a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            return value
        return tuple(v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value)

    def flag(self, name: str, default: int = 0) -> bool:
        return bool(self.attr(name, default))

    # inputs ----------------------------------------------------------------------------------------------------------
    def has(self, index: int) -> bool:
        return index < len(self.inputs) and self.inputs[index] is not None

    def value(self, index: int) -> Value:
        """Input ``index`` as it is: a tensor or an array."""
        if not self.has(index):
            raise ModelError(f"{self.place} must have input {index}, but it has none; export the model again")
        value = self.inputs[index]
        if not isinstance(value, (Tensor, np.ndarray)):
            raise self.refuse(f"input {index} is a sequence or an optional value")
        return value

    def tensor(self, index: int) -> Tensor:
        """Input ``index`` as a graph tensor with the model's own values."""
        return self.build.tensor(self.value(index))

    def codes(self, index: int) -> Tensor:
        """Input ``index`` as a graph tensor that may carry an offset (for movements and integer arithmetic)."""
        value = self.value(index)
        return value if isinstance(value, Tensor) else self.build.constant(value)

    def const(self, index: int, what: str) -> np.ndarray:
        """Input ``index``, which must be known at import; ``what`` names it in the refusal."""
        value = self.value(index)
        if isinstance(value, Tensor):
            raise self.refuse(f"{what} is known at run time only", self.build.only_input(value.name))
        return value

    def ints(self, name: str, index: int | None = None, default: Sequence[int] | None = None) -> list[int] | None:
        """Integers from attribute ``name`` (older operator sets) or from constant input ``index``."""
        if index is not None and self.has(index):
            return [int(i) for i in self.const(index, f"the value of {name!r}").reshape(-1)]
        found = self.attr(name)
        if found is None:
            return None if default is None else list(default)
        return [int(found)] if isinstance(found, int) else [int(i) for i in found]

    def axis(self, rank: int, default: int, name: str = "axis") -> int:
        axis = self.attr(name, default)
        return self.wrap(axis, rank)

    def wrap(self, axis: int, rank: int) -> int:
        if not -rank <= axis < max(rank, 1):
            raise ModelError(f"{self.place} must name one of {rank} axes, not {axis}; export the model again")
        return axis % rank if rank else 0

    @property
    def num_outputs(self) -> int:
        return len(self.node.output)

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(self.value(index).shape)

    def dtype(self, index: int) -> str:
        """The model's element type of an input, as NumPy calls it."""
        value = self.value(index)
        return value.dtype if isinstance(value, Tensor) else value.dtype.name

    def is_float(self, index: int) -> bool:
        return self.dtype(index) in FLOATS
