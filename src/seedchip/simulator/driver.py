"""The driver: a user's tensors to and from their places in memory."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import numpy as np

from seedchip.program.program import MEMORY_DTYPES, user_dtype
from seedchip.simulator.errors import FeedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seedchip.program import TensorPlace

_INT8_LOW, _INT8_HIGH = -128, 127


def check_feeds(places: tuple[TensorPlace, ...], feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The feeds as arrays, one for every place. Raises `FeedError` for missing and unknown names, shapes and types."""
    names = [p.name for p in places]
    for name in feeds:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; inputs: {', '.join(map(repr, names)) or 'none'}"
            raise FeedError(f"{name!r} is not an input of the program{hint}")
    arrays = {}
    for place in places:
        if place.name not in feeds:
            raise FeedError(f"input {place.name!r} must be fed: {place.dtype} {list(place.shape)}")
        arrays[place.name] = _check(place, np.asarray(feeds[place.name]))
    return arrays


def _check(place: TensorPlace, array: np.ndarray) -> np.ndarray:
    where = f"input {place.name!r}"
    if array.shape != place.shape:
        raise FeedError(f"{where} must have shape {list(place.shape)}, not {list(array.shape)}")
    wanted = user_dtype(place.dtype)
    if array.dtype.kind not in "biuf":
        raise FeedError(f"{where} must be {place.dtype}, not {array.dtype}")
    if wanted.kind in "biu" and array.dtype.kind == "f":
        raise FeedError(f"{where} must be {place.dtype}, not {array.dtype}; convert it to integers")
    if wanted.kind == "f" and array.dtype.kind != "f":
        raise FeedError(f"{where} must be {place.dtype}, not {array.dtype}; convert it with astype({place.dtype!r})")
    if wanted.kind in "iu" and array.size:
        limits = [np.iinfo(wanted)]
        if place.storage != "float32":
            limits.append(np.iinfo(place.storage))
        low, high = max(int(x.min) for x in limits), min(int(x.max) for x in limits)
        if int(array.min()) < low or int(array.max()) > high:
            raise FeedError(f"{where} must hold integers in [{low}, {high}], not in [{int(array.min())}, "
                            f"{int(array.max())}]")
    return array.astype(bool) if wanted.kind == "b" else array


def write_input(memory: np.ndarray, place: TensorPlace, array: np.ndarray) -> None:
    """Permute, pad, convert and write the rows of one input; see `TensorPlace`."""
    stored = np.transpose(array, place.permutation)
    if sum(place.pad_columns):
        widths = [(0, 0)] * stored.ndim
        widths[-2] = place.pad_columns
        stored = np.pad(stored, widths)
    values = _to_storage(stored, place)
    region = memory[place.address:place.address + place.num_bytes]
    rows = region.reshape(place.num_rows, place.row_bytes)
    flat = np.ascontiguousarray(values).reshape(place.num_rows, -1).view(np.uint8)
    rows[:, : flat.shape[1]] = flat
    rows[:, flat.shape[1]:] = 0


def _to_storage(stored: np.ndarray, place: TensorPlace) -> np.ndarray:
    if place.storage == "int8" and stored.dtype.kind == "f":
        with np.errstate(all="ignore"):
            scaled = np.rint(stored.astype(np.float32) * np.float32(place.multiplier))
        clipped = np.clip(scaled, _INT8_LOW, _INT8_HIGH)
        return np.where(np.isnan(clipped), np.float32(0), clipped).astype(np.int8)
    if place.storage == "int32" and stored.dtype.kind == "f":
        with np.errstate(all="ignore"):
            rounded = np.clip(np.rint(stored.astype(np.float64)), -(2.0**31), 2.0**31 - 1)
        return np.where(np.isnan(rounded), 0.0, rounded).astype(np.int32)
    with np.errstate(over="ignore"):
        return stored.astype(MEMORY_DTYPES[place.storage])


def read_output(memory: np.ndarray, place: TensorPlace) -> np.ndarray:
    """One output in the user's shape and type: the stored rows, with ``permutation`` (user to stored axes) undone."""
    dtype, shape = np.dtype(MEMORY_DTYPES[place.storage]), place.stored_shape
    width = shape[-1] if shape else 1
    rows = memory[place.address:place.address + place.num_bytes].reshape(place.num_rows, place.row_bytes)
    stored = np.ascontiguousarray(rows[:, : width * dtype.itemsize]).view(dtype).reshape(shape)
    back = np.argsort(place.permutation) if shape else ()
    with np.errstate(all="ignore"):
        return stored.transpose(back).astype(user_dtype(place.dtype), order="C")
