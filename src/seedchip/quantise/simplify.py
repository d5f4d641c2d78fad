"""Folds the tail of a layer: scale, bias, activation and requantisation become as few micro-operations as possible.

`simplify` joins chains of multiplications and additions by constants over one value (the constants are combined in
binary64) and fuses a product that feeds one sum into `mad`, which rounds exactly as the two did. `scaled` multiplies a
term by a positive constant and moves the factor inwards through sums, clamps and products to where a constant takes it
up: ``max(acc * S + B, 0) / s`` becomes ``max(acc * (S / s) + B / s, 0)``.

Sums of several values are left in their order, so the range reductions inside functions keep their accuracy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seedchip.quantise.term import FLOAT32_MAX, Term, const, count_uses, operate, walk

SMALLEST_NORMAL = 2.0**-126
INT8_LOW, INT8_HIGH = -128, 127

_FOLDABLE: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
    "mad": lambda a, b, c: a * b + c,
}


def simplify(root: Term) -> Term:
    """An equivalent term, up to the rounding of combined constants."""
    uses = count_uses(root)
    built: dict[int, Term] = {}
    unique: dict[tuple[object, ...], Term] = {}
    movable: dict[int, bool] = {}
    for term in walk(root):
        operands = tuple(built[id(o)] for o in term.operands)
        for old, new in zip(term.operands, operands, strict=True):
            movable[id(new)] = uses[id(old)] <= 1 or _is_cheap(new)
        result = _rewrite(term, operands, movable) if operands else term
        same = (id(result),) if result.is_constant else tuple(id(o) for o in result.operands)
        key = (result.operator, result.tensor, *same)
        built[id(term)] = unique.setdefault(key, result)
    return built[id(root)]


def scaled(root: Term, factor: np.ndarray | float) -> Term:
    """``root * factor`` for a positive constant factor, simplified."""
    root = simplify(root)
    uses = count_uses(root)
    absorbed = _absorb(root, np.asarray(factor, np.float64), uses)
    return simplify(absorbed if absorbed is not None else operate("mul", root, const(factor)))


def shifted(root: Term, shift: float) -> Term:
    """``root + shift`` with the shift moved behind clamps and into constants."""
    return root if shift == 0 else simplify(_shift(root, const(shift), count_uses(root)))


def _shift(term: Term, shift: Term, uses: dict[int, int]) -> Term:
    if term.is_constant:
        return _combine("add", term, shift) or operate("add", term, shift)
    if uses.get(id(term), 0) <= 1:
        if term.operator in ("max", "min"):
            return operate(term.operator, *(_shift(o, shift, uses) for o in term.operands))
        if term.operator == "mul":
            return operate("mad", *term.operands, shift)
        if term.operator == "mad":
            return operate("mad", *term.operands[:2], _shift(term.operands[2], shift, uses))
        if term.operator == "add" and term.operands[1].is_constant:
            return operate("add", term.operands[0], _shift(term.operands[1], shift, uses))
    return operate("add", term, shift)


def saturated(root: Term) -> Term:
    """``root`` for a map that writes int8: outermost clamps that saturation makes anyway are left out."""
    if root.operator not in ("min", "max") or not root.operands[1].is_constant:
        return root
    inner, bound = saturated(root.operands[0]), root.operands[1]
    if root.operator == "min" and bool(np.all(bound.array >= INT8_HIGH)):
        return inner
    if root.operator == "max" and bool(np.all(bound.array <= INT8_LOW)):
        return inner
    return operate(root.operator, inner, bound)


def _is_cheap(term: Term) -> bool:
    """A tensor times (and plus) one number: folding it into each of several users costs nothing."""
    return term.operator in ("mul", "mad") and term.operands[0].operator == "tensor" \
        and all(_is_number(o) for o in term.operands[1:])


def _is_number(term: Term) -> bool:
    return term.is_constant and term.array.size == 1


def _combine(operator: str, *terms: Term) -> Term | None:
    """Constants folded in binary64, unless the result would have more elements or leave the range of binary32."""
    values = [t.array for t in terms]
    if np.broadcast(*values).size > max(v.size for v in values):
        return None
    with np.errstate(all="ignore"):
        result = np.asarray(_FOLDABLE[operator](*values))
    too_large = np.isfinite(result) & (np.abs(result) > FLOAT32_MAX)
    too_small = (result != 0) & (np.abs(result) < SMALLEST_NORMAL) if operator == "mul" else np.zeros((), bool)
    if operator in ("add", "sub", "mad") and any(_rounds(v) for v in values):
        return None
    return None if np.isnan(result).any() or too_large.any() or too_small.any() else const(result)


def _rounds(shift: np.ndarray) -> bool:
    """Whether adding this cuts a value to an integer (1.5 * 2**23 and its kin): such a shift stays alone."""
    return bool(np.any((np.abs(shift) >= 2.0**20) & (np.abs(shift) <= 2.0**27)))


def _sum(first: Term, second: Term) -> Term | None:
    """Two shifts as one, unless they cancel: what cancels was there to round."""
    if bool(np.any(np.abs(first.array + second.array) < 2.0**-10 * np.abs(first.array))):
        return None
    return _combine("add", first, second)


def _rewrite(term: Term, operands: tuple[Term, ...], movable: dict[int, bool]) -> Term:
    operator = term.operator
    if operator in _FOLDABLE and all(o.is_constant for o in operands):
        folded = _combine(operator, *operands)
        if folded is not None:
            return folded
    if (operator == "add" and operands[0].is_constant) or (operator == "mul" and operands[0].is_constant):
        operands = (operands[1], operands[0])
    if operator in ("min", "max") and operands[0].is_constant:
        operands = (operands[1], operands[0])
    if operator == "mad" and operands[0].is_constant:
        operands = (operands[1], operands[0], operands[2])
    rule = {"mul": _mul, "add": _add, "sub": _sub, "mad": _mad}.get(operator)
    result = rule(operands, movable) if rule else None
    if result is not None:
        return result
    return term if all(a is b for a, b in zip(operands, term.operands, strict=True)) else Term(operator, operands)


def _mul(operands: tuple[Term, ...], movable: dict[int, bool]) -> Term | None:
    x, c = operands
    if not c.is_constant:
        return None
    if bool(np.all(c.array == 1)) and c.array.size == 1:
        return x
    if not movable.get(id(x), True):
        return None
    if x.operator == "mul" and x.operands[1].is_constant:
        return _affine(x.operands[0], _combine("mul", x.operands[1], c), None)
    if x.operator == "mad" and x.operands[1].is_constant and x.operands[2].is_constant:
        return _affine(x.operands[0], _combine("mul", x.operands[1], c), _combine("mul", x.operands[2], c))
    if x.operator == "add" and x.operands[1].is_constant:
        shift = _combine("mul", x.operands[1], c)
        return None if shift is None else operate("mad", x.operands[0], c, shift)
    return None


def _affine(x: Term, factor: Term | None, shift: Term | None) -> Term | None:
    """``x * factor (+ shift)``; None where a combination failed."""
    if factor is None:
        return None
    if shift is None:
        return x if factor.array.size == 1 and bool(np.all(factor.array == 1)) else operate("mul", x, factor)
    return operate("mad", x, factor, shift)


def _add(operands: tuple[Term, ...], movable: dict[int, bool]) -> Term | None:
    x, y = operands
    if y.is_constant:
        if y.array.size == 1 and bool(np.all(y.array == 0)):
            return x
        if x.operator == "add" and x.operands[1].is_constant and movable.get(id(x), True):
            total = _sum(x.operands[1], y)
            return None if total is None else operate("add", x.operands[0], total)
        if x.operator == "mad" and x.operands[1].is_constant and x.operands[2].is_constant and movable.get(id(x), True):
            total = _sum(x.operands[2], y)
            return None if total is None else operate("mad", x.operands[0], x.operands[1], total)
    merged = _merge_shifts(x, y, movable)
    if merged is not None:
        return merged
    for product, other in ((x, y), (y, x)):
        if product.operator == "mul" and movable.get(id(product), True):
            return operate("mad", *product.operands, other)
    return None


def _merge_shifts(x: Term, y: Term, movable: dict[int, bool]) -> Term | None:
    """``(r k + D) + (a S + ... + B)`` over tensors: one constant is left, one micro-operation a tensor."""
    for first, rest in ((y, x), (x, y)):
        if not all(movable.get(id(t), True) for t in (first, rest)) or not _is_plain(first) \
                or not first.operands[2].is_constant:
            continue
        shifted_rest = _shift_chain(rest, first.operands[2])
        if shifted_rest is not None:
            return operate("mad", *first.operands[:2], shifted_rest)
    return None


def _is_plain(term: Term) -> bool:
    return term.operator == "mad" and term.operands[0].operator == "tensor" and term.operands[1].is_constant


def _shift_chain(chain: Term, shift: Term) -> Term | None:
    """``a S + r k + ... + B`` with ``shift`` added to B; None for any other term."""
    if chain.operator == "mul" and chain.operands[0].operator == "tensor" and chain.operands[1].is_constant:
        return operate("mad", *chain.operands, shift)
    if not _is_plain(chain):
        return None
    last = chain.operands[2]
    moved = _combine("add", last, shift) if last.is_constant else _shift_chain(last, shift)
    return None if moved is None else operate("mad", *chain.operands[:2], moved)


def _sub(operands: tuple[Term, ...], movable: dict[int, bool]) -> Term | None:
    x, y = operands
    if y.is_constant:
        return _add((x, const(-y.array)), movable) or operate("add", x, const(-y.array))
    if x.is_constant and y.operator in ("mul", "mad") and y.operands[1].is_constant and movable.get(id(y), True):
        factor = const(-y.operands[1].array)
        if y.operator == "mul":
            return operate("mad", y.operands[0], factor, x)
        shift = _combine("sub", x, y.operands[2]) if y.operands[2].is_constant else None
        return None if shift is None else operate("mad", y.operands[0], factor, shift)
    if y.operator == "mul" and y.operands[1].is_constant and movable.get(id(y), True):
        return operate("mad", y.operands[0], const(-y.operands[1].array), x)
    return None


def _mad(operands: tuple[Term, ...], movable: dict[int, bool]) -> Term | None:
    x, c, d = operands
    if c.is_constant and c.array.size == 1 and bool(np.all(c.array == 1)):
        return _add((x, d), movable) or operate("add", x, d)
    if d.is_constant and d.array.size == 1 and bool(np.all(d.array == 0)):
        return _mul((x, c), movable) or operate("mul", x, c)
    if not c.is_constant or not movable.get(id(x), True):
        return None
    if x.operator == "mul" and x.operands[1].is_constant:
        factor = _combine("mul", x.operands[1], c)
        return None if factor is None else operate("mad", x.operands[0], factor, d)
    if x.operator in ("add", "mad") and d.is_constant and x.operands[-1].is_constant:
        shift = _combine("mad", x.operands[-1], c, d)
        factor = c if x.operator == "add" else _combine("mul", x.operands[1], c) if x.operands[1].is_constant else None
        return None if factor is None or shift is None else operate("mad", x.operands[0], factor, shift)
    return None


def _absorb(term: Term, k: np.ndarray, uses: dict[int, int]) -> Term | None:
    """``term * k`` at no extra micro-operation, or None. ``k`` is positive."""
    if term.is_constant:
        return _combine("mul", term, const(k))
    if term.operator == "tensor" or uses.get(id(term), 0) > 1:
        return None
    rule = {"mul": _absorb_mul, "mad": _absorb_mad, "add": _absorb_sum, "sub": _absorb_sum, "max": _absorb_clamp,
            "min": _absorb_clamp, "sel": _absorb_select}.get(term.operator)
    return rule(term, k, uses) if rule else None


def _absorb_mul(term: Term, k: np.ndarray, uses: dict[int, int]) -> Term | None:
    x, y = term.operands
    if y.is_constant and bool(np.all(y.array > 0)):
        both = _combine("mul", y, const(k))
        whole = None if both is None else _absorb(x, both.array, uses)
        if whole is not None:
            return whole
    for first, second in ((y, x), (x, y)):
        inner = _absorb(first, k, uses)
        if inner is not None:
            return operate("mul", second, inner)
    return None


def _absorb_mad(term: Term, k: np.ndarray, uses: dict[int, int]) -> Term | None:
    x, y, z = term.operands
    shift = _absorb(z, k, uses)
    if shift is None:
        return None
    for first, second in ((y, x), (x, y)):
        inner = _absorb(first, k, uses)
        if inner is not None:
            return operate("mad", second, inner, shift)
    return None


def _absorb_sum(term: Term, k: np.ndarray, uses: dict[int, int]) -> Term | None:
    x, y = term.operands
    a, b = _absorb(x, k, uses), _absorb(y, k, uses)
    if a is not None and b is not None:
        return operate(term.operator, a, b)
    if b is not None:
        return operate("mad", x, const(k), b if term.operator == "add" else operate("sub", 0.0, b))
    if a is not None:
        return operate("mad", y, const(k if term.operator == "add" else -k), a)
    return None


def _absorb_clamp(term: Term, k: np.ndarray, uses: dict[int, int]) -> Term | None:
    x, y = term.operands
    if x.is_constant:
        x, y = y, x
    a, b = _absorb(x, k, uses), _absorb(y, k, uses)
    if b is None or (a is None and not y.is_constant):
        return None
    return operate(term.operator, operate("mul", x, const(k)) if a is None else a, b)


def _absorb_select(term: Term, k: np.ndarray, uses: dict[int, int]) -> Term | None:
    condition, x, y = term.operands
    a, b = _absorb(x, k, uses), _absorb(y, k, uses)
    return None if a is None or b is None else operate("sel", condition, a, b)
