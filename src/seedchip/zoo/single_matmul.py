"""One matrix product as a whole model: what the array and the memory can do at most."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seedchip.zoo.entry import Entry, Feeds, agreement
from seedchip.zoo.fetch import cache_folder, write_once
from seedchip.zoo.graph_writer import GraphWriter


def gemm2048() -> Entry:
    return _entry("gemm2048", (2048, 2048, 2048), "a 2048x2048x2048 matrix product: utilisation of the array")


def matvec4096() -> Entry:
    return _entry("matvec4096", (1, 4096, 4096), "a vector times a 4096x4096 matrix: use of the memory's bandwidth")


def _entry(name: str, sizes: tuple[int, int, int], description: str) -> Entry:
    rows, depth, _ = sizes

    def feeds(seed: int) -> list[Feeds]:
        return [{"x": np.random.default_rng(seed).standard_normal((rows, depth), np.float32)}]

    return Entry(name=name, description=description, licence="Apache-2.0 (made here)",
                 model=lambda: _model(name, sizes), samples=lambda: feeds(1), score=agreement,
                 calibration=lambda: feeds(2), trained=False)


def _model(name: str, sizes: tuple[int, int, int]) -> Path:
    """``y = x @ w``: x ``[rows, depth]``, w ``[depth, columns]``, normal by a fixed seed, deviation 1 / sqrt(depth)."""
    path = cache_folder("models") / f"{name}-r1.onnx"
    if not path.is_file():
        rows, depth, columns = sizes
        writer = GraphWriter(name, "seedchip.zoo")
        weight = np.random.default_rng(0).standard_normal((depth, columns), np.float32) * np.float32(depth**-0.5)
        x = writer.input("x", np.float32, (rows, depth))
        writer.output(writer.node("MatMul", x, writer.constant(weight), name="y"), np.float32, (rows, columns))
        write_once(path, lambda partial: partial.write_bytes(writer.bytes()))
    return path
