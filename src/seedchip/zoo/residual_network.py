"""Small residual networks that are trained here, on first use, with fixed seeds, and kept in the cache as ONNX.

Which digits are misread can differ between machines whose BLAS sums in another order; seeds fix everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seedchip.zoo.classified import Labelled, classification_score, clothes, digits, small_digits
from seedchip.zoo.entry import Entry, Feeds, Outputs
from seedchip.zoo.fetch import cache_folder, write_once
from seedchip.zoo.graph_writer import GraphWriter
from seedchip.zoo.progress import working
from seedchip.zoo.training import Convolution, ResidualNetwork, Schedule, train

CLASSES = 10


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights; raise ``revision`` when the training code changes what it gives."""

    name: str
    data: Callable[[], tuple[Labelled, Labelled]]
    widths: tuple[int, int]
    num_blocks: int
    schedule: Schedule
    revision: int = 1
    size: int = 28
    """height and width of the pictures"""

    def model(self) -> Path:
        """The trained network in the cache; trains it when it is not there."""
        path = cache_folder("models") / f"{self.name}-r{self.revision}.onnx"
        if not path.is_file():
            network = self.train()
            write_once(path, lambda partial: partial.write_bytes(to_onnx(network, self.name, self.size)))
        return path

    def train(self) -> ResidualNetwork:
        """The network with trained weights."""
        data = self.data()[0]
        images = np.ascontiguousarray(np.moveaxis(data.images, 0, -1)[None])
        network = ResidualNetwork(self.widths, self.num_blocks, CLASSES, self.schedule.seed)
        label = f"training {self.name} on {len(data.labels)} pictures, {self.schedule.epochs} epochs"
        with working(label) as progress:
            train(network, images, data.labels, self.schedule, progress)
        return network


def to_onnx(network: ResidualNetwork, name: str, size: int) -> bytes:
    """The network as ONNX: input ``image`` ``[batch, 1, size, size]``, output ``logits`` ``[batch, 10]``."""
    writer = GraphWriter(name, "seedchip.zoo")
    writer.input("image", np.float32, ("batch", 1, size, size))
    x = "image"
    for layer in (network.stem, network.down):
        x = writer.node("Relu", _convolve(writer, layer, x))
    for block in network.blocks:
        inner = writer.node("Relu", _convolve(writer, block.first, x))
        x = writer.node("Relu", writer.node("Add", _convolve(writer, block.second, inner), x))
    x = writer.node("Flatten", writer.node("GlobalAveragePool", x), axis=1)
    weight, bias = (writer.constant(p.value) for p in (network.classifier.weight, network.classifier.bias))
    writer.output(writer.node("Gemm", x, weight, bias, transB=1, name="logits"), np.float32, ("batch", CLASSES))
    return writer.bytes()


def _convolve(writer: GraphWriter, layer: Convolution, x: str) -> str:
    """Weights ``[out, kernel * kernel * in]`` become ONNX's ``[out, in, kernel, kernel]``."""
    kernel, out = layer.kernel, len(layer.bias.value)
    weight = layer.weight.value.reshape(out, kernel, kernel, -1).transpose(0, 3, 1, 2)
    return writer.node("Conv", x, writer.constant(weight), writer.constant(layer.bias.value),
                       strides=[layer.stride] * 2, pads=[kernel // 2] * 4, kernel_shape=[kernel, kernel])


DIGITS = Recipe("digits-cnn", digits, (16, 32), 2, Schedule(epochs=12, batch=32))
CLOTHES = Recipe("fashion-resnet", clothes, (16, 32), 2, Schedule(epochs=3, batch=64))

SMALL_DIGITS = Recipe("digits-8x8", small_digits, (16, 32), 1, Schedule(epochs=30, batch=32), size=8)


def _entry(recipe: Recipe, description: str, licence: str, batch: int) -> Entry:
    def samples() -> list[Feeds]:
        test = recipe.data()[1]
        return test.feeds(0, len(test.labels), batch)

    def score(outputs: Sequence[Outputs], references: Sequence[Outputs]) -> dict[str, float]:
        return classification_score(recipe.data()[1].labels)(outputs, references)

    return Entry(name=recipe.name, description=description, licence=licence, model=recipe.model, samples=samples,
                 score=score, calibration=lambda: recipe.data()[0].feeds(0, 64 * batch, batch), shapes={"batch": batch})


def digits_cnn() -> Entry:
    return _entry(DIGITS, "residual network trained here on 4,000 handwritten digits, tested on 1,000",
                  "Apache-2.0 (weights made here); data: CC BY-SA 3.0", batch=1)


def digits_8x8() -> Entry:
    return _entry(SMALL_DIGITS, "residual network trained here on 1,347 small handwritten digits, tested on 450",
                  "Apache-2.0 (weights made here); data: CC BY 4.0", batch=1)


def fashion_resnet() -> Entry:
    return _entry(CLOTHES, "residual network trained here on Fashion-MNIST, tested on its 10,000 pictures",
                  "Apache-2.0 (weights made here); data: MIT", batch=10)
