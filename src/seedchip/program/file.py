"""The program file: a safetensors container (https://github.com/huggingface/safetensors#format).

The tensors ``code`` and ``segment.000000`` ... are uint8 and one-dimensional; the metadata string ``seedchip`` is a
JSON object with the rest, its last key being the SHA-256 of all of it. The same program always gives the same bytes. A
file is read by people who did not write it: every size, type, range, version and hash is checked before use.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from seedchip.program.errors import ProgramError
from seedchip.program.fields import (
    parse_json,
    read_choice,
    read_hash,
    read_integer,
    read_list,
    read_object,
    read_positive_number,
    read_string,
)
from seedchip.program.program import MEMORY_DTYPES, Layer, Program, Segment, TensorPlace
from seedchip.program.verify import MAX_RANK, USER_DTYPES, verify_program

if TYPE_CHECKING:
    from seedchip.spec import ChipSpec

FORMAT = "seedchip-program"
FORMAT_VERSION = 1
MAX_HEADER_BYTES = 100_000_000
"""The safetensors library's own limit."""
MAX_FILE_BYTES = 1 << 36
MAX_ENTRIES = 1_000_000
"""Most tensors, segments or layers."""
_KEYS = ("format", "version", "name", "chip_name", "chip_hash", "isa_version", "code_address", "memory_bytes", "inputs",
         "outputs", "segments", "layers", "sha256")


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write ``program`` to ``path``; the file appears whole or not at all. Raises `ProgramError` and `OSError`."""
    verify_program(program)
    target, data = Path(path), to_bytes(program)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(path: str | os.PathLike[str], spec: ChipSpec | None = None) -> Program:
    """Read and check a program file; with ``spec``, it must have been compiled for that chip. Raises `ProgramError`."""
    try:
        data = _read_file(Path(path))
        program = from_bytes(data)
        verify_program(program, spec)
    except ProgramError as error:
        raise ProgramError(f"{path}: {error}") from None
    return program


def to_bytes(program: Program) -> bytes:
    """The file's content, a function of the program alone."""
    content: dict[str, Any] = {
        "format": FORMAT, "version": FORMAT_VERSION, "name": program.name, "chip_name": program.chip_name,
        "chip_hash": program.chip_hash, "isa_version": program.isa_version, "code_address": program.code_address,
        "memory_bytes": program.memory_bytes, "inputs": [asdict(p) for p in program.inputs],
        "outputs": [asdict(p) for p in program.outputs], "segments": [s.address for s in program.segments],
        "layers": [asdict(layer) for layer in program.layers]}
    tensors = {_segment_name(i): np.ascontiguousarray(s.data, np.uint8) for i, s in enumerate(program.segments)}
    tensors["code"] = np.frombuffer(program.code, np.uint8)
    content["sha256"] = _digest(content, tensors)
    return safetensors.numpy.save(tensors, {"seedchip": json.dumps(content, separators=(",", ":"))})


def from_bytes(data: bytes) -> Program:
    """The program in a file's content: container, types, format version and hash are checked, the program is not."""
    header = _read_header(data)
    text = read_object(header.get("__metadata__"), "the metadata", ("seedchip",))["seedchip"]
    content = parse_json(read_string(text, "the metadata", MAX_HEADER_BYTES), "the metadata")
    _check_format(content)
    read_object(content, "the metadata", _KEYS)
    tensors = _read_tensors(data, len(read_list(content["segments"], "segments", MAX_ENTRIES)))
    expected = read_hash(content["sha256"], "sha256")
    del content["sha256"]
    if _digest(content, tensors) != expected:
        raise ProgramError("the file is damaged: its content does not have the SHA-256 that it states; get it again")
    return _read_program(content, tensors)


def _read_file(path: Path) -> bytes:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise ProgramError("a program must be a regular file")
        if info.st_size > MAX_FILE_BYTES:
            raise ProgramError(f"a program file must have at most {MAX_FILE_BYTES} bytes, not {info.st_size}")
        return path.read_bytes()
    except ProgramError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ProgramError(f"the program file cannot be read: {reason}") from None


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _segment_name(index: int) -> str:
    return f"segment.{index:06d}"


def _digest(content: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the metadata in canonical JSON and every tensor's name, size and bytes in the order of names."""
    sha = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode("utf-8", "backslashreplace"))
    for name in sorted(tensors):
        sha.update(f"\n{name} {tensors[name].size}\n".encode())
        sha.update(tensors[name].data)
    return sha.hexdigest()


