"""Matrix products of floating-point tensors; the integer ones are in `quantised`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seedchip.frontend.builder import Builder, Tensor
from seedchip.frontend.registry import Call, operator
from seedchip.numerics.expression import apply


def _float(call: Call, index: int) -> Tensor:
    x = call.tensor(index)
    return x if x.type.dtype == "float32" else call.build.map(lambda a: a, x)


def product(build: Builder, a: Tensor, b: Tensor) -> Tensor:
    """NumPy's matmul: vectors gain an axis of 1 that the result loses."""
    first, second = a.rank == 1, b.rank == 1
    if not a.rank or not b.rank:
        raise ValueError("operands must have one axis or more")
    a = build.reshape(a, (1, *a.shape)) if first else a
    b = build.reshape(b, (*b.shape, 1)) if second else b
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(f"inner sizes must be equal, not {a.shape[-1]} and {b.shape[-2]}")
    y = build.matmul(a, b)
    shape = list(y.shape)
    if second:
        del shape[-1]
    if first:
        del shape[-1 if second else -2]
    return build.reshape(y, shape)


@operator("MatMul")
def matmul(call: Call) -> Tensor:
    """Any ranks that NumPy's matmul takes; either operand may be known at import."""
    return product(call.build, _float(call, 0), _float(call, 1))


@operator("Gemm")
def gemm(call: Call) -> Tensor:
    """alpha A B + beta C with either operand transposed."""
    a, b = _float(call, 0), _float(call, 1)
    if call.flag("transA"):
        a = call.build.transpose(a, (*range(a.rank - 2), a.rank - 1, a.rank - 2))
    if call.flag("transB"):
        b = call.build.transpose(b, (*range(b.rank - 2), b.rank - 1, b.rank - 2))
    alpha, beta = call.attr("alpha", 1.0), call.attr("beta", 1.0)
    y = product(call.build, a, b)
    if alpha != 1:
        y = call.build.map(lambda v: apply("mul", v, alpha), y)
    if not call.has(2) or beta == 0:
        return y
    return call.build.map(lambda v, c: apply("add", v, apply("mul", c, beta) if beta != 1 else c), y, call.value(2))


@operator("Einsum")
def einsum(call: Call) -> Tensor:
    """One or two operands, with ellipsis, without repeated indices inside one operand; summed indices of two operands
    become a batched matrix product."""
    equation = call.attr("equation").replace(" ", "")
    left, _, result = equation.partition("->")
    terms = left.split(",")
    call.require(len(terms) == len(call.inputs) <= 2, f"{len(call.inputs)} operands are combined")
    tensors = [_float(call, i) for i in range(len(call.inputs))]
    terms, result = _expand_ellipsis(terms, result if "->" in equation else None, [t.rank for t in tensors])
    for term in terms:
        call.require(len(set(term)) == len(term), f"an index is repeated in {term!r}")
    if len(terms) == 1:
        return _einsum_one(call.build, tensors[0], terms[0], result)
    return _einsum_two(call.build, tensors, terms, result)


def _expand_ellipsis(terms: list[str], result: str | None, ranks: Sequence[int]) -> tuple[list[str], str]:
    """Writes '...' out in capital letters that no term uses."""
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in "".join(terms)]
    widths = [r - len(t.replace("...", "")) for t, r in zip(terms, ranks, strict=True)]
    widest = max([w for t, w in zip(terms, widths, strict=True) if "..." in t], default=0)
    letters = "".join(free[:widest])
    written = [t.replace("...", letters[widest - w:] if w else "") for t, w in zip(terms, widths, strict=True)]
    if any(len(t) != r for t, r in zip(written, ranks, strict=True)):
        raise ValueError(f"the equation must name every axis of its operands, {ranks}")
    if result is None:
        joined = "".join(written)
        result = letters + "".join(sorted(c for c in set(joined) - set(letters) if joined.count(c) == 1))
    return written, result.replace("...", letters)


def _einsum_one(build: Builder, x: Tensor, term: str, result: str) -> Tensor:
    summed = [i for i, c in enumerate(term) if c not in result]
    y = build.reduce("sum", x, summed, keepdims=False) if summed else x
    left = [c for c in term if c in result]
    return build.transpose(y, [left.index(c) for c in result])


def _einsum_two(build: Builder, tensors: list[Tensor], terms: list[str], result: str) -> Tensor:
    """Sums what only one operand has, then orders both as batch, rows, inner and batch, inner, columns."""
    for i in (0, 1):
        alone = [c for c in terms[i] if c not in terms[1 - i] and c not in result]
        if alone:
            tensors[i] = build.reduce("sum", tensors[i], [terms[i].index(c) for c in alone], keepdims=False)
            terms[i] = "".join(c for c in terms[i] if c not in alone)
    a, b = terms
    batch = [c for c in a if c in b and c in result]
    inner = [c for c in a if c in b and c not in result]
    rows, columns = [c for c in a if c not in b], [c for c in b if c not in a]
    sizes: dict[str, int] = {}
    for term, tensor in zip(terms, tensors, strict=True):
        for c, n in zip(term, tensor.shape, strict=True):
            sizes[c] = max(sizes.get(c, 1), n)
    left = _ordered(build, tensors[0], a, [batch, rows, inner], sizes)
    right = _ordered(build, tensors[1], b, [batch, inner, columns], sizes)
    y = build.reshape(build.matmul(left, right), [sizes[c] for c in batch + rows + columns])
    order = batch + rows + columns
    return build.transpose(y, [order.index(c) for c in result])


def _ordered(build: Builder, x: Tensor, term: str, groups: list[list[str]], sizes: dict[str, int]) -> Tensor:
    x = build.expand(x, [sizes[c] for c in term])
    x = build.transpose(x, [term.index(c) for group in groups for c in group])
    batch, *matrix = groups
    return build.reshape(x, [*(sizes[c] for c in batch), *(math.prod(sizes[c] for c in group) for group in matrix)])
