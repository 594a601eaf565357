"""Finalized checkpoints of real trainings, used by Lightning where prunetool is missing."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
import saved
import tiny
import torch
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    ModelPruning,
    StochasticWeightAveraging,
)

from prunetool.checkpoints.finalize import default_target, finalize
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.tensors import NamedTensor


def load(path):
    return torch.load(path, weights_only=False)


class SaveEachEpoch(pl.Callback):
    """Saves while the live weights and their average are both there."""

    def __init__(self, path):
        self.path = path

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.save_checkpoint(self.path)


def trained(folder, *callbacks, epochs=2):
    """Fit a tiny model and return the checkpoint that Lightning wrote at the end."""
    trainer = tiny.trainer(*callbacks, epochs=epochs)
    trainer.fit(tiny.Tiny(), tiny.batches(), tiny.batches())
    trainer.save_checkpoint(folder / "a.ckpt")
    return folder / "a.ckpt"


def with_masks(path, names):
    """Lay prunetool's masks over a checkpoint of a plain training: every second element goes."""
    content = load(path)
    masks = {}
    for name in names:
        tensor = content["state_dict"][name]
        masks[name.replace(".", "__")] = torch.arange(tensor.numel()).reshape(tensor.shape) % 2
    content["callbacks"]["ModelPruning"] = saved.mask_state(**masks)
    content["hyper_parameters"]["opaque"] = argparse.Namespace(path=Path("/x"))
    torch.save(content, path)
    return {name.replace("__", "."): mask for name, mask in masks.items()}


NAMES = ["conv.weight", "hidden.weight", "out.weight"]


def test_prunetools_masks_are_applied_and_dropped(tmp_path):
    path = trained(tmp_path)
    masks = with_masks(path, NAMES)
    before = load(path)

    done = finalize(open_checkpoint(path))

    after = load(tmp_path / "a.final.ckpt")
    assert done.path == tmp_path / "a.final.ckpt"
    assert done.names == tuple(NAMES)
    assert (done.kind, done.pruned, done.elements) == ("prunetool", 2237, 4474)
    assert list(after["state_dict"]) == list(before["state_dict"])
    for name, tensor in before["state_dict"].items():
        expected = tensor * masks[name] if name in masks else tensor
        assert torch.equal(after["state_dict"][name], expected), name
    assert after["state_dict"]._metadata == before["state_dict"]._metadata
    assert set(before["callbacks"]) - set(after["callbacks"]) == {"ModelPruning"}
    assert after["hyper_parameters"] == before["hyper_parameters"]
    for key in before.keys() - {"state_dict", "callbacks", "optimizer_states"}:
        assert after[key] == before[key], key
    same_states(after["optimizer_states"], before["optimizer_states"])


def same_states(found, expected):
    assert found[0]["param_groups"] == expected[0]["param_groups"]
    assert found[0]["state"].keys() == expected[0]["state"].keys()
    for number, state in expected[0]["state"].items():
        for key, value in state.items():
            assert torch.equal(found[0]["state"][number][key], value)


@pytest.mark.parametrize("permanent", [True, False])
def test_the_reference_callbacks_checkpoints(permanent, tmp_path):
    pruning = ModelPruning(
        "l1_unstructured",
        amount=0.5,
        use_lottery_ticket_hypothesis=False,
        make_pruning_permanent=permanent,
    )
    path = trained(tmp_path, pruning)
    before = load(path)["state_dict"]

    done = finalize(open_checkpoint(path), tmp_path / "out.ckpt")

    after = load(tmp_path / "out.ckpt")["state_dict"]
    assert set(after) == set(tiny.Tiny().state_dict())
    names = [name.removesuffix("_mask") for name in before if name.endswith("_mask")]
    assert len(names) == (0 if permanent else 8)
    assert done.kind == (None if permanent else "torch")
    assert sorted(done.names) == sorted(names)
    for name in after:
        expected = (
            before[f"{name}_orig"] * before[f"{name}_mask"] if name in names else before[name]
        )
        assert torch.equal(after[name], expected), name
    prunable = [after[name] for name in names]
    assert done.pruned == sum(int((tensor == 0).sum()) for tensor in prunable)
    assert done.elements == sum(tensor.numel() for tensor in prunable)


