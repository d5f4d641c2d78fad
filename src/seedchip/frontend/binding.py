"""Gives every input a static shape: fixed sizes from the model, symbolic ones from the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import onnx

from seedchip.frontend.errors import ModelError

MAX_SIZE = 2**31 - 1


def bind_shapes(inputs: Sequence[onnx.ValueInfoProto], label: str, shapes: Mapping[str, int],
                input_shapes: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    """Shape of each input. ``shapes`` binds symbolic sizes by name, ``input_shapes`` whole inputs.

    An unbound leading size of a tensor with two or more axes is a batch and becomes 1. Raises `ModelError`.
    """
    _check_names(inputs, label, shapes, input_shapes)
    return {i.name: _bind_input(i, label, shapes, input_shapes.get(i.name)) for i in inputs}


def _symbols(inputs: Sequence[onnx.ValueInfoProto]) -> list[str]:
    dims = [d.dim_param for i in inputs for d in i.type.tensor_type.shape.dim if d.dim_param]
    return list(dict.fromkeys(dims))


def _check_names(inputs: Sequence[onnx.ValueInfoProto], label: str, shapes: Mapping[str, int],
                 input_shapes: Mapping[str, Sequence[int]]) -> None:
    symbols, names = _symbols(inputs), [i.name for i in inputs]
    for given, known, kind in ((shapes, symbols, "symbolic size"), (input_shapes, names, "input")):
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, known)) or 'none'}"
                raise ModelError(f"{label}: the model must have the {kind} that is bound, but it has no {name!r}; "
                                 f"{hint}")
    for name, size in shapes.items():
        if not isinstance(size, int) or not 0 <= size <= MAX_SIZE:
            raise ModelError(f"{label}: symbolic size {name!r} must be a whole number from 0 to {MAX_SIZE}, not "
                             f"{size!r}; bind another size")


def _bind_input(value: onnx.ValueInfoProto, label: str, shapes: Mapping[str, int],
                wanted: Sequence[int] | None) -> tuple[int, ...]:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        if wanted is None:
            raise ModelError(f"{label}: input {value.name!r} must have a shape, but the model gives none; "
                             f"pass input_shapes={{{value.name!r}: (...)}}")
        return tuple(int(n) for n in wanted)
    dims = tensor.shape.dim
    if wanted is not None and len(wanted) != len(dims):
        raise ModelError(f"{label}: input {value.name!r} must have {len(dims)} axes, not {len(wanted)}; "
                         "correct input_shapes")
    result = []
    for axis, dim in enumerate(dims):
        given = None if wanted is None else int(wanted[axis])
        fixed = dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None
        result.append(_bind_size((value.name, axis, dim.dim_param), label, fixed, shapes.get(dim.dim_param, given),
                                 batch_like=axis == 0 and len(dims) >= 2))
        if given is not None and result[-1] != given:
            raise ModelError(f"{label}: axis {axis} of input {value.name!r} must have size {result[-1]}, not {given}; "
                             "correct input_shapes")
    return tuple(result)


def _bind_size(place: tuple[str, int, str], label: str, fixed: int | None, given: int | None, *,
               batch_like: bool) -> int:
    name, axis, symbol = place
    if fixed is not None:
        if fixed > MAX_SIZE:
            raise ModelError(f"{label}: axis {axis} of input {name!r} must not exceed {MAX_SIZE}, not {fixed}; "
                             "export the model again")
        return fixed
    if given is not None:
        return given
    if batch_like:
        return 1
    if symbol:
        raise ModelError(f"{label}: axis {axis} of input {name!r} must have a fixed size, but it is the symbol "
                         f"{symbol!r}; bind it with shapes={{{symbol!r}: SIZE}}")
    raise ModelError(f"{label}: axis {axis} of input {name!r} must have a fixed size, but the model leaves it open; "
                     f"pass input_shapes={{{name!r}: (...)}}")
