"""Trains a small residual network with NumPy alone: convolutions as matrix products, Adam, fixed seeds.

Sources: convolution as a matrix product, Chellapilla et al. 2006; residual blocks whose last layer begins at zero so
that no normalisation is needed, Zhang et al. 2019 (Fixup); He et al. 2015 (initial weights); Kingma & Ba 2015 (Adam).
Activations are ``[channels, height, width, batch]``: the batch lies innermost, so that every tap of a kernel is copied
in long runs. A convolution's weights are ``[channels_out, kernel * kernel * channels_in]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

Array = np.ndarray


@dataclass
class Parameter:
    """A tensor that is trained, its gradient, and Adam's two moments."""

    value: Array
    gradient: Array = field(init=False)
    mean: Array = field(init=False)
    square: Array = field(init=False)

    def __post_init__(self) -> None:
        self.gradient, self.mean, self.square = (np.zeros_like(self.value) for _ in range(3))


class Layer(Protocol):
    """Keeps what `backward` needs from the last `forward`; `backward` also sets the gradients of its parameters."""

    def forward(self, x: Array) -> Array: ...

    def backward(self, dy: Array) -> Array: ...

    def parameters(self) -> list[Parameter]: ...


class Convolution:
    """Square kernel, padding ``kernel // 2``, bias. ``gain`` 0 begins with zero weights."""

    def __init__(self, generator: np.random.Generator, sizes: tuple[int, int, int], stride: int,
                 gain: float = 1.0) -> None:
        channels_in, channels_out, self.kernel = sizes
        self.stride = stride
        fan_in = self.kernel**2 * channels_in
        weight = generator.standard_normal((channels_out, fan_in), np.float32) * np.float32(gain * (2 / fan_in) ** 0.5)
        self.weight, self.bias = Parameter(weight), Parameter(np.zeros(channels_out, np.float32))

    def forward(self, x: Array) -> Array:
        channels, height, _, batch = x.shape
        pad = self.kernel // 2
        padded = np.zeros((channels, height + 2 * pad, height + 2 * pad, batch), np.float32)
        padded[:, pad:pad + height, pad:pad + height] = x
        size = (height + 2 * pad - self.kernel) // self.stride + 1
        self.padded_shape = padded.shape
        self.columns = np.empty((self.kernel**2, channels, size, size, batch), np.float32)
        for tap, window in enumerate(self._windows(padded, size)):
            self.columns[tap] = window
        product = self.weight.value @ self._rows()
        product += self.bias.value[:, None]
        return product.reshape(-1, size, size, batch)

    def accumulate(self, dy: Array) -> None:
        """Gradients of weights and bias."""
        flat = dy.reshape(len(dy), -1)
        self.weight.gradient, self.bias.gradient = flat @ self._rows().T, flat.sum(axis=1)

    def backward(self, dy: Array) -> Array:
        """Gradients of weights and bias; returns the input's."""
        self.accumulate(dy)
        columns = (self.weight.value.T @ dy.reshape(len(dy), -1)).reshape(self.columns.shape)
        padded = np.zeros(self.padded_shape, np.float32)
        for tap, window in enumerate(self._windows(padded, dy.shape[1])):
            window += columns[tap]
        pad, size = self.kernel // 2, self.padded_shape[1] - self.kernel // 2
        return padded[:, pad:size, pad:size]

    def parameters(self) -> list[Parameter]:
        return [self.weight, self.bias]

    def _rows(self) -> Array:
        return self.columns.reshape(self.weight.value.shape[1], -1)

    def _windows(self, padded: Array, size: int) -> Iterator[Array]:
        """The input elements under each tap of the kernel, for all output places: views of ``padded``."""
        s = self.stride
        for row in range(self.kernel):
            for column in range(self.kernel):
                yield padded[:, row:row + s * size:s, column:column + s * size:s]


class Relu:
    def forward(self, x: Array) -> Array:
        self.output = np.maximum(x, np.float32(0))
        return self.output

    def backward(self, dy: Array) -> Array:
        return dy * (self.output > 0)

    def parameters(self) -> list[Parameter]:
        return []


class Residual:
    """``relu(x + second(relu(first(x))))``, both convolutions 3x3."""

    def __init__(self, generator: np.random.Generator, channels: int) -> None:
        sizes = (channels, channels, 3)
        self.first, self.second = Convolution(generator, sizes, 1), Convolution(generator, sizes, 1, gain=0)
        self.inner, self.outer = Relu(), Relu()

    def forward(self, x: Array) -> Array:
        return self.outer.forward(x + self.second.forward(self.inner.forward(self.first.forward(x))))

    def backward(self, dy: Array) -> Array:
        dy = self.outer.backward(dy)
        return dy + self.first.backward(self.inner.backward(self.second.backward(dy)))

    def parameters(self) -> list[Parameter]:
        return self.first.parameters() + self.second.parameters()


