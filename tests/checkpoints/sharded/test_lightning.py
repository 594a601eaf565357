"""Folders that two processes wrote with Lightning's ModelParallelStrategy, used in one process."""

from __future__ import annotations

import lightning.pytorch as pl
import pytest
import saved
import sharded
import tiny
import torch
from safetensors.torch import load_file
from sharded_net import Net, loader

from prunetool.checkpoints.export import export
from prunetool.checkpoints.finalize import finalize
from prunetool.checkpoints.reader import open_checkpoint

KEPT = torch.arange(35).reshape(7, 5) % 2


@pytest.fixture(scope="module", params=["sgd", "adamw"])
def trained(request, tmp_path_factory):
    """The name of an optimizer, and a folder that two processes trained one epoch with it."""
    folder = tmp_path_factory.mktemp("sharded")
    return request.param, sharded.fit_sharded(folder, optimizer=request.param)


def gathered(path):
    return torch.load(path.parent / "gathered.pt", weights_only=False)


def finalized(path, folder, **options):
    finalize(open_checkpoint(path), folder / "final.ckpt", **options)
    return folder / "final.ckpt"


def test_the_tensors_are_the_gathered_ones(trained):
    path = trained[1]
    expected = gathered(path)["weights"]

    tensors = open_checkpoint(path).tensors

    assert sorted(tensors) == sorted(expected)
    assert list(tensors) == list(Net().state_dict())
    for name, tensor in expected.items():
        assert torch.equal(tensors[name].read(), tensor), name


def test_finalized_it_loads_in_a_plain_module(trained, tmp_path):
    name, path = trained
    expected = gathered(path)["weights"]

    model = Net.load_from_checkpoint(finalized(path, tmp_path, weights_only=True))

    assert model.hparams["optimizer"] == name
    assert model.state_dict().keys() == expected.keys()
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected[key]), key


def test_exported_it_is_the_same_weights(trained, tmp_path):
    path = trained[1]

    export(open_checkpoint(path), tmp_path / "a.safetensors")

    expected = gathered(path)["weights"]
    found = load_file(tmp_path / "a.safetensors")
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor), key


def masked(path, folder):
    """A copy of a folder with prunetool's masks in its meta.pt."""
    copy = folder / "masked.ckpt"
    copy.mkdir()
    for file in path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    meta = torch.load(copy / "meta.pt", weights_only=False)
    meta["callbacks"]["ModelPruning"] = saved.mask_state(first__weight=KEPT)
    torch.save(meta, copy / "meta.pt")
    return copy


def test_masks_are_applied_and_dropped(trained, tmp_path):
    path = trained[1]
    before = gathered(path)["weights"]

    done = finalize(open_checkpoint(masked(path, tmp_path)))

    after = torch.load(done.path, weights_only=False)
    assert done.path == tmp_path / "masked.final.ckpt"
    assert (done.names, done.kind, done.pruned) == (("first.weight",), "prunetool", 18)
    assert after["callbacks"] == {}
    assert torch.equal(after["state_dict"]["first.weight"], before["first.weight"] * KEPT)
    assert torch.equal(after["state_dict"]["last.weight"], before["last.weight"])


class Restored(pl.Callback):
    """Keeps the optimizer's state as it is when training begins, by parameter name."""

    def on_train_start(self, trainer, pl_module):
        (optimizer,) = trainer.optimizers
        self.state = {
            name: {key: value.clone() for key, value in optimizer.state[parameter].items()}
            for name, parameter in pl_module.named_parameters()
            if parameter in optimizer.state
        }
        self.groups = [
            {key: value for key, value in group.items() if key != "params"}
            for group in optimizer.param_groups
        ]


def test_training_goes_on_from_the_finalized_file(trained, tmp_path):
    """In a plain strategy, to where the two processes themselves get."""
    name, path = trained
    expected = gathered(path)["optimizer"]
    restored, model = Restored(), Net(name)

    tiny.trainer(restored, epochs=2).fit(model, loader(), ckpt_path=finalized(path, tmp_path))

    assert restored.state.keys() == expected["state"].keys()
    for parameter, state in expected["state"].items():
        assert restored.state[parameter].keys() == state.keys()
        for key, value in state.items():
            assert torch.equal(restored.state[parameter][key], value), (parameter, key)
    assert restored.groups == [
        {key: value for key, value in group.items() if key != "params"}
        for group in expected["param_groups"]
    ]
    (tmp_path / "whole").mkdir()
    further = gathered(sharded.fit_sharded(tmp_path / "whole", optimizer=name, epochs=2))["weights"]
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, further[key], msg=key)
    assert not torch.equal(further["first.weight"], gathered(path)["weights"]["first.weight"])
