"""Terms: element-wise programs over named tensors and constant arrays, the form in which maps are rewritten.

An `Expression` numbers its arguments and holds scalar constants only. A `Term` names its tensors and holds constants of
any broadcastable shape in binary64, so that scales and biases of a layer can be multiplied out and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from seedchip.numerics.expression import Expression, apply, argument, constant, pattern, postorder

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Term:
    """A leaf ("tensor" with its name, "constant" with its values) or a micro-operation applied to terms.

    ``bits`` keeps the 32-bit pattern of a scalar constant that came from an expression, for bitwise operations.
    """

    operator: str
    operands: tuple[Term, ...] = ()
    tensor: str = ""
    values: np.ndarray | None = None
    bits: int | None = None

    @property
    def is_constant(self) -> bool:
        return self.operator == "constant"

    @property
    def array(self) -> np.ndarray:
        """The values of a constant."""
        if self.values is None:
            raise TypeError(f"a {self.operator} term has no values")
        return self.values


def read(name: str) -> Term:
    """The value of a tensor, converted to binary32."""
    return Term("tensor", tensor=name)


def const(values: np.ndarray | float) -> Term:
    """A constant in binary64; finite values stay inside the range of binary32 when they are rounded."""
    array = np.asarray(values, np.float64)
    bounded = np.clip(array, -FLOAT32_MAX, FLOAT32_MAX)
    return Term("constant", values=np.where(np.isfinite(array), bounded, array))


def operate(operator: str, *operands: Term | float) -> Term:
    """One micro-operation; plain numbers become constants."""
    return Term(operator, tuple(o if isinstance(o, Term) else const(o) for o in operands))


def from_expression(root: Expression, arguments: Sequence[Term]) -> Term:
    """An expression with its arguments replaced by terms; sharing is kept."""
    built: dict[int, Term] = {}
    for e in postorder(root):
        if e.operator == "argument":
            built[id(e)] = arguments[e.value]
        elif e.operator == "constant":
            built[id(e)] = Term("constant", values=np.array(np.int32(e.value).view(np.float32), np.float64),
                                bits=e.value)
        else:
            built[id(e)] = Term(e.operator, tuple(built[id(o)] for o in e.operands))
    return built[id(root)]


def walk(root: Term) -> list[Term]:
    """Distinct terms, operands first."""
    seen: set[int] = set()
    order: list[Term] = []
    stack: list[tuple[Term, bool]] = [(root, False)]
    while stack:
        term, ready = stack.pop()
        if ready:
            order.append(term)
        elif id(term) not in seen:
            seen.add(id(term))
            stack.append((term, True))
            stack.extend((o, False) for o in reversed(term.operands))
    return order


def count_uses(root: Term) -> dict[int, int]:
    """How many operand places name each term."""
    uses: dict[int, int] = {id(root): 0}
    for term in walk(root):
        for o in term.operands:
            uses[id(o)] = uses.get(id(o), 0) + 1
    return uses


def tensors(root: Term) -> list[str]:
    """Names of the tensors read, in order of first use."""
    return list(dict.fromkeys(t.tensor for t in walk(root) if t.operator == "tensor"))


def num_operations(root: Term) -> int:
    return sum(1 for t in walk(root) if t.operands)


def to_expression(root: Term, add_constant: Callable[[np.ndarray], str], *, keep_shapes: bool = False,
                  ) -> tuple[Expression, list[str]]:
    """The expression of a map and the tensors that it reads.

    Constants whose elements are equal become numbers in the expression, unless ``keep_shapes``; the others are handed
    to ``add_constant`` as float32 arrays without leading axes of size 1.
    """
    names: list[str] = []
    built: dict[int, Expression] = {}

    def leaf(name: str) -> Expression:
        if name not in names:
            names.append(name)
        return argument(names.index(name))

    for term in walk(root):
        if term.operator == "tensor":
            built[id(term)] = leaf(term.tensor)
        elif term.is_constant:
            built[id(term)] = _constant_expression(term, lambda a: leaf(add_constant(a)), keep_shapes)
        else:
            built[id(term)] = apply(term.operator, *(built[id(o)] for o in term.operands))
    return built[id(root)], names


def _constant_expression(term: Term, leaf: Callable[[np.ndarray], Expression], keep_shapes: bool) -> Expression:
    if term.bits is not None:
        return pattern(term.bits)
    values = term.array
    if values.ndim == 0 or (values.size == 1 and not keep_shapes):
        return constant(float(values.reshape(())[()]))
    if not keep_shapes and values.size and bool(np.all(values == values.flat[0])):
        return constant(float(values.flat[0]))
    return leaf(trim(values).astype(np.float32))


def trim(values: np.ndarray) -> np.ndarray:
    """Without leading axes of size 1 (they broadcast anyway)."""
    lead = next((i for i, n in enumerate(values.shape) if n != 1), values.ndim)
    return values.reshape(values.shape[lead:]) if lead < values.ndim else values.reshape((1,))


def distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