class Classifier:
    """Mean over all places, then a dense layer."""

    def __init__(self, generator: np.random.Generator, channels: int, classes: int) -> None:
        scale = np.float32((1 / channels) ** 0.5)
        self.weight = Parameter(generator.standard_normal((classes, channels), np.float32) * scale)
        self.bias = Parameter(np.zeros(classes, np.float32))

    def forward(self, x: Array) -> Array:
        self.shape, self.pooled = x.shape, x.mean(axis=(1, 2))
        return self.weight.value @ self.pooled + self.bias.value[:, None]

    def backward(self, dy: Array) -> Array:
        self.weight.gradient, self.bias.gradient = dy @ self.pooled.T, dy.sum(axis=1)
        places = np.float32(self.shape[1] * self.shape[2])
        return np.broadcast_to((self.weight.value.T @ dy / places)[:, None, None], self.shape)

    def parameters(self) -> list[Parameter]:
        return [self.weight, self.bias]


class ResidualNetwork:
    """A 5x5 and a 3x3 convolution of stride 2, residual blocks, a classifier: images go from 28x28 to 7x7 places."""

    def __init__(self, widths: tuple[int, int], num_blocks: int, classes: int, seed: int) -> None:
        generator = np.random.default_rng(seed)
        narrow, wide = widths
        self.stem = Convolution(generator, (1, narrow, 5), 2)
        self.down = Convolution(generator, (narrow, wide, 3), 2)
        self.blocks = [Residual(generator, wide) for _ in range(num_blocks)]
        self.classifier = Classifier(generator, wide, classes)
        self.after_stem: tuple[Layer, ...] = (Relu(), self.down, Relu(), *self.blocks, self.classifier)

    def forward(self, images: Array) -> Array:
        """Logits ``[classes, batch]`` of images ``[1, height, width, batch]``."""
        x = self.stem.forward(images)
        for layer in self.after_stem:
            x = layer.forward(x)
        return x

    def backward(self, dy: Array) -> None:
        for layer in reversed(self.after_stem):
            dy = layer.backward(dy)
        self.stem.accumulate(dy)

    def parameters(self) -> list[Parameter]:
        layers: tuple[Layer, ...] = (self.stem, *self.after_stem)
        return [parameter for layer in layers for parameter in layer.parameters()]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast; the rate falls to zero along a half cosine."""

    epochs: int
    batch: int = 128
    rate: float = 3e-3
    seed: int = 0


@threadpool_limits.wrap(limits=1, user_api="blas")
def train(network: ResidualNetwork, images: Array, labels: Array, schedule: Schedule,
          progress: Callable[[float], None]) -> None:
    """Fits ``network`` to images ``[1, height, width, count]``; ``progress`` is told the fraction that is done.

    One BLAS thread: the products are small, and threads that wait for each other cost more than they save.
    """
    generator = np.random.default_rng(schedule.seed)
    per_epoch = len(labels) // schedule.batch
    total, step = per_epoch * schedule.epochs, 0
    for _ in range(schedule.epochs):
        order = generator.permutation(len(labels))
        for start in range(0, per_epoch * schedule.batch, schedule.batch):
            chosen = order[start:start + schedule.batch]
            network.backward(_loss_gradient(network.forward(images[..., chosen]), labels[chosen]))
            step += 1
            rate = schedule.rate * 0.5 * (1 + np.cos(np.pi * step / total))
            for parameter in network.parameters():
                _adam(parameter, rate, step)
            progress(step / total)


def _loss_gradient(logits: Array, labels: Array) -> Array:
    """Of the mean cross-entropy: (softmax - one-hot) / batch."""
    powers = np.exp(logits - logits.max(axis=0))
    gradient = powers / powers.sum(axis=0)
    gradient[labels, np.arange(len(labels))] -= 1
    return gradient / np.float32(len(labels))


def _adam(parameter: Parameter, rate: float, step: int) -> None:
    """Kingma & Ba 2015, algorithm 1, with their constants."""
    first, second = 0.9, 0.999
    parameter.mean += np.float32(1 - first) * (parameter.gradient - parameter.mean)
    parameter.square += np.float32(1 - second) * (parameter.gradient**2 - parameter.square)
    rate *= (1 - second**step) ** 0.5 / (1 - first**step)
    parameter.value -= np.float32(rate) * parameter.mean / (np.sqrt(parameter.square) + np.float32(1e-8))
