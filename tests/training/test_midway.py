"""Runs that signals stop in the middle of an epoch: they end as the ones that nothing stopped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from midway import SIGINT, SIGTERM, STEPS_AN_EPOCH, Midway
from midway_runs import here, quiet, resume  # noqa: F401

from prunetool.training.options.options import from_values
from prunetool.training.processes.interrupts import Terminated
from prunetool.training.run import Place, train

pytestmark = pytest.mark.usefixtures("here")


def options_of(**values):
    fixed = {"accelerator": "cpu", "max_epochs": 3, "seed": 4, "sparsity": 0.6}
    return from_values({"target": "midway:Midway", **fixed, **values})


def run(folder, notes=None, **values):
    return train(options_of(**values), Place(output=Path(folder)), quiet(notes))


def stopped(at, start):
    """Call ``start`` and have it stopped in training step ``at``; whether it was."""
    Midway.forget()
    Midway.signals = {at: [SIGTERM]}
    try:
        start()
    except Terminated:
        return True
    finally:
        Midway.forget()
    return False


def run_in_parts(folder, stops, **values):
    """Stop after each of ``stops`` further steps, and resume."""
    assert stopped(stops[0], lambda: run(folder, **values))
    for steps in stops[1:]:
        assert stopped(steps, lambda: resume(folder))
    return resume(folder)


def load(path):
    return torch.load(path, weights_only=True)


def differences(first, second, path=""):
    """Where two checkpoints differ, to the bit."""
    if type(first) is not type(second):
        return [path]
    if isinstance(first, dict):
        if first.keys() != second.keys():
            return [f"{path}: {first.keys() ^ second.keys()}"]
        return [it for k in first for it in differences(first[k], second[k], f"{path}/{k}")]
    if isinstance(first, list | tuple):
        if len(first) != len(second):
            return [path]
        pairs = enumerate(zip(first, second, strict=True))
        return [it for i, (a, b) in pairs for it in differences(a, b, f"{path}[{i}]")]
    if isinstance(first, torch.Tensor):
        same = first.shape == second.shape and first.dtype == second.dtype
        # NaN, where a metric has seen nothing, is as good as itself.
        return [] if same and torch.equal(first.nan_to_num(7), second.nan_to_num(7)) else [path]
    return [] if first == second else [path]


def assert_same_run(whole, parts):
    names = sorted(p.name for p in whole.folder.checkpoints.iterdir())
    assert names == sorted(p.name for p in parts.folder.checkpoints.iterdir())
    for name in names:
        both = [load(it.folder.checkpoints / name) for it in (whole, parts)]
        assert differences(*both) == [], name
    for file in ("metrics.csv", "events.csv"):
        assert (parts.folder.path / file).read_text() == (whole.folder.path / file).read_text()


def some_of(stops, number):
    """One of the ways to stop, in turns; all with ``PRUNETOOL_WHOLE_MATRIX=1``."""
    whole = os.environ.get("PRUNETOOL_WHOLE_MATRIX") == "1"
    return stops if whole else [stops[number % len(stops)]]


VARIANTS = {
    "plain": {},
    "kept masks": {"permanent": False},
    "generators": {"model_arg": {"generator": True}},
    "workers": {"model_arg": {"workers": 2, "generator": True}},
    "workers' own seeds": {"model_arg": {"workers": 2}},
    "a stream": {"model_arg": {"workers": 2, "stream": True}},
    "epoch scheduler": {"model_arg": {"scheduler": "epoch"}},
    "plateau": {"model_arg": {"scheduler": "plateau"}},
    "plateau by steps": {"model_arg": {"scheduler": "plateau-step"}},
    "accumulation": {"trainer": {"accumulate_grad_batches": 2}},
    "steps": {"max_steps": 13, "max_epochs": None},
    "steps and epochs": {"max_steps": 13},
    "every second epoch": {
        "trainer": {"check_val_every_n_epoch": 2}, "model_arg": {"scheduler": "epoch"},
    },
    "stale plateau": {"trainer": {"check_val_every_n_epoch": 1, "num_sanity_val_steps": 0},
                      "model_arg": {"scheduler": "plateau"}},
    "validation within epochs": {"trainer": {"val_check_interval": 2}},
    "validation within epochs, plateau by steps": {
        "trainer": {"val_check_interval": 2}, "model_arg": {"scheduler": "plateau-step"},
    },
    "validation across epochs": {
        "trainer": {"val_check_interval": 3, "check_val_every_n_epoch": None},
    },
    "fewer batches": {"trainer": {"limit_train_batches": 4}, "max_epochs": 4},
    "new loaders": {
        "trainer": {"reload_dataloaders_every_n_epochs": 2}, "model_arg": {"generator": True},
    },
    "logger": {"trainer": {"logger": True, "log_every_n_steps": 2}},
    "saliency": {"criterion": "saliency"},
    "no validation": {"target": "midway:Alone"},
    "dense": {"sparsity": 0.0},
    "callbacks of the model's": {"target": "midway:Averaged"},
    "accumulation by epochs": {"target": "midway:Phased"},
    "resets": {"lottery_ticket": "1", "rewind_step": 3},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
@pytest.mark.filterwarnings("ignore:.*does not have a `val_dataloader`")
@pytest.mark.parametrize(("number", "values"), list(enumerate(VARIANTS.values())), ids=VARIANTS)
def test_stopped_within_epochs_it_ends_as_if_nothing_had_happened(number, values):
    monitor = None if "Alone" in values.get("target", "") else "val_loss:min"
    whole = run("whole", monitor=monitor, **values)
    for stops in some_of([[1, 3, 5], [2, 4], [7, 2], [12]], number):
        parts = run_in_parts(f"parts-{stops[0]}", stops, monitor=monitor, **values)
        assert_same_run(whole, parts)


WAYS_BACK = [(way, step) for way in ("weights", "lr") for step in (0, 3, 5, 7)]


@pytest.mark.parametrize(("number", "way"), list(enumerate([*WAYS_BACK, ("finetune", 0)])), ids=str)
def test_rounds(number, way):
    retrain, step = way
    values = {"lottery_ticket": True, "rounds": 3, "retrain": retrain, "rewind_step": step,
              "model_arg": {"generator": True}, "max_epochs": 2}  # fmt: skip
    whole = run("whole", **values)
    for stops in some_of([[2, 6, 5], [8], [13], [14]], number):
        assert_same_run(whole, run_in_parts(f"parts-{stops[0]}", stops, **values))


# --- what a signal does ---------------------------------------------------------------------------


def test_the_lines_that_say_where_it_stands():
    notes = []
    assert stopped(STEPS_AN_EPOCH + 2, lambda: run("out", notes))
    assert notes[-1] == (
        "interrupted; out/checkpoints/last.ckpt holds the state after step 7 "
        "(epoch 2, batch 2 of 5)\ngo on with: prunetool train out --resume"
    )
    events = Path("out/events.csv").read_text().splitlines()
    assert events[0].startswith("event,epoch,step,")
    assert len(events) > 1


def test_ctrl_c_is_a_signal_too():
    Midway.signals = {2: [SIGINT]}
    with pytest.raises(KeyboardInterrupt):
        run("out")
    assert load("out/checkpoints/last.ckpt")["global_step"] == 2


def test_a_half_accumulated_gradient_is_completed_first():
    assert stopped(1, lambda: run("out", trainer={"accumulate_grad_batches": 2}))
    content = load("out/checkpoints/last.ckpt")
    assert content["global_step"] == 1
    assert content["prunetool"]["moment"]["trained"] == 2


def test_the_end_of_an_epoch_is_a_good_place_to_stop():
    assert stopped(STEPS_AN_EPOCH, lambda: run("out"))
    content = load("out/checkpoints/last.ckpt")
    assert content["prunetool"]["moment"]["trained"] is None
    assert (content["epoch"], content["global_step"]) == (0, STEPS_AN_EPOCH)


def test_a_validation_is_finished_first():
    notes = []
    Midway.in_validation = {4: [SIGTERM]}  # two are of the sanity check
    with pytest.raises(Terminated):
        run("out", notes, trainer={"val_check_interval": 3})
    assert Midway.validations == 4
    assert notes[-2:] == [
        "SIGTERM: the validation is finished first, then the state is saved; "
        "a second signal stops at once",
        "interrupted; out/checkpoints/last.ckpt holds the state after step 3 "
        "(epoch 1, batch 3 of 5)\ngo on with: prunetool train out --resume",
    ]


def test_a_second_signal_stops_at_once():
    notes = []
    Midway.signals = {STEPS_AN_EPOCH + 2: [SIGTERM, SIGINT]}
    with pytest.raises(KeyboardInterrupt):
        run("out", notes)
    assert f"holds the state at the end of epoch 1 (step {STEPS_AN_EPOCH});" in notes[-1]
    assert load("out/checkpoints/last.ckpt")["global_step"] == STEPS_AN_EPOCH


def test_a_signal_when_all_is_trained_changes_nothing():
    whole = run("whole")
    Midway.forget()
    Midway.signals = {3 * STEPS_AN_EPOCH: [SIGTERM]}
    assert_same_run(whole, run("out"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"target": "midway:Manual"}, "manual optimization"),
        ({"model_arg": {"stream": True}}, "an iterable dataset that is read without workers"),
    ],
)
def test_where_it_could_not_go_on_exactly_it_stops_at_once_and_says_why(values, reason):
    notes = []
    assert stopped(STEPS_AN_EPOCH + 2, lambda: run("out", notes, **values))
    assert notes[-1] == (
        f"interrupted; out/checkpoints/last.ckpt holds the state at the end of epoch 1 (step "
        f"{STEPS_AN_EPOCH}); work since then is not kept ({reason})\n"
        f"go on with: prunetool train out --resume"
    )
    whole = run("whole", **values)
    assert_same_run(whole, resume("out"))
