"""Inputs from files: ``.npy`` arrays, pictures and text become feeds of a network's shape and type.

Files may come from anyone: arrays are read without pickle, a picture's size is checked before it is decoded.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seedchip.simulator.errors import FeedError

MAX_PIXELS = 1 << 26
"""Largest picture that is decoded (8192 x 8192)."""
MAX_ARRAY_BYTES = 1 << 34
MAX_TEXT_BYTES = 1 << 24
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
MASK_NAMES, SEGMENT_NAMES = ("attention_mask", "input_mask", "mask"), ("token_type_ids", "segment_ids")


@dataclass(frozen=True)
class InputSpec:
    """What the network expects of one input; ``dtype`` is a NumPy type name."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ReadOptions:
    """How pictures and texts become numbers.

    A picture's values in [0, 1] have ``mean`` subtracted and are divided by ``std``, a number for each channel or one
    for all; a network with 8-bit input gets the picture's own bytes. ``tokenizer`` is the path of a ``tokenizer.json``.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    tokenizer: Path | None = None


def read_feeds(arguments: Sequence[str], specs: Sequence[InputSpec], options: ReadOptions) -> dict[str, np.ndarray]:
    """Feeds from ``NAME=VALUE`` arguments (``VALUE`` alone when one input is left). Raises `FeedError`.

    A text fills the input it is given for, and the mask and token-type inputs that nothing else is given for.
    """
    known = {spec.name: spec for spec in specs}
    feeds: dict[str, np.ndarray] = {}
    for argument in arguments:
        name, value = _split(argument, list(known))
        if name in feeds:
            raise FeedError(f"input {name!r} must be given once")
        feeds[name] = _read_value(known[name], value, options)
        if _is_text(value):
            feeds |= _text_companions(known, name, value, options, set(feeds) | _named(arguments, known))
    missing = [name for name in known if name not in feeds]
    if missing:
        raise FeedError(f"input {missing[0]!r} must be given: --input {missing[0]}=FILE; the network has the inputs "
                        f"{describe(specs)}")
    return {name: check_feed(known[name], feeds[name]) for name in known}


def random_feeds(specs: Sequence[InputSpec], seed: int = 0) -> dict[str, np.ndarray]:
    """Feeds for a run whose values do not matter: floats from a normal distribution, integers 0 or 1, by ``seed``."""
    generator = np.random.default_rng(seed)
    feeds = {}
    for spec in specs:
        if np.dtype(spec.dtype).kind == "f":
            feeds[spec.name] = generator.standard_normal(spec.shape, np.float32).astype(spec.dtype)
        else:
            feeds[spec.name] = generator.integers(0, 2, spec.shape).astype(spec.dtype)
    return feeds


def check_feed(spec: InputSpec, value: object) -> np.ndarray:
    """``value`` as a C-ordered array of the input's type; only conversions that keep every value are made."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise FeedError(f"input {spec.name!r} must be an array, but {error}") from None
    if array.dtype.kind not in "biuf":
        raise FeedError(f"input {spec.name!r} must hold numbers, not {array.dtype.name}")
    if array.shape != spec.shape:
        raise FeedError(f"input {spec.name!r} must have the shape {_shape(spec.shape)}, not {_shape(array.shape)}; "
                        "resize it, or bind the model's symbolic sizes with --shape NAME=SIZE")
    if array.dtype.name == spec.dtype:
        return np.ascontiguousarray(array).reshape(spec.shape)
    converted = _convert(array, np.dtype(spec.dtype))
    if converted is None:
        raise FeedError(f"input {spec.name!r} must be {spec.dtype}, not {array.dtype.name} values that do not fit; "
                        "convert it first")
    return converted


