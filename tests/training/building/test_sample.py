from __future__ import annotations

import pytest
import torch

from prunetool.errors import OptionError, UserCodeError
from prunetool.training.building.sample import ModelChoice, model_and_call

CODE = """
import lightning as L
import torch
from torch import nn
from torch.utils.data import DataLoader


class Net(L.LightningModule):
    def __init__(self, width=3):
        super().__init__()
        self.head = nn.Linear(4, width)

    def forward(self, x, scale=1.0):
        return self.head(x) * scale


class Example(Net):
    example_input_array = torch.zeros(7, 4)


class Named(Net):
    def forward(self, ids=None, mask=None):
        return self.head(ids * mask)


class Whole(Net):
    def forward(self, batch):
        return self.head(batch["ids"])


class Data(L.LightningDataModule):
    def setup(self, stage):
        self.rows = [{"ids": torch.ones(4), "mask": torch.ones(4), "label": 1}] * 6

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=3)


def pairs():
    return DataLoader([(torch.ones(4), 1)] * 6, batch_size=2)


def broken():
    def rows():
        raise KeyError("gone")
        yield
    return DataLoader(list(rows()))
"""


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net_of_sample.py").write_text(CODE)
    torch.save({"head.weight": torch.eye(3, 4), "head.bias": torch.zeros(3)}, "weights.pt")
    return "weights.pt"


def choice(name, **more):
    return ModelChoice(model=f"net_of_sample.py:{name}", **more)


def test_a_shape_is_an_input_without_its_batch(weights):
    module, call = model_and_call(weights, choice("Net"), ["2,4"])
    assert [tuple(it.shape) for it in call.inputs] == [(1, 2, 4)]
    assert call.samples == 1
    assert not module.training
    assert module(*call.inputs).shape == (1, 2, 3)


def test_shapes_have_names_and_dtypes(weights):
    _, call = model_and_call(weights, choice("Named"), ["ids=4", "mask=4:int64"])
    assert call.inputs == ()
    assert {name: it.dtype for name, it in call.named.items()} == {
        "ids": torch.float32,
        "mask": torch.int64,
    }


def test_the_models_own_example_is_a_batch(weights):
    _, call = model_and_call(weights, choice("Example"))
    assert (call.inputs[0].shape, call.samples) == ((7, 4), 7)


@pytest.mark.parametrize(("name", "data", "samples"), [("Net", "pairs", 2), ("Named", "Data", 3)])
def test_a_batch_gives_what_forward_takes(weights, name, data, samples):
    module, call = model_and_call(weights, choice(name, data=f"net_of_sample.py:{data}"))
    assert call.samples == samples
    assert set(call.named) == ({"ids", "mask"} if name == "Named" else set())
    assert module(*call.inputs, **call.named).shape == (samples, 3)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([], "multiply-accumulates: what does Net take? Give --input-shape"),
        (["4,-1"], "--input-shape 4,-1: expected sizes of 1 or more"),
        (["four"], "--input-shape four: expected sizes of 1 or more"),
        (["4:in64"], "--input-shape 4:in64: no dtype 'in64'; did you mean 'int64'?"),
        (["4:nn"], "no dtype 'nn'"),
        (["scalee=4"], "Net.forward has no such argument; did you mean 'scale'?"),
        (["1000000,1000000,1000000,1000"], "does not fit into memory"),
    ],
)
def test_what_cannot_be_called(weights, shapes, message):
    with pytest.raises(OptionError) as caught:
        model_and_call(weights, choice("Net"), shapes)
    assert message in str(caught.value)


def test_a_batch_that_forward_takes_whole(weights):
    module, call = model_and_call(weights, choice("Whole", data="net_of_sample.py:Data"))
    assert call.samples == 3
    assert module(*call.inputs).shape == (3, 3)


def test_data_that_raise_are_the_users(weights):
    with pytest.raises(UserCodeError):
        model_and_call(weights, choice("Net", data="net_of_sample.py:broken"))
