"""The network and the data of the experiments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch


@pytest.fixture
def lenet(load_script):
    return load_script("lenet")


def save(path, **arrays):
    images = {"x_train": np.array([[[0, 2], [4, 8]]]), "x_test": np.array([[[8, 0], [0, 16]]])}
    classes = {"y_train": np.array([2]), "y_test": np.array([1])}
    np.savez(path, **{**images, **classes, **arrays})
    return path


def test_unit_pixels_are_divided_by_the_brightest_training_pixel(lenet, tmp_path):
    data = lenet.load(save(tmp_path / "data.npz"), lenet.Pixels.UNIT)
    assert data.x_train.tolist() == [[0, 0.25, 0.5, 1]]
    assert data.x_test.tolist() == [[1, 0, 0, 2]]
    assert (data.y_train.tolist(), data.y_test.tolist()) == ([2], [1])
    assert data.sizes == (4, 300, 100, 3)


def test_standard_pixels_have_the_training_pixels_mean_and_deviation_taken_out(lenet, tmp_path):
    path = save(tmp_path / "data.npz", x_train=np.array([[[1, 1], [3, 3]], [[1, 3], [1, 3]]]))
    data = lenet.load(path, lenet.Pixels.STANDARD)
    deviation = (8 / 7) ** 0.5
    low, high = -1 / deviation, 1 / deviation
    expected = torch.tensor([[low, low, high, high], [low, high, low, high]])
    torch.testing.assert_close(data.x_train, expected)
    torch.testing.assert_close(data.x_test, (torch.tensor([[8.0, 0, 0, 16]]) - 2) / deviation)


def test_a_pass_has_every_whole_batch_once_and_the_next_epoch_goes_on(lenet):
    images = torch.arange(7.0).view(7, 1)
    data = lenet.Data(images, torch.arange(7), images, torch.arange(7))
    batches = lenet.Batches(data, size=2, count=2, seed=0)
    assert len(batches) == 2
    epochs = [[classes.tolist() for _, classes in batches] for _ in range(3)]
    passes = list(itertools.chain.from_iterable(epochs))
    for start in (0, 3):
        assert len(set(itertools.chain.from_iterable(passes[start : start + 3]))) == 6
    assert passes[:3] != passes[3:]
    again = lenet.Batches(data, size=2, count=6, seed=0)
    assert [classes.tolist() for _, classes in again] == passes
    assert all(torch.equal(x.flatten(), y.float()) for x, y in again)
    assert [len(y) for _, y in lenet.Batches(data, size=60, count=1, seed=0)] == [7]


def test_the_network_is_drawn_from_its_seed_with_glorots_deviation(lenet):
    model = lenet.LeNet((784, 300, 100, 10), seed=3)
    assert [tuple(layer.weight.shape) for layer in model.layers] == [
        (300, 784),
        (100, 300),
        (10, 100),
    ]
    for layer in model.layers:
        assert not layer.bias.any()
        glorot = (2 / sum(layer.weight.shape)) ** 0.5
        assert float(layer.weight.detach().std()) == pytest.approx(glorot, rel=0.1)
    same, other = (lenet.LeNet((784, 300, 100, 10), seed=seed) for seed in (3, 4))
    assert torch.equal(same.output.weight, model.output.weight)
    assert not torch.equal(other.output.weight, model.output.weight)
