"""Runs that begin with checkpoints that Lightning wrote without prunetool."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from midway import STEPS_AN_EPOCH, Midway
from midway_runs import here, quiet  # noqa: F401

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError, OptionError
from prunetool.training.options.command_line import options_from, place_from
from prunetool.training.processes.interrupts import Terminated
from prunetool.training.run import Manners, train

MATRICES = ("first.weight", "last.weight")


pytestmark = pytest.mark.usefixtures("here")


def model():
    pl.seed_everything(1, verbose=False)
    return Midway(scheduler="epoch")


def lightning(*callbacks, epochs=2, module=None, weights_only=False, to="theirs.ckpt"):
    """Train with Lightning alone, and save."""
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=epochs, logger=False, callbacks=list(callbacks),
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module or model())
    trainer.save_checkpoint(to, weights_only=weights_only)
    return load(to)


def lightnings_pruning():
    return pl.callbacks.ModelPruning(
        "l1_unstructured", parameter_names=["weight"], amount=0.25,
        make_pruning_permanent=False, use_lottery_ticket_hypothesis=False,
    )  # fmt: skip


def load(path):
    return torch.load(path, weights_only=True)


def run(*flags, notes=None, **typed):
    typed = {
        "target": "theirs.ckpt", "model": "midway:Midway", "accelerator": "cpu",
        "output": Path("out"), "max_epochs": 4, "sparsity": "0.75", **typed,
    }  # fmt: skip
    typed |= dict.fromkeys(flags, True)
    options = options_from(typed)
    return train(options, place_from(typed), quiet(notes))


def masks_in(path):
    tensors = open_checkpoint(path).tensors
    return {name: tensors[name].masks[0].read(tensors[name].shape) for name in MATRICES}


def rows(outcome):
    with outcome.folder.metrics.open() as file:
        return [(row["epoch"], row["step"]) for row in csv.DictReader(file)]


def assert_only_grown(masks, outcome):
    """What was pruned still is, and the run has pruned as much as it was asked for."""
    after = masks_in(outcome.folder.last)
    weights = load(outcome.folder.last)["state_dict"]
    for name, kept in masks.items():
        assert not bool((after[name] & ~kept.bool()).any())
        assert not bool((weights[name][~kept.bool()] != 0).any())
    assert (outcome.pruned, outcome.elements) == (round(0.75 * 54), 54)


@pytest.mark.parametrize("weights_only", [False, True])
def test_lightnings_own_kept_masks(weights_only):
    theirs = lightning(lightnings_pruning(), weights_only=weights_only)["state_dict"]
    masks = {name: theirs[f"{name}_mask"] for name in MATRICES}
    assert sum(int((mask == 0).sum()) for mask in masks.values()) > 10
    outcome = run()
    assert_only_grown(masks, outcome)
    assert rows(outcome)[0] == ("1", str(STEPS_AN_EPOCH))


def test_weights_only_of_a_dense_model():
    lightning(weights_only=True)
    assert run().pruned == round(0.75 * 54)
    with pytest.raises(OptionError, match="holds no state of the optimizer; without --resume"):
        run("resume", output=Path("other"))


def sparse():
    module = model()
    with torch.no_grad():
        module.first.weight[:, ::4] = 0
    torch.save(
        {"state_dict": module.state_dict(), "pytorch-lightning_version": "2.0"}, "theirs.ckpt"
    )
    return module.first.weight.detach() != 0


def test_zeros_are_masks_where_that_is_asked_for():
    kept, notes = sparse(), []
    outcome = run("masks_from_zeros", notes=notes)
    assert_only_grown({"first.weight": kept}, outcome)
    assert "theirs.ckpt: 12 zeros in 1 tensors are taken for masks" in notes
    with pytest.raises(OptionError, match="holds weights only"):
        run("masks_from_zeros", "resume", output=Path("other"))


# --- their whole state --------------------------------------------------------------------------


def test_their_optimizer_and_counters_go_on():
    lightning()
    expected = lightning(epochs=4, to="longer.ckpt", module=model())
    dense = run("resume", sparsity="0")
    assert rows(dense) == [("3", "15"), ("4", "20")]
    ours = load(dense.folder.last)
    assert ours["global_step"] == expected["global_step"] == 4 * STEPS_AN_EPOCH
    assert ours["lr_schedulers"][0]["last_epoch"] == 4
    assert ours["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(0.02 / 16)
    momentum = [it["momentum_buffer"] for it in ours["optimizer_states"][0]["state"].values()]
    assert all(bool(it.any()) for it in momentum)


@pytest.mark.parametrize("permanent", [True, False])
def test_their_masks_go_on_with_their_optimizer(permanent):
    theirs = lightning(lightnings_pruning())["state_dict"]
    masks = {name: theirs[f"{name}_mask"] for name in MATRICES}
    outcome = run("resume", permanent=permanent)
    assert rows(outcome) == [("3", "15"), ("4", "20")]
    if permanent:
        assert_only_grown(masks, outcome)
    assert outcome.pruned == round(0.75 * 54)


def test_zeros_with_their_optimizer():
    module = model()
    with torch.no_grad():
        module.first.weight[:, ::4] = 0
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.0)
    lightning(module=module)
    module = load("theirs.ckpt")
    kept = module["state_dict"]["first.weight"] != 0
    assert int((~kept).sum()) == 12
    module["lr_schedulers"] = [torch.optim.lr_scheduler.ExponentialLR(
        torch.optim.SGD([torch.zeros(1)], lr=0.1), 0.5).state_dict()]  # fmt: skip
    torch.save(module, "theirs.ckpt")
    assert_only_grown({"first.weight": kept}, run("masks_from_zeros", "resume"))


def test_such_a_run_is_a_run_like_any_other():
    lightning()
    whole = run("resume", output=Path("whole"))
    Midway.forget()
    Midway.signals = {STEPS_AN_EPOCH + 2: [15]}
    with pytest.raises(Terminated):
        run("resume")
    Midway.forget()
    typed = {"target": "out", "resume": True}
    place = place_from(typed)
    parts = train(place.resumed.options, place, Manners(note=lambda line: None, quiet=True))
    first, second = (load(it.folder.last)["state_dict"] for it in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert parts.folder.metrics.read_text() == whole.folder.metrics.read_text()


# --- what cannot be done ------------------------------------------------------------------------


def test_what_leaves_nothing_to_train():
    lightning()
    with pytest.raises(OptionError, match="is of 2 epochs already; they count, so give a higher"):
        run("resume", max_epochs=2)


def test_a_ticket_begins_with_a_training_of_its_own():
    lightning()
    with pytest.raises(OptionError, match="every round of a --lottery-ticket is a training of its"):
        run("resume", "lottery_ticket")


def test_objects_are_not_loaded():
    content = lightning()
    torch.save({**content, "hyper_parameters": argparse.Namespace(width=3)}, "theirs.ckpt")
    with pytest.raises(CheckpointError, match=r"holds objects \(argparse\.Namespace\)"):
        run("resume")
