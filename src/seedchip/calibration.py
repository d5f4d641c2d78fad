"""Calibration samples from files: an ``.npz``, or a folder of ``.npz``, ``.npy`` files or pictures."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from seedchip.inputs import (
    IMAGE_SUFFIXES,
    MAX_ARRAY_BYTES,
    InputSpec,
    ReadOptions,
    check_feed,
    describe,
    read_array,
    read_image,
)
from seedchip.simulator.errors import FeedError

MAX_SAMPLES = 4096
Samples = list[dict[str, np.ndarray]]


def calibration_reader(path: Path, options: ReadOptions) -> Callable[[Sequence[InputSpec]], Samples]:
    """A function from a network's inputs to the samples in ``path``."""
    return lambda specs: read_samples(path, specs, options)


def read_samples(path: Path, specs: Sequence[InputSpec], options: ReadOptions) -> Samples:
    """Feeds for calibration. Raises `FeedError`.

    An ``.npz`` holds an array for each input, of the input's shape (one sample) or with samples along a first axis. In
    a folder each ``.npz`` adds its samples; each ``.npy`` or picture is one sample of a network with one input.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in (".npz", ".npy", *IMAGE_SUFFIXES))
        samples = [sample for file in files[:MAX_SAMPLES] for sample in _file_samples(file, specs, options)]
    else:
        samples = _file_samples(path, specs, options)
    if not samples:
        raise FeedError(f"{path}: calibration data must hold at least one sample (.npz, .npy or picture), but none was "
                        "found")
    return samples[:MAX_SAMPLES]


def _file_samples(path: Path, specs: Sequence[InputSpec], options: ReadOptions) -> Samples:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _archive_samples(path, specs)
    if suffix not in (".npy", *IMAGE_SUFFIXES):
        raise FeedError(f"{path}: calibration data must be a folder, an .npz, an .npy or a picture")
    if len(specs) != 1:
        raise FeedError(f"{path}: a network with the inputs {describe(specs)} must be calibrated with .npz files that "
                        "name them")
    spec = specs[0]
    if suffix != ".npy":
        return [{spec.name: read_image(path, spec, options)}]
    return [{spec.name: value} for value in _stack(path, spec, read_array(path))]


def _archive_samples(path: Path, specs: Sequence[InputSpec]) -> Samples:
    arrays = _read_archive(path)
    missing = [s.name for s in specs if s.name not in arrays]
    if missing:
        raise FeedError(f"{path}: calibration data must hold input {missing[0]!r}; the network has the inputs "
                        f"{describe(specs)}")
    columns = {spec.name: _stack(path, spec, arrays[spec.name]) for spec in specs}
    counts = {len(values) for values in columns.values()}
    if len(counts) > 1:
        raise FeedError(f"{path}: every input must have the same number of samples, not {sorted(counts)}")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _stack(path: Path, spec: InputSpec, array: np.ndarray) -> list[np.ndarray]:
    """Samples along the first axis, or the array as the one sample."""
    try:
        if array.shape == spec.shape:
            return [check_feed(spec, array)]
        if array.ndim and array.shape[1:] == spec.shape:
            return [check_feed(spec, value) for value in array[:MAX_SAMPLES]]
        if spec.shape[:1] == (1,) and array.ndim and array.shape[1:] == spec.shape[1:]:
            return [check_feed(spec, value[None]) for value in array[:MAX_SAMPLES]]
        return [check_feed(spec, array)]
    except FeedError as error:
        raise FeedError(f"{path}: {error}") from None


def _read_archive(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_ARRAY_BYTES:
                raise FeedError(f"{path}: calibration data must have at most {MAX_ARRAY_BYTES} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FeedError:
        raise
    except OSError as error:
        raise FeedError(f"{path}: the calibration data cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError, RecursionError, KeyError,
            NotImplementedError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        reason = " ".join(str(error).split())[:150]
        raise FeedError(f"{path}: the file must be an .npz of number arrays, but {reason}") from None
