"""The trainer: gradients against differences, learning on real digits, and the exported network against NumPy's."""

import numpy as np
import onnxruntime
import pytest

from seedchip.zoo.classified import digits
from seedchip.zoo.residual_network import DIGITS, to_onnx
from seedchip.zoo.training import ResidualNetwork, Schedule, _loss_gradient, train


def loss(network, images, labels):
    """Mean cross-entropy, written out."""
    logits = network.forward(images).astype(np.float64)
    powers = np.exp(logits)
    return -np.log(powers[labels, np.arange(len(labels))] / powers.sum(axis=0)).mean()


def batch_last(images):
    return np.ascontiguousarray(np.moveaxis(images, 0, -1)[None])


def test_gradients_are_the_slopes_of_the_loss():
    generator = np.random.default_rng(3)
    network = ResidualNetwork((3, 4), 1, 5, seed=1)
    for parameter in network.parameters():  # in binary64, and no zero weights: every path carries a gradient
        parameter.value = parameter.value.astype(np.float64) + generator.normal(0, 0.1, parameter.value.shape)
    images, labels = generator.standard_normal((1, 8, 8, 6)), np.array([0, 1, 2, 3, 4, 0])
    network.backward(_loss_gradient(network.forward(images), labels))
    step = 1e-3
    for parameter in network.parameters():
        index = np.unravel_index(np.abs(parameter.gradient).argmax(), parameter.gradient.shape)
        middle = parameter.value[index]
        slopes = []
        for value in (middle + step, middle - step):
            parameter.value[index] = value
            slopes.append(loss(network, images, labels))
        parameter.value[index] = middle
        assert (slopes[0] - slopes[1]) / (2 * step) == pytest.approx(parameter.gradient[index], rel=0.02)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    images = np.random.default_rng(0).standard_normal((1, 28, 28, 64)).astype(np.float32)
    labels = np.arange(64) % 10
    trained = []
    for seed in (1, 1, 2):
        network = ResidualNetwork((4, 8), 1, 10, seed)
        train(network, images, labels, Schedule(epochs=1, batch=16, seed=seed), lambda fraction: None)
        trained.append(network.stem.weight.value)
    assert np.array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])


def test_real_digits_are_learned_and_progress_reaches_the_end():
    data, test = digits()
    fractions = []
    network = ResidualNetwork((8, 16), 1, 10, 0)
    train(network, batch_last(data.images), data.labels, Schedule(epochs=5, batch=32), fractions.append)
    chosen = network.forward(batch_last(test.images)).argmax(axis=0)
    assert np.mean(chosen == test.labels) > 0.8
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_the_exported_network_computes_what_the_trained_one_does():
    network = ResidualNetwork((4, 8), 2, 10, seed=5)
    for parameter in network.parameters():
        parameter.value += np.float32(0.05)
    images = np.random.default_rng(0).standard_normal((3, 1, 28, 28)).astype(np.float32)
    session = onnxruntime.InferenceSession(to_onnx(network, "example", 28))
    logits = session.run(["logits"], {"image": images})[0]
    assert np.allclose(logits, network.forward(np.moveaxis(images, 0, -1)).T, rtol=1e-4, atol=1e-5)


def test_training_and_test_digits_are_disjoint_and_every_class_is_in_both():
    data, test = digits()
    assert (len(data.labels), len(test.labels)) == (4000, 1000)
    assert {row.tobytes() for row in data.images}.isdisjoint(row.tobytes() for row in test.images)
    assert set(data.labels) == set(test.labels) == set(range(10))
    assert DIGITS.schedule.epochs * len(data.labels) == 48_000