def test_the_live_weights_beside_an_average_are_folded(tmp_path):
    path = tmp_path / "a.ckpt"
    averaging = EMAWeightAveraging(decay=0.9)
    tiny.fit(tiny.Tiny(), averaging, SaveEachEpoch(path), epochs=2)
    masks = with_masks(path, ["hidden.weight"])
    before = load(path)

    finalize(open_checkpoint(path))

    after = load(default_target(path))
    for key in ("state_dict", "current_model_state"):
        expected = before[key]["hidden.weight"] * masks["hidden.weight"]
        assert torch.equal(after[key]["hidden.weight"], expected)
        assert torch.equal(after[key]["conv.weight"], before[key]["conv.weight"])
    assert after["averaging_state"] == before["averaging_state"]
    # The two were different to begin with.
    live, average = (after[key]["hidden.weight"] for key in ("current_model_state", "state_dict"))
    assert not torch.equal(live, average)


def test_the_average_inside_a_callbacks_state_is_folded(tmp_path):
    averaging = StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1)
    path = tmp_path / "b.ckpt"

    tiny.fit(NoNorm(), averaging, SaveEachEpoch(path), epochs=3)
    masks = with_masks(path, ["hidden.weight"])
    before = averages(load(path))

    finalize(open_checkpoint(path))

    after = averages(load(default_target(path)))
    assert list(after) == list(before)
    for name, tensor in before.items():
        expected = tensor * masks[name] if name in masks else tensor
        assert torch.equal(after[name], expected), name


class NoNorm(tiny.Tiny):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.Identity()


def averages(content):
    return next(
        state["average_model_state"]
        for state in content["callbacks"].values()
        if isinstance(state, dict) and "average_model_state" in state
    )


def test_weights_only(tmp_path):
    path = tmp_path / "a.ckpt"
    tiny.fit(tiny.Tiny(), EMAWeightAveraging(decay=0.9), SaveEachEpoch(path), epochs=2)
    with_masks(path, ["hidden.weight"])

    finalize(open_checkpoint(path), weights_only=True)

    assert load(default_target(path)).keys() == load(path).keys() - {
        "optimizer_states",
        "lr_schedulers",
        "loops",
        "callbacks",
        "current_model_state",
        "averaging_state",
    }


def test_tied_weights_stay_tied(tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")

    done = finalize(open_checkpoint(path))

    weights = load(default_target(path))["state_dict"]
    assert torch.equal(weights["fc.weight"], saved.FOLDED_WEIGHT)
    assert weights["fc.weight"].data_ptr() == weights["head.weight"].data_ptr()
    assert (done.names, done.pruned, done.elements) == (("fc.weight", "head.weight"), 4, 6)
    assert "prunetool" in load(default_target(path))
    assert load(default_target(path))["callbacks"] == {"Other": {"n": 1}}


def test_a_plain_state_dict(tmp_path):
    torch.save(
        {"w_orig": torch.ones(2), "w_mask": torch.tensor([1.0, 0.0])}, path := tmp_path / "a.pt"
    )

    finalize(open_checkpoint(path))

    again = load(tmp_path / "a.final.pt")
    assert list(again) == ["w"]
    assert again["w"].tolist() == [1.0, 0.0]


def test_a_finalized_checkpoint_has_nothing_left_to_fold(tmp_path):
    finalize(open_checkpoint(saved.save_masked(tmp_path / "a.ckpt")))

    again = open_checkpoint(tmp_path / "a.final.ckpt")

    assert again.masks is None
    assert all(isinstance(it, NamedTensor) and not it.masks for it in again.folded.values())


WITHOUT_PRUNETOOL = """
import sys
sys.modules["prunetool"] = None  # importing it now raises
import torch
import tiny

for path in sys.argv[1:]:
    model = tiny.Tiny.load_from_checkpoint(path, weights_only=False)
    assert (model.hidden.weight == 0).sum() == 2160, (model.hidden.weight == 0).sum()
    trainer = tiny.trainer(epochs=3)
    trainer.fit(tiny.Tiny(), tiny.batches(), ckpt_path=path, weights_only=False)
    assert trainer.current_epoch == 3
    print("steps", trainer.global_step)
"""


def finalized(layout, folder):
    """A finalized checkpoint whose masks were of this layout."""
    folder.mkdir()
    if layout == "torch":
        pruning = ModelPruning(
            "l1_unstructured",
            parameter_names=["weight"],
            amount=0.5,
            use_global_unstructured=False,
            use_lottery_ticket_hypothesis=False,
            make_pruning_permanent=False,
            apply_pruning=lambda epoch: epoch == 0,
        )
        path = trained(folder, pruning)
    else:
        path = trained(folder)
        with_masks(path, NAMES)
    finalize(open_checkpoint(path))
    return str(default_target(path))


@pytest.mark.slow
def test_training_goes_on_without_prunetool(tmp_path):
    paths = [finalized(layout, tmp_path / layout) for layout in ("prunetool", "torch")]

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_PRUNETOOL, *paths],
        env={"PYTHONPATH": str(Path(tiny.__file__).parent), "PATH": ""},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["steps 15", "steps 15"]
