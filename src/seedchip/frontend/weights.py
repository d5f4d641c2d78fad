"""Tensors of a model file as arrays: types, sizes and places are checked before a byte is allocated."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from seedchip.frontend.errors import ModelError
from seedchip.frontend.loading import LoadedModel

MAX_TENSOR_BYTES = 2**34
"""16 GiB: more than any memory that a preset describes."""

_FIELD_ITEMS = {"float_data": 1, "int32_data": 1, "int64_data": 1, "double_data": 1, "uint64_data": 1}


def to_array(tensor: TensorProto, model: LoadedModel) -> np.ndarray:
    """The tensor's values. Raises `ModelError` when size, type, place or value is not acceptable."""
    place = f"{model.label}: tensor {tensor.name!r}"
    if tensor.data_type == TensorProto.STRING:
        raise ModelError(f"{place} must hold numbers, not strings; remove text processing from the model")
    try:
        bits = _element_bits(tensor.data_type)
    except KeyError:
        raise ModelError(f"{place} must have a known element type, not number {tensor.data_type}; "
                         "export the model again") from None
    num_bytes = _num_bytes(tensor, bits, place)
    if tensor.data_location == TensorProto.EXTERNAL:
        array = _external(tensor, num_bytes, model, place)
    else:
        _check_inline(tensor, num_bytes, bits, place)
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"{place} must be decodable, but {' '.join(str(error).split())}; "
                             "export the model again") from None
    _check_values(array, place)
    return array


def _element_bits(data_type: int) -> int:
    if data_type in (TensorProto.UINT4, TensorProto.INT4, TensorProto.FLOAT4E2M1):
        return 4
    if data_type in (getattr(TensorProto, "UINT2", -1), getattr(TensorProto, "INT2", -1)):
        return 2
    return int(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(data_type)).itemsize) * 8


def _num_bytes(tensor: TensorProto, bits: int, place: str) -> int:
    if len(tensor.dims) > 16 or any(d < 0 for d in tensor.dims):
        raise ModelError(f"{place} must have at most 16 sizes, none negative, not {list(tensor.dims)[:20]}; "
                         "export the model again")
    count = 1
    for d in tensor.dims:
        count *= d
    if count * bits > MAX_TENSOR_BYTES * 8:
        raise ModelError(f"{place} must not exceed {MAX_TENSOR_BYTES} bytes, but its shape {list(tensor.dims)} does; "
                         "split the tensor")
    return (count * bits + 7) // 8


def _check_inline(tensor: TensorProto, num_bytes: int, bits: int, place: str) -> None:
    """Compares the bytes that the shape asks for with the bytes that the file has."""
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != num_bytes:
            raise ModelError(f"{place} must have {num_bytes} bytes for shape {list(tensor.dims)}, but the file has "
                             f"{len(tensor.raw_data)}; export the model again")
        return
    held = max(len(getattr(tensor, name)) for name in _FIELD_ITEMS)
    if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        held //= 2
    needed = num_bytes * 8 // bits if bits >= 8 else num_bytes
    if held != needed:
        raise ModelError(f"{place} must have {needed} values for shape {list(tensor.dims)}, but the file has {held}; "
                         "export the model again")


def _external(tensor: TensorProto, num_bytes: int, model: LoadedModel, place: str) -> np.ndarray:
    """Reads external data: only a regular file with one link, inside the model's folder, and only bytes that it has."""
    entries = {e.key: e.value for e in tensor.external_data}
    path = _external_path(entries.get("location", ""), model, place)
    try:
        offset = int(entries.get("offset", "0") or "0")
        length = int(entries.get("length", "0") or "0") or num_bytes
    except ValueError:
        raise ModelError(f"{place} must give offset and length as numbers; export the model again") from None
    if length != num_bytes or offset < 0:
        raise ModelError(f"{place} must take {num_bytes} bytes at a non-negative offset of its external file, not "
                         f"{length} at {offset}; export the model again")
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
                raise ModelError(f"{place} must have its external data in a regular file with a single link, but "
                                 f"{path.name!r} is not one; copy the file into the model's folder")
            if offset + length > info.st_size:
                raise ModelError(f"{place} must lie inside its external file, but it ends at byte "
                                 f"{offset + length} and {path.name!r} has {info.st_size}; download the file again")
            file.seek(offset)
            data = file.read(length)
    except OSError as error:
        raise ModelError(f"{place} must have its external data in {path.name!r}, but "
                         f"{(error.strerror or 'it is unreadable').lower()}; place a regular file beside the "
                         "model") from None
    inline = TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=data)
    return numpy_helper.to_array(inline)


def _external_path(location: str, model: LoadedModel, place: str) -> Path:
    if model.folder is None:
        raise ModelError(f"{place} must not be external in a model given from memory; load the model from its file")
    parts = Path(location).parts
    if not location or "\0" in location or "\\" in location or Path(location).is_absolute() or ".." in parts:
        raise ModelError(f"{place} must have its external data inside the model's folder, not at {location!r}; "
                         "move the file beside the model")
    path = model.folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise ModelError(f"{place} must have its external data in a regular file, but {location!r} passes through "
                             "a symbolic link; copy the file into the model's folder")
    return path


def _check_values(array: np.ndarray, place: str) -> None:
    """NaN never is a weight; +Inf only as the single number of a limit. -Inf may be an attention mask."""
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return
    if array.dtype.itemsize == 1 or array.size == 0:
        return
    with np.errstate(all="ignore"):
        total = float(np.sum(array, dtype=np.float64))
    if np.isfinite(total):
        return
    values = array.astype(np.float32, copy=False)
    if np.isnan(values).any():
        raise ModelError(f"{place} must not hold NaN; repair or train the model again")
    if array.size > 1 and np.isposinf(values).any():
        raise ModelError(f"{place} must not hold infinite weights; repair or train the model again")