def _read_header(data: bytes) -> Mapping[str, Any]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= min(len(data) - 8, MAX_HEADER_BYTES):
        raise ProgramError("the file must be a safetensors container, but its header does not fit; it is truncated, "
                           "damaged or of another format")
    try:
        header = parse_json(data[8:8 + size].decode("utf-8"), "the container's header")
    except UnicodeDecodeError:
        raise ProgramError("the container's header must be UTF-8, but it is not; the file is damaged or of another "
                           "format") from None
    if not isinstance(header, dict):
        raise ProgramError("the container's header must be a JSON object; the file is damaged or of another format")
    return header


def _check_format(content: object) -> None:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ProgramError("the file must be a SeedChip program, but it is another kind of safetensors file")
    version = read_integer(content.get("version"), "version", 1)
    if version != FORMAT_VERSION:
        raise ProgramError(f"the file must have format version {FORMAT_VERSION}, not {version}; compile the model "
                           "again")


def _read_tensors(data: bytes, num_segments: int) -> dict[str, np.ndarray]:
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ProgramError(f"the file must be a sound safetensors container, but {reason}; get it again") from None
    names = {"code", *map(_segment_name, range(num_segments))}
    if set(tensors) != names:
        wrong = sorted(set(tensors) ^ names)[0]
        raise ProgramError(f"the container must hold code and {num_segments} segments, but {wrong[:60]!r} is "
                           f"{'missing' if wrong in names else 'neither'}")
    for name, tensor in tensors.items():
        if tensor.dtype != np.uint8 or tensor.ndim != 1:
            raise ProgramError(f"tensor {name!r} must be one-dimensional uint8, not {tensor.dtype.name} with "
                               f"{tensor.ndim} axes")
        tensor.flags.writeable = False
    return tensors


def _read_program(content: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Program:
    segments = tuple(Segment(read_integer(address, f"segments[{i}]"), tensors[_segment_name(i)])
                     for i, address in enumerate(content["segments"]))
    return Program(
        name=read_string(content["name"], "name"), chip_name=read_string(content["chip_name"], "chip_name"),
        chip_hash=read_hash(content["chip_hash"], "chip_hash"),
        isa_version=read_integer(content["isa_version"], "isa_version", 1, 1 << 16), code=tensors["code"].tobytes(),
        code_address=read_integer(content["code_address"], "code_address"),
        memory_bytes=read_integer(content["memory_bytes"], "memory_bytes"),
        inputs=_read_places(content["inputs"], "inputs"), outputs=_read_places(content["outputs"], "outputs"),
        segments=segments, layers=_read_layers(content["layers"]))


def _read_places(value: object, place: str) -> tuple[TensorPlace, ...]:
    keys = [f.name for f in fields(TensorPlace)]
    entries = enumerate(read_list(value, place, MAX_ENTRIES))
    return tuple(_read_place(read_object(v, f"{place}[{i}]", keys), f"{place}[{i}]") for i, v in entries)


def _read_place(v: Mapping[str, Any], at: str) -> TensorPlace:
    left, right = _read_integers(v["pad_columns"], f"{at}.pad_columns", 2, count=2)
    return TensorPlace(
        name=read_string(v["name"], f"{at}.name"), shape=_read_integers(v["shape"], f"{at}.shape", MAX_RANK),
        dtype=read_choice(v["dtype"], f"{at}.dtype", USER_DTYPES),
        storage=read_choice(v["storage"], f"{at}.storage", list(MEMORY_DTYPES)),
        address=read_integer(v["address"], f"{at}.address"), row_bytes=read_integer(v["row_bytes"], f"{at}.row_bytes"),
        permutation=_read_integers(v["permutation"], f"{at}.permutation", MAX_RANK), pad_columns=(left, right),
        multiplier=read_positive_number(v["multiplier"], f"{at}.multiplier"))


def _read_integers(value: object, place: str, most: int, *, count: int | None = None) -> tuple[int, ...]:
    values = read_list(value, place, most)
    if count is not None and len(values) != count:
        raise ProgramError(f"{place} must be {count} integers, not {len(values)}")
    return tuple(read_integer(n, f"{place}[{i}]") for i, n in enumerate(values))


def _read_layers(value: object) -> tuple[Layer, ...]:
    layers = []
    for i, entry in enumerate(read_list(value, "layers", MAX_ENTRIES)):
        at = f"layers[{i}]"
        v = read_object(entry, at, [f.name for f in fields(Layer)])
        layers.append(Layer(
            read_string(v["name"], f"{at}.name"), read_string(v["operation"], f"{at}.operation"),
            read_integer(v["first"], f"{at}.first"), read_integer(v["last"], f"{at}.last"),
            read_integer(v["macs"], f"{at}.macs", high=1 << 62)))
    return tuple(layers)
