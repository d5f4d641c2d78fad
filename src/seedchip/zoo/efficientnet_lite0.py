"""EfficientNet-Lite0 with its ImageNet weights, exported once by torch; nothing here is imported without that extra.

The definition is imported from the fetched files (their hashes are pinned), the weights are read with
``torch.load(weights_only=True)``. Pictures are cut to a square and scaled to 224x224, mean and deviation 0.5.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seedchip.zoo.entry import Entry, Feeds, Outputs, agreement, arrays
from seedchip.zoo.errors import ZooError
from seedchip.zoo.fetch import cache_folder, fetch, write_once
from seedchip.zoo.pictures import photo

SIZE = 224
PHOTOS = ("photo-coffee", "photo-astronaut", "photo-chelsea", "photo-rocket", "photo-motorcycle_left")
CALIBRATION_PHOTOS = ("photo-camera", "photo-coins", "photo-page", "photo-retina", "photo-ihc",
                      "photo-hubble_deep_field")
_PACKAGE = "seedchip_zoo_efficientnet_lite"


def model() -> Path:
    """The exported network in the cache: input ``image`` ``[1, 3, 224, 224]``, output ``logits`` ``[1, 1000]``."""
    path = cache_folder("models") / "efficientnet-lite0-r1.onnx"
    if not path.is_file():
        write_once(path, _export)
    return path


def _export(path: Path) -> None:
    try:
        import torch
    except ImportError:
        raise ZooError("efficientnet-lite0: torch is needed to export this model; install seedchip[torch]") from None
    network = _definition().EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(fetch("efficientnet-lite0-weights"), map_location="cpu", weights_only=True))
    image = torch.zeros(1, 3, SIZE, SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own workings
        torch.onnx.export(network.eval(), (image,), str(path), input_names=["image"], output_names=["logits"],
                          dynamo=True, external_data=False, verbose=False)


def _definition() -> Any:
    """The fetched files as a package of their own name, since they import each other."""
    files = {part: fetch(f"efficientnet-lite0-{part}") for part in ("model", "parts")}
    root = importlib.util.module_from_spec(importlib.util.spec_from_loader(_PACKAGE, loader=None, is_package=True))  # type: ignore[arg-type]
    sys.modules[_PACKAGE] = root
    for name, part in (("utils", "parts"), ("model", "model")):
        spec = importlib.util.spec_from_file_location(f"{_PACKAGE}.{name}", files[part])
        if spec is None or spec.loader is None:
            raise ZooError(f"{files[part]}: the model's definition must be a Python file; delete it and run again")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules[f"{_PACKAGE}.model"]


def _feeds(names: Sequence[str]) -> list[Feeds]:
    """Each photograph and its mirror image."""
    squares = [_square(photo(name)) for name in names]
    return [{"image": np.ascontiguousarray(x)} for square in squares for x in (square, square[..., ::-1])]


def _square(pixels: np.ndarray) -> np.ndarray:
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    image = Image.fromarray(pixels[top:top + side, left:left + side]).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return (np.asarray(image, np.float32).transpose(2, 0, 1)[None] / np.float32(127.5)) - np.float32(1)


def _score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
    ours, theirs = (arrays(runs)[:, 0].argmax(axis=1) for runs in (outputs, references))
    return agreement(outputs, references) | {"top1_agreement": float(np.mean(ours == theirs))}


def efficientnet_lite0() -> Entry:
    return Entry(name="efficientnet-lite0", description="EfficientNet-Lite0, ImageNet-1k weights, 224x224",
                 licence="Apache-2.0", model=model, samples=lambda: _feeds(PHOTOS), score=_score,
                 calibration=lambda: _feeds(CALIBRATION_PHOTOS), extra="torch")
