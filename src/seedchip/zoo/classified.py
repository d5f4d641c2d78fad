"""Labelled pictures, and the score of a network that puts them into classes."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from seedchip.zoo.entry import Feeds, Outputs, Score, arrays, cosine
from seedchip.zoo.errors import ZooError
from seedchip.zoo.fetch import fetch


@dataclass(frozen=True)
class Labelled:
    """Grey pictures ``[count, size, size]`` as binary32 with mean about 0 and variance about 1, and class numbers."""

    images: np.ndarray
    labels: np.ndarray

    def feeds(self, start: int, stop: int, batch: int) -> list[Feeds]:
        """Pictures ``start`` to ``stop`` as input ``image`` ``[batch, 1, size, size]``."""
        return [{"image": self.images[i:i + batch, None]} for i in range(start, stop, batch)]


@lru_cache(maxsize=1)
def digits() -> tuple[Labelled, Labelled]:
    """4,000 handwritten digits of MNIST to train on, 1,000 to test on, shuffled by a fixed seed. Raises `ZooError`."""
    with gzip.open(fetch("mnist-5k"), "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    if table.shape != (5000, 785):
        raise ZooError(f"mnist-5k: the table must have 5000 rows of 785 numbers, not {table.shape}; "
                       "delete it and run again")
    table = table[np.random.default_rng(0).permutation(len(table))]
    images = _normalise(table[:, :-1].reshape(-1, 28, 28), mean=0.1307, deviation=0.3081)
    labels = table[:, -1].astype(np.int64)
    return Labelled(images[:4000], labels[:4000]), Labelled(images[4000:], labels[4000:])


@lru_cache(maxsize=1)
def small_digits() -> tuple[Labelled, Labelled]:
    """1,347 handwritten digits of 8 x 8 places to train on, 450 to test on, shuffled by a fixed seed. Raises
    `ZooError`."""
    with gzip.open(fetch("digits-8x8"), "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    if table.shape != (1797, 65):
        raise ZooError(f"digits-8x8: the table must have 1797 rows of 65 numbers, not {table.shape}; "
                       "delete it and run again")
    table = table[np.random.default_rng(0).permutation(len(table))]
    images = (table[:, :-1].reshape(-1, 8, 8) - np.float32(4.88)) / np.float32(6.02)
    labels = table[:, -1].astype(np.int64)
    return Labelled(images[:1347], labels[:1347]), Labelled(images[1347:], labels[1347:])


@lru_cache(maxsize=1)
def clothes() -> tuple[Labelled, Labelled]:
    """Fashion-MNIST: 60,000 pictures to train on, 10,000 to test on, as published (Xiao et al. 2017)."""
    train, test = (
        Labelled(_normalise(_read_idx(fetch(f"fashion-{part}-images")), mean=0.2860, deviation=0.3530),
                 _read_idx(fetch(f"fashion-{part}-labels")).astype(np.int64)) for part in ("train", "test"))
    return train, test


def classification_score(labels: np.ndarray) -> Score:
    """Accuracy beside binary32's own, how often both choose the same class, and the smallest cosine of logits."""

    def score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
        ours, theirs = (np.concatenate(list(arrays(runs))) for runs in (outputs, references))
        truth = labels[:len(ours)]
        chosen, expected = ours.argmax(axis=1), theirs.argmax(axis=1)
        return {"accuracy": float(np.mean(chosen == truth)), "reference_accuracy": float(np.mean(expected == truth)),
                "top1_agreement": float(np.mean(chosen == expected)),
                "cosine": min(cosine(a, b) for a, b in zip(ours, theirs, strict=True))}

    return score


def _normalise(pixels: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return (pixels.astype(np.float32) / np.float32(255) - np.float32(mean)) / np.float32(deviation)


def _read_idx(path: Path) -> np.ndarray:
    """Unsigned bytes in the IDX format: magic 0x0000080N with N axes, N big-endian sizes, data."""
    data = gzip.decompress(path.read_bytes())
    magic = struct.unpack_from(">I", data)[0]
    if magic >> 8 != 0x08:
        raise ZooError(f"{path}: the file must be IDX with unsigned bytes, not magic {magic:#010x}; "
                       "delete it and run again")
    sizes = struct.unpack_from(f">{magic & 0xFF}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
