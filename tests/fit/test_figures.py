from __future__ import annotations

import csv
import importlib
import math
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tiny import Tiny, batches, seeded, trainer
from tiny import fit as fit_tiny

from prunetool import ModelPruning

# Tiny's matrices: 54 + 4320 + 100 elements.
SIZES = {"conv.weight": 54, "hidden.weight": 4320, "out.weight": 100}
STEPS = 5  # of an epoch


def pruning(sparsity=0.8, **arguments):
    given = {"schedule": "linear", "start": 0, "end": 3, "prune_before_validation": True}
    return ModelPruning(
        sparsity=sparsity,
        default_targets="matrices",
        use_lottery_ticket_hypothesis=False,
        **{**given, **arguments},
    )


def logged(folder: Path, name="sparsity"):
    """The values of a name in CSVLogger's file, as (step, value)."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [(int(r["step"]), float(r[name])) for r in csv.DictReader(file) if r.get(name)]


def fit(*arguments, **settings):
    """Fit with loggers that hear of every step: five are fewer than Lightning's fifty."""
    return fit_tiny(*arguments, **{"log_every_n_steps": 1, **settings})


class Watching(pl.Callback):
    """Notes what a monitor would find, and what the pruning came to by then."""

    def __init__(self, callback):
        self.pruning = callback
        self.seen = []

    def on_validation_end(self, trainer, pl_module):
        if not trainer.sanity_checking:
            self.note("validation", trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self.note("epoch", trainer)

    def note(self, when, trainer):
        found = {k: float(v) for k, v in trainer.callback_metrics.items() if "loss" not in k}
        self.seen.append((when, found))
        assert found["sparsity"] == pytest.approx(self.pruning.achieved_sparsity, abs=1e-7)


def test_monitors_find_the_figures_as_of_the_epochs_own_event(tmp_path):
    callback = pruning()
    watching = Watching(callback)
    logger = CSVLogger(tmp_path, name="", version="")
    fit(seeded(), callback, watching, epochs=4, logger=logger)
    total = sum(SIZES.values())
    achieved = [event.achieved for event in callback.history]
    assert [round(share, 3) for share in achieved] == [0.267, 0.533, 0.8]
    assert [it["sparsity"] for when, it in watching.seen if when == "epoch"] == pytest.approx(
        [achieved[0], achieved[1], achieved[2], achieved[2]]
    )
    assert watching.seen[-1][1] == pytest.approx(
        {"sparsity": achieved[2], "sparsity_target": 0.8, "pruned_elements": round(0.8 * total)}
    )
    # One value an epoch, at the step of its other metrics.
    assert logged(tmp_path) == [
        (4, achieved[0]), (9, achieved[1]), (14, achieved[2]), (19, achieved[2])
    ]  # fmt: skip
    assert [step for step, _ in logged(tmp_path, "val_loss")] == [4, 9, 14, 19]


def test_before_the_first_event_the_figures_are_zero(tmp_path):
    callback = pruning(start=2, prune_before_validation=False)
    watching = Watching(callback)
    logger = CSVLogger(tmp_path, name="", version="")
    fit(seeded(), callback, watching, epochs=4, logger=logger, val_check_interval=2)
    zero = {"sparsity": 0.0, "sparsity_target": 0.0, "pruned_elements": 0.0}
    assert watching.seen[:3] == [("validation", zero), ("validation", zero), ("epoch", zero)]
    assert [value for _, value in logged(tmp_path)][:2] == [0.0, 0.0]
    assert logged(tmp_path, "sparsity_target")[-1] == (19, 0.8)


def test_events_between_two_logged_steps_are_logged_at_their_own(tmp_path):
    callback = pruning(start="1s", end="4s", every="1s")
    logger = CSVLogger(tmp_path, name="", version="")
    fit(seeded(), callback, epochs=1, logger=logger, log_every_n_steps=5)
    by_event = [(event.step - 1, event.achieved) for event in callback.history]
    assert len(by_event) > 2
    assert logged(tmp_path) == [*by_event, (4, callback.achieved_sparsity)]


def test_the_figures_of_each_layer_at_verbose_2(tmp_path):
    callback = pruning(verbose=2, end=1)
    logger = CSVLogger(tmp_path, name="", version="")
    model = seeded()
    run = fit(model, callback, epochs=1, logger=logger)
    for name, size in SIZES.items():
        zeros = int((model.get_parameter(name) == 0).sum())
        assert logged(tmp_path, f"sparsity/{name}") == [(4, zeros / size)]
        assert float(run.callback_metrics[f"sparsity/{name}"]) == pytest.approx(zeros / size)
    quiet = pruning(end=1)
    fit(seeded(), quiet, epochs=1)
    assert sorted(quiet.figures) == ["pruned_elements", "sparsity", "sparsity_target"]


def test_an_amount_has_no_target():
    callback = ModelPruning(amount=0.5, use_lottery_ticket_hypothesis=False)
    fit(seeded(), callback, epochs=2)
    assert callback.figures == {
        "sparsity": callback.achieved_sparsity, "pruned_elements": callback.pruned_elements
    }  # fmt: skip


def test_several_callbacks_number_theirs_and_share_the_whole(tmp_path):
    model = seeded()
    first = pruning(0.5, include=["conv.*"], end=1)
    second = pruning(0.8, include=["hidden.*"], end=1)
    logger = CSVLogger(tmp_path, name="", version="")
    fit(model, first, second, epochs=1, logger=logger)
    assert first.figures == second.figures == {
        "sparsity": (27 + 3456) / (54 + 4320),
        "sparsity_1": 0.5, "pruned_elements_1": 27, "sparsity_target_1": 0.5,
        "sparsity_2": 0.8, "pruned_elements_2": 3456, "sparsity_target_2": 0.8,
    }  # fmt: skip
    assert logged(tmp_path) == [(4, first.figures["sparsity"])]  # once, after both


@pytest.mark.parametrize("hook", ["batch", "validation", "epoch"])
def test_every_hook_of_an_event_logs_at_the_step_of_the_validation(tmp_path, hook):
    when = {
        "batch": {"prune_before_validation": True},
        "validation": {"prune_before_validation": False, "prune_on_train_epoch_end": False},
        "epoch": {"prune_before_validation": False},
    }[hook]
    callback = pruning(**when)
    logger = CSVLogger(tmp_path, name="", version="")
    fit(seeded(), callback, epochs=3, logger=logger)
    assert logged(tmp_path) == [
        (STEPS * epoch - 1, event.achieved) for epoch, event in enumerate(callback.history, start=1)
    ]


def test_tensorboard_shows_what_happened(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    callback = pruning()
    fit(seeded(), callback, epochs=4, logger=TensorBoardLogger(tmp_path, name="", version=""))
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("sparsity")
    achieved = [it.achieved for it in callback.history]
    assert [(it.step, it.value) for it in events] == [
        (5 * number + 4, pytest.approx(value, rel=1e-7))
        for number, value in enumerate([*achieved, achieved[-1]])
    ]


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
@pytest.mark.parametrize("mid_epoch", [False, True], ids=["whole epochs", "val_check_interval"])
def test_model_checkpoint_and_early_stopping_monitor_it(tmp_path, package, mid_epoch):
    tree = importlib.import_module(package)
    callback = pruning(0.9, end=6)
    keeping = tree.callbacks.ModelCheckpoint(
        tmp_path, filename="{sparsity:.3f}", monitor="sparsity", mode="max", save_top_k=2,
        auto_insert_metric_name=False,
    )  # fmt: skip
    stopping = tree.callbacks.EarlyStopping(
        monitor="sparsity", mode="max", stopping_threshold=0.8, check_finite=True
    )
    run = tree.Trainer(
        accelerator="cpu", max_epochs=10, logger=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[stopping, callback, keeping],
        **({"val_check_interval": 2} if mid_epoch else {}),
    )  # fmt: skip
    model = seeded() if package == "lightning.pytorch" else older()
    run.fit(model, batches(), batches())
    reached = [event.achieved for event in callback.history]
    assert math.isclose(reached[-1], 0.9, abs_tol=1e-3)  # 0.75 after five events, 0.9 after six
    assert run.current_epoch in (6, 7)
    assert float(keeping.best_model_score) == pytest.approx(reached[-1])
    names = sorted(path.stem for path in tmp_path.glob("*.ckpt"))
    assert names[-1].startswith("0.900")
    saved = torch.load(keeping.best_model_path, weights_only=True)
    zeros = sum(int((saved["state_dict"][name] == 0).sum()) for name in SIZES)
    assert zeros == callback.pruned_elements


def older():
    import pytorch_lightning

    class Older(pytorch_lightning.LightningModule):
        forward = Tiny.forward
        training_step = Tiny.training_step
        validation_step = Tiny.validation_step
        configure_optimizers = Tiny.configure_optimizers

        def __init__(self):
            super().__init__()
            self.optimizer_name = "sgd"
            for name, layer in seeded().named_children():
                self.add_module(name, layer)

    return Older()


def test_a_model_that_logs_the_same_name_is_warned_of(tmp_path):
    class Clash(Tiny):
        def training_step(self, batch, batch_idx):
            self.log("sparsity", 0.123)
            return super().training_step(batch, batch_idx)

    with pytest.warns(UserWarning, match="the model logs 'sparsity' itself") as warned:
        fit(Clash(), pruning(), epochs=2, logger=CSVLogger(tmp_path))
    assert len([it for it in warned if "itself" in str(it.message)]) == 1


def test_validate_and_the_sanity_check_log_nothing(tmp_path):
    callback = pruning(end=1)
    logger = CSVLogger(tmp_path, name="", version="")
    run = trainer(callback, epochs=1, logger=logger, log_every_n_steps=1)
    model = seeded()
    run.fit(model, batches(), batches())
    before = logged(tmp_path)
    run.validate(model, batches(), verbose=False)
    assert logged(tmp_path) == before
    assert "sparsity" not in run.callback_metrics


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_resumed_fit_goes_on_with_the_figures(tmp_path):
    callback = pruning(end=3)
    keeping = ModelCheckpoint(tmp_path, save_last=True)
    fit(seeded(), callback, keeping, epochs=2, enable_checkpointing=True)
    again = pruning(end=3)
    watching = Watching(again)
    fit(
        seeded(),
        again,
        watching,
        ModelCheckpoint(tmp_path / "again"),
        ckpt_path=str(tmp_path / "last.ckpt"),
        epochs=3,
        enable_checkpointing=True,
    )
    assert watching.seen[-1][1]["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert watching.seen[-1][1]["sparsity_target"] == pytest.approx(0.8)


def test_the_progress_bar_shows_the_sparsity():
    callback = pruning(end=1)
    run = fit(seeded(), callback, epochs=1)
    assert run.progress_bar_metrics["sparsity"] == callback.achieved_sparsity


def test_logging_changes_no_weight_and_draws_no_number(tmp_path):
    def run(logger):
        model = seeded()
        fit(model, pruning(verbose=2), epochs=3, logger=logger)
        return model.state_dict(), torch.get_rng_state()

    plain, generator = run(False)
    shown, after = run(CSVLogger(tmp_path))
    assert all(torch.equal(plain[name], shown[name]) for name in plain)
    assert torch.equal(generator, after)


def test_a_monitor_finds_zero_before_the_first_event():
    """A strict monitor raises where its metric is missing."""
    stopping = EarlyStopping(
        monitor="sparsity", mode="max", stopping_threshold=0.8, patience=9, strict=True
    )
    callback = pruning(0.9, start=3, end=5)
    run = fit(seeded(), callback, stopping, epochs=8)
    assert (stopping.stopped_epoch, run.current_epoch) == (4, 5)
