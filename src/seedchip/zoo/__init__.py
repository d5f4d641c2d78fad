"""Trained open models with real inputs, and large models by shape: fetched or made on first use, none kept here.

    entry = zoo.entry("minilm")
    entry.model(), entry.shapes, entry.calibration(), entry.samples(), entry.score(outputs, references)
"""

from __future__ import annotations

from importlib import import_module

from seedchip.zoo.entry import Entry
from seedchip.zoo.errors import ZooError
from seedchip.zoo.fetch import cache_folder, fetch

__all__ = ["Entry", "ZooError", "cache_folder", "entries", "entry", "fetch", "names"]

_HOMES = {"minilm": "minilm", "ocr-cls": "text_reader", "ocr-det": "text_reader", "ocr-rec": "text_reader",
          "digits-cnn": "residual_network", "digits-8x8": "residual_network", "fashion-resnet": "residual_network",
          "efficientnet-lite0": "efficientnet_lite0", "resnet50": "resnet50", "bert-base": "bert_base",
          "gemm2048": "single_matmul", "matvec4096": "single_matmul"}
"""The module of each entry; the function in it has the entry's name with underscores."""


def names() -> tuple[str, ...]:
    return tuple(_HOMES)


def entry(name: str) -> Entry:
    """The entry of that name; nothing is fetched yet. Raises `ZooError`."""
    if name not in _HOMES:
        raise ZooError(f"a model of the zoo must be one of {', '.join(_HOMES)}, not {name!r}")
    made: Entry = getattr(import_module(f"seedchip.zoo.{_HOMES[name]}"), name.replace("-", "_"))()
    return made


def entries() -> tuple[Entry, ...]:
    """All entries, in the order in which they are introduced."""
    return tuple(entry(name) for name in _HOMES)