def _convert(array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray | None:
    """Float to float rounds; everything else must keep its values."""
    with np.errstate(all="ignore"):
        converted = np.ascontiguousarray(array, dtype).reshape(array.shape)
    if array.dtype.kind == "f" and dtype.kind == "f":
        return converted
    return converted if np.array_equal(converted, array) else None


def describe(specs: Sequence[InputSpec]) -> str:
    return ", ".join(f"{s.name} ({s.dtype} {_shape(s.shape)})" for s in specs) or "none"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _split(argument: str, names: list[str]) -> tuple[str, str]:
    """Name and value; the longest input name that fits wins, since names may hold ``=``."""
    fitting = [n for n in names if argument.startswith(f"{n}=")]
    if fitting:
        name = max(fitting, key=len)
        return name, argument[len(name) + 1:]
    if len(names) == 1 and "=" not in argument:
        return names[0], argument
    raise FeedError(f"--input must be NAME=FILE or NAME=TEXT with one of the inputs {', '.join(names)}, not "
                    f"{argument!r}")


def _named(arguments: Sequence[str], known: Mapping[str, InputSpec]) -> set[str]:
    return {_split(argument, list(known))[0] for argument in arguments}


def _is_text(value: str) -> bool:
    return not value.lower().endswith((".npy", *IMAGE_SUFFIXES))


def _read_value(spec: InputSpec, value: str, options: ReadOptions) -> np.ndarray:
    lower = value.lower()
    if lower.endswith(".npy"):
        return read_array(Path(value))
    if lower.endswith(IMAGE_SUFFIXES):
        return read_image(Path(value), spec, options)
    return _encode_text(spec, value, options)[0]


def read_array(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file, mapped, never unpickled. Raises `FeedError`."""
    try:
        if path.stat().st_size > MAX_ARRAY_BYTES:
            raise FeedError(f"{path}: an array file must have at most {MAX_ARRAY_BYTES} bytes")
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FeedError:
        raise
    except OSError as error:
        raise FeedError(f"{path}: the array cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())[:150]
        raise FeedError(f"{path}: the file must be a .npy array of numbers, but {reason}") from None


def read_image(path: Path, spec: InputSpec, options: ReadOptions) -> np.ndarray:
    """A picture as an array of the input's shape: NCHW, NHWC, or either without the batch, with 1, 3 or 4 channels.

    It is resized to the input's height and width (bilinear with antialiasing, as `PIL.Image.resize`), converted to
    grey, RGB or RGBA, and normalised by ``options``. Raises `FeedError`.
    """
    height, width, channels, channels_first = _layout(spec)
    pixels = _decode(path, height, width, channels)
    if np.dtype(spec.dtype).kind != "f":
        array = pixels
    else:
        mean, std = (_per_channel(v, channels, n) for v, n in ((options.mean, "mean"), (options.std, "std")))
        if not std.all():
            raise FeedError("--std must not be 0")
        array = ((pixels.astype(np.float32) / np.float32(255)) - mean) / std
    if channels_first:
        array = np.moveaxis(array, -1, 0)
    return np.ascontiguousarray(array.reshape(spec.shape)).astype(spec.dtype)


def _layout(spec: InputSpec) -> tuple[int, int, int, bool]:
    """Height, width, channels, and whether the channels come first."""
    shape = spec.shape[1:] if len(spec.shape) == 4 and spec.shape[0] == 1 else spec.shape
    for counts in ((1, 3), (4,)):
        if len(shape) == 3 and shape[0] in counts:
            return shape[1], shape[2], shape[0], True
        if len(shape) == 3 and shape[2] in counts:
            return shape[0], shape[1], shape[2], False
    raise FeedError(f"input {spec.name!r} must have the shape of one picture (1xCxHxW or 1xHxWxC with 1, 3 or 4 "
                    f"channels) to read one, not {_shape(spec.shape)}; pass a .npy file")


def _decode(path: Path, height: int, width: int, channels: int) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    if not (0 < height <= 1 << 15 and 0 < width <= 1 << 15):
        raise FeedError(f"{path}: a picture cannot be resized to {height}x{width}")
    try:
        quiet = warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)
        with quiet, Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise FeedError(f"{path}: a picture must have at most {MAX_PIXELS} pixels, not "
                                f"{image.width}x{image.height}")
            mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
            resized = image.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(resized, np.uint8).reshape(height, width, channels)
    except FeedError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, EOFError, TypeError,
            OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())[:150]
        raise FeedError(f"{path}: the file must be a picture, but {reason}") from None
    except OSError as error:
        raise FeedError(f"{path}: the picture cannot be read: {error.strerror or error}") from None


def _per_channel(values: tuple[float, ...], channels: int, option: str) -> np.ndarray:
    if len(values) not in (1, channels):
        raise FeedError(f"--{option} must be one number or {channels}, one for each channel, not {len(values)}")
    return np.array(values, np.float32)


def _encode_text(spec: InputSpec, text: str, options: ReadOptions) -> tuple[np.ndarray, Any]:
    """Token numbers of ``text``, cut or padded to the input's last size, and the encoding itself."""
    if options.tokenizer is None:
        hint = "" if not re.search(r"\.\w{2,5}$", text) else f" ({text!r} is no .npy file or picture)"
        raise FeedError(f"input {spec.name!r} needs a tokenizer to read text{hint}; pass --tokenizer tokenizer.json")
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        raise FeedError(f"a text must have at most {MAX_TEXT_BYTES} bytes")
    if len(spec.shape) not in (1, 2) or (len(spec.shape) == 2 and spec.shape[0] != 1):
        raise FeedError(f"input {spec.name!r} must have the shape of one row of tokens to read a text, not "
                        f"{_shape(spec.shape)}")
    encoding = _tokenizer(options.tokenizer, spec.shape[-1]).encode(text)
    return np.array(encoding.ids, np.int64).reshape(spec.shape), encoding


def _tokenizer(path: Path, length: int) -> Any:
    from tokenizers import Tokenizer

    if not path.is_file():
        raise FeedError(f"{path}: the tokenizer file cannot be read; give a tokenizer.json")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for every damaged file
        reason = " ".join(str(error).split())[:150]
        raise FeedError(f"{path}: the file must be a tokenizer.json, but {reason}") from None
    padding = tokenizer.padding or {}
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=padding.get("pad_id", 0),
                             pad_token=padding.get("pad_token", "[PAD]"))
    return tokenizer


def _text_companions(known: Mapping[str, InputSpec], name: str, text: str, options: ReadOptions,
                     given: set[str]) -> dict[str, np.ndarray]:
    """Mask and token types that belong to a text, for the inputs that carry their usual names."""
    free = [n for n in known if n not in given and n in (*MASK_NAMES, *SEGMENT_NAMES)]
    if not free:
        return {}
    encoding = _encode_text(known[name], text, options)[1]
    values = {n: encoding.attention_mask if n in MASK_NAMES else encoding.type_ids for n in free}
    return {n: np.array(v, np.int64).reshape(known[n].shape) for n, v in values.items()
            if np.prod(known[n].shape) == len(v)}
