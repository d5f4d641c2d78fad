"""Expressions: element-wise functions as directed acyclic graphs of micro-operations.

An `Expression` is what a graph's `Map` holds and what the compiler turns into the vector engine's micro-code. It is
hash-consed by value, so a shared sub-expression is one object in `postorder` and is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from seedchip.numerics.microop import MICRO_OPS, canonical

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Expression:
    """A leaf (`argument` or `constant`) or one micro-operation applied to sub-expressions.

    ``operator`` is a micro-operation's name, "argument" (``value`` is its index) or "constant" (``value`` is the
    32-bit pattern).
    """

    operator: str
    operands: tuple[Expression, ...] = ()
    value: int = 0

    def __post_init__(self) -> None:
        if self.operator in ("argument", "constant"):
            object.__setattr__(self, "_hash", hash((self.operator, self.value)))
            return
        if self.operator not in MICRO_OPS:
            raise ValueError(f"Expression.operator must be a micro-operation, not {self.operator!r}")
        arity = MICRO_OPS[self.operator].arity
        if len(self.operands) != arity:
            raise ValueError(f"{self.operator} takes {arity} operands, not {len(self.operands)}")
        object.__setattr__(self, "_hash", hash((self.operator, *self.operands)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Expression) and self.key() == other.key())

    def key(self) -> tuple[object, ...]:
        """Value identity, linear in the number of distinct sub-expressions; found once."""
        return self._key

    @cached_property
    def _key(self) -> tuple[object, ...]:
        index: dict[int, int] = {}
        rows: list[tuple[object, ...]] = []
        for e in postorder(self):
            index[id(e)] = len(rows)
            rows.append((e.operator, e.value, *(index[id(o)] for o in e.operands)))
        return tuple(rows)

    def __str__(self) -> str:
        if self.operator == "argument":
            return f"%{self.value}"
        if self.operator == "constant":
            return f"{float(np.int32(self.value).view(np.float32)):.9g}"
        return f"{self.operator}({', '.join(map(str, self.operands))})"


def argument(index: int) -> Expression:
    """The ``index``-th input of a map."""
    return Expression("argument", value=index)


def constant(x: float) -> Expression:
    """The binary32 number nearest to ``x``."""
    with np.errstate(over="ignore"):
        return pattern(int(canonical(np.float32(x).reshape(1)).view(np.int32)[0]))


def pattern(bits: int) -> Expression:
    """A raw 32-bit pattern (signed or unsigned)."""
    return Expression("constant", value=int(np.uint32(bits & 0xFFFFFFFF).view(np.int32)))


def apply(operator: str, *operands: Expression | float) -> Expression:
    """``operator`` applied to expressions; plain numbers become constants."""
    return Expression(operator, tuple(o if isinstance(o, Expression) else constant(o) for o in operands))


def postorder(root: Expression) -> list[Expression]:
    """Distinct (by identity) sub-expressions, operands first. Iterative: depth is not limited by the stack."""
    seen: set[int] = set()
    order: list[Expression] = []
    stack: list[tuple[Expression, bool]] = [(root, False)]
    while stack:
        e, ready = stack.pop()
        if ready:
            order.append(e)
        elif id(e) not in seen:
            seen.add(id(e))
            stack.append((e, True))
            stack.extend((o, False) for o in reversed(e.operands))
    return order


def substitute(root: Expression, arguments: Sequence[Expression]) -> Expression:
    """``root`` with argument ``i`` replaced by ``arguments[i]``: composition of maps, equal parts merged."""
    built: dict[int, Expression] = {}
    unique: dict[tuple[object, ...], Expression] = {}
    replaced = [merge(a, unique) for a in arguments]
    for e in postorder(root):
        if e.operator == "argument":
            built[id(e)] = replaced[e.value]
        else:
            built[id(e)] = _intern(e, tuple(built[id(o)] for o in e.operands), unique)
    return built[id(root)]


def merge(root: Expression, unique: dict[tuple[object, ...], Expression] | None = None) -> Expression:
    """``root`` with equal sub-expressions made one object."""
    unique = {} if unique is None else unique
    built: dict[int, Expression] = {}
    for e in postorder(root):
        built[id(e)] = _intern(e, tuple(built[id(o)] for o in e.operands), unique)
    return built[id(root)]


def _intern(e: Expression, operands: tuple[Expression, ...],
            unique: dict[tuple[object, ...], Expression]) -> Expression:
    key = (e.operator, e.value, *(id(o) for o in operands))
    if key not in unique:
        unique[key] = Expression(e.operator, operands, e.value)
    return unique[key]


def num_operations(root: Expression) -> int:
    """Distinct micro-operations (leaves are free)."""
    return sum(1 for e in postorder(root) if e.operands)


def evaluate(root: Expression, arguments: Sequence[np.ndarray]) -> np.ndarray:
    """Exact value: float32 arrays in (broadcast), float32 array out. NaN results are canonical."""
    order = postorder(root)
    last = {id(o): i for i, e in enumerate(order) for o in e.operands}
    values: dict[int, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for i, e in enumerate(order):
            if e.operator == "argument":
                values[id(e)] = np.asarray(arguments[e.value], np.float32)
            elif e.operator == "constant":
                values[id(e)] = np.array(e.value, np.int32).view(np.float32)
            else:
                values[id(e)] = MICRO_OPS[e.operator].compute(*(values[id(o)] for o in e.operands))
                for o in e.operands:
                    if last[id(o)] == i:
                        values.pop(id(o), None)
    return canonical(np.asarray(values[id(root)]))
