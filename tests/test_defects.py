"""The measured defects of Lightning's callback: asserted there, absent here.

The numbers are those of section "defects" in the changelog. A test that turns red on the
reference's side says that Lightning has mended it: then only our side is of interest.
"""

from __future__ import annotations

import copy
import warnings
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    ModelCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.callbacks import ModelPruning as Reference
from ranks import on_ranks
from tiny import Tiny, batches, fit, seeded, trainer, zeros
from torch import nn

from prunetool import ModelPruning

NO_TICKET = {"use_lottery_ticket_hypothesis": False}


def pruned_share(model: nn.Module) -> float:
    weights = [model.conv.weight, model.hidden.weight, model.out.weight]
    return sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)


def saved_after(tmp_path: Any, callback_class: type, **arguments: Any) -> str:
    """Fit two epochs and give the checkpoint saved at the end of the second."""
    path = tmp_path / "saved.ckpt"

    class Saving(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.save_checkpoint(path)

    model = seeded()
    callback = callback_class(
        "l1_unstructured", parameters_to_prune=model.weights(), **NO_TICKET, **arguments
    )
    fit(model, callback, Saving(), epochs=2)
    return str(path)


def resumed(path: str, callback_class: type, **arguments: Any) -> Tiny:
    model = seeded()
    callback = callback_class(
        "l1_unstructured",
        parameters_to_prune=model.weights(),
        apply_pruning=False,
        **NO_TICKET,
        **arguments,
    )
    fit(model, callback, epochs=3, ckpt_path=path)
    return model


# 1 ----------------------------------------------------------------------------------------------


def test_1_reference_forgets_the_masks_on_resume(tmp_path):
    model = resumed(saved_after(tmp_path, Reference), Reference)
    assert pruned_share(model) < 0.1


def test_1_masks_survive_a_resume(tmp_path):
    path = saved_after(tmp_path, ModelPruning)
    before = torch.load(path, weights_only=True)["state_dict"]["hidden.weight"] == 0
    model = resumed(path, ModelPruning)
    assert pruned_share(model) == pytest.approx(0.75, abs=1e-3)
    assert torch.equal(model.hidden.weight == 0, before)


def test_1_masks_survive_under_another_class_name(tmp_path):
    class Renamed(ModelPruning):
        pass

    model = resumed(saved_after(tmp_path, ModelPruning), Renamed)
    assert pruned_share(model) == pytest.approx(0.75, abs=1e-3)


# 2 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [Reference, ModelPruning])
def test_2_reference_cannot_resume_kept_masks(tmp_path, writer):
    path = saved_after(tmp_path, writer, make_pruning_permanent=False)
    with pytest.raises(RuntimeError, match="weight_orig"):
        resumed(path, Reference, make_pruning_permanent=False)


@pytest.mark.parametrize("permanent", [True, False])
@pytest.mark.parametrize("writer", [Reference, ModelPruning])
def test_2_kept_masks_resume(tmp_path, writer, permanent):
    path = saved_after(tmp_path, writer, make_pruning_permanent=False)
    saved = torch.load(path, weights_only=False)["state_dict"]
    mask, original = saved["hidden.weight_mask"], saved["hidden.weight_orig"]
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert mask.dtype == original.dtype

    model = resumed(path, ModelPruning, make_pruning_permanent=permanent)

    assert torch.equal(model.hidden.weight == 0, mask == 0)
    if not permanent:
        # Nothing under a mask is lost: the pruned values are the ones that were saved.
        assert torch.equal(model.hidden.weight_orig[mask == 0], original[mask == 0])
        assert (original[mask == 0] != 0).all()


# 3 ----------------------------------------------------------------------------------------------


class Resetting:
    """Counts how far the weights are from the first ones right after each reset."""

    first: dict[str, torch.Tensor]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self.model = pl_module
        self.first = {n: p.detach().clone() for n, p in pl_module.named_parameters()}
        self.exact: list[bool] = []

    def apply_lottery_ticket_hypothesis(self) -> None:
        super().apply_lottery_ticket_hypothesis()
        # The reference recomputes `weight` in the next forward pass: form the product here.
        hidden = self.model.hidden
        live = getattr(hidden, "weight_orig", hidden.weight).detach()
        mask = getattr(hidden, "weight_mask", hidden.weight != 0)
        self.exact.append(torch.equal(live * mask, self.first["hidden.weight"] * mask))


class ResettingReference(Resetting, Reference):
    pass


class ResettingPruning(Resetting, ModelPruning):
    pass


def resets(callback_class: type) -> list[bool]:
    model = seeded()
    callback = callback_class(
        "l1_unstructured",
        parameters_to_prune=model.weights(),
        amount=0.2,
        use_lottery_ticket_hypothesis=lambda epoch: True,
    )
    fit(model, callback, epochs=4)
    return callback.exact


def test_3_reference_resets_exactly_only_once():
    assert resets(ResettingReference) == [True, False, False, False]


def test_3_every_reset_is_exact():
    assert resets(ResettingPruning) == [True, True, True, True]


# 4 ----------------------------------------------------------------------------------------------


def distance_from_start(callback_class: type, **arguments: Any) -> float:
    model = seeded()
    start = model.hidden.weight.detach().clone()
    fit(
        model,
        callback_class("l1_unstructured", model.weights(), amount=0.2, **arguments),
        epochs=1,
        num_sanity_val_steps=0,
    )
    kept = model.hidden.weight != 0
    return float((model.hidden.weight.detach() - start)[kept].abs().max())


def test_4_reference_returns_untrained_weights_by_default():
    assert distance_from_start(Reference) == 0.0


def test_4_no_reset_after_the_last_epoch(caplog):
    with caplog.at_level("INFO"):
        assert distance_from_start(ModelPruning) > 0.0
    assert any("no reset to early values after the last" in m for m in caplog.messages)


def test_4_a_callable_is_obeyed_to_the_letter():
    assert distance_from_start(ModelPruning, use_lottery_ticket_hypothesis=lambda e: True) == 0.0


# 5 ----------------------------------------------------------------------------------------------


def pruned_the_smallest(callback_class: type) -> bool:
    """Prune without validation, and compare with the smallest weights at that moment."""
    smallest: list[torch.Tensor] = []

    class Noting(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            weight = getattr(pl_module.hidden, "weight_orig", pl_module.hidden.weight)
            mask = getattr(pl_module.hidden, "weight_mask", weight != 0) != 0
            size = weight.detach().abs().masked_fill(~mask, -1.0).flatten()
            count = int((~mask).sum())
            remove = count + round(0.5 * (weight.numel() - count))
            smallest.append(size.argsort()[:remove].sort().values)

    model = seeded()
    callback = callback_class(
        "l1_unstructured", [(model.hidden, "weight")], amount=0.5, **NO_TICKET
    )
    fit(model, Noting(), callback, epochs=2, validate=False)
    gone = (model.hidden.weight == 0).flatten().nonzero().flatten()
    return torch.equal(gone, smallest[-1])


def test_5_reference_scores_are_one_step_old_without_validation():
    assert not pruned_the_smallest(Reference)


def test_5_scores_are_fresh():
    assert pruned_the_smallest(ModelPruning)


# 6 ----------------------------------------------------------------------------------------------


def recorded_and_true_loss(tmp_path: Any, callback_class: type, **arguments: Any) -> tuple:
    model = seeded()
    callback = callback_class(
        "l1_unstructured", model.weights(), amount=0.8, **NO_TICKET, **arguments
    )
    keeper = ModelCheckpoint(dirpath=tmp_path, monitor="val_loss", save_on_train_epoch_end=True)
    fit(model, callback, keeper, epochs=1, enable_checkpointing=True)
    loaded = Tiny.load_from_checkpoint(keeper.best_model_path)
    true = trainer().validate(loaded, batches(), verbose=False)[0]["val_loss"]
    return float(keeper.best_model_score), true


def test_6_reference_records_the_metric_of_other_weights(tmp_path):
    recorded, true = recorded_and_true_loss(tmp_path, Reference)
    assert abs(recorded - true) > 1e-2


def test_6_the_metric_is_that_of_the_saved_weights(tmp_path):
    recorded, true = recorded_and_true_loss(tmp_path, ModelPruning, prune_before_validation=True)
    assert recorded == pytest.approx(true, rel=1e-6)


# 7 ----------------------------------------------------------------------------------------------


class WithMaskBuffer(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("attention_mask", torch.ones(3))


def save_with_mask_buffer(tmp_path: Any, callback_class: type, **arguments: Any) -> dict:
    model = WithMaskBuffer()
    callback = callback_class("l1_unstructured", model.weights(), **NO_TICKET, **arguments)
    fit(model, callback, epochs=1).save_checkpoint(tmp_path / "saved.ckpt")
    return torch.load(tmp_path / "saved.ckpt", weights_only=True)["state_dict"]


def test_7_reference_crashes_on_a_users_mask_buffer(tmp_path):
    with pytest.raises(KeyError, match="attention_orig"):
        save_with_mask_buffer(tmp_path, Reference)


@pytest.mark.parametrize("permanent", [True, False])
def test_7_a_users_mask_buffer_is_plain(tmp_path, permanent):
    saved = save_with_mask_buffer(tmp_path, ModelPruning, make_pruning_permanent=permanent)
    assert torch.equal(saved["attention_mask"], torch.ones(3))


# 8 ----------------------------------------------------------------------------------------------

STRUCTURED = {
    "pruning_fn": "ln_structured",
    "pruning_dim": 0,
    "pruning_norm": 1,
    "use_global_unstructured": False,
    **NO_TICKET,
}


def test_8_reference_raises_on_the_biases_of_its_default_set():
    with pytest.raises(ValueError, match="multidimensional"):
        fit(seeded(), Reference(**STRUCTURED), epochs=1)


def test_8_what_a_pattern_does_not_fit_is_left_out_with_a_message(caplog):
    model = seeded()
    with caplog.at_level("INFO"):
        fit(model, ModelPruning(**STRUCTURED), epochs=1)
    assert zeros(model, "hidden.weight") == 0.5
    assert zeros(model, "hidden.bias") == 0.0
    said = next(m for m in caplog.messages if "left out" in m)
    assert "left out 5 of 8 parameters" in said
    assert "hidden.bias" in said


def test_8_the_default_set_is_the_documented_one():
    model = seeded()
    fit(
        model, ModelPruning("l1_unstructured", use_global_unstructured=False, **NO_TICKET), epochs=1
    )
    assert {name for name, _ in model.named_parameters() if zeros(model, name) > 0} == {
        "conv.weight",
        "conv.bias",
        "norm.weight",
        "norm.bias",
        "hidden.weight",
        "hidden.bias",
        "out.weight",
        "out.bias",
    }


# 9 ----------------------------------------------------------------------------------------------


def everything_said(callback: pl.Callback, caplog: pytest.LogCaptureFixture) -> str:
    model = seeded()
    with warnings.catch_warnings(record=True) as caught, caplog.at_level("INFO"):
        warnings.simplefilter("always")
        trainer(callback, epochs=3).fit(model, batches(), batches())
    assert zeros(model, "hidden.weight") > 0.8  # 0.5 for three epochs is 87.5 %
    return "\n".join([*caplog.messages, *(str(w.message) for w in caught)])


def test_9_reference_says_nothing_of_compounding(caplog):
    said = everything_said(Reference("l1_unstructured", amount=0.5), caplog)
    assert "compound" not in said


def test_9_compounding_is_said_with_the_alternative(caplog):
    said = everything_said(ModelPruning("l1_unstructured", amount=0.5), caplog)
    assert "compounds to 87.50% after 3 events" in said
    assert "sparsity=0.5" in said
    assert "reset to their early values" in said


def test_9_sparsity_is_the_absolute_target():
    model = seeded()
    callback = ModelPruning("l1_unstructured", model.weights(), sparsity=0.5, **NO_TICKET)
    fit(model, callback, epochs=6)
    assert callback.pruned_elements == callback.planned_elements == round(0.5 * 4474)
    assert pruned_share(model) == pytest.approx(0.5)


# 10 ---------------------------------------------------------------------------------------------


def order_during_a_fit(callback_class: type) -> list[str]:
    seen: list[str] = []

    class Looking(pl.Callback):
        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            seen.extend(name for name, _ in pl_module.named_parameters())

    model = seeded()
    fit(model, callback_class("l1_unstructured", model.weights(), **NO_TICKET), Looking(), epochs=2)
    seen.extend(name for name, _ in model.named_parameters())
    return seen


ORDER = [name for name, _ in Tiny().named_parameters()]


def test_10_reference_reorders_parameters():
    assert order_during_a_fit(Reference)[len(ORDER) :] != ORDER


def test_10_parameters_keep_their_order():
    assert order_during_a_fit(ModelPruning) == ORDER * 2


# 13 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "alike"), [("reference", "False"), ("prunetool", "True")])
def test_11_random_pruning_under_ddp_with_unequal_generators(which, alike):
    assert on_ranks(2, "defects:ddp", which, joined=False) == [f"{alike}\n"] * 2


def test_12_reference_fails_on_a_sharded_model():
    first, second = on_ranks(2, "defects:fsdp2", "reference", joined=False)
    assert first == second != "done\n"


def test_12_a_sharded_model_is_pruned():
    assert on_ranks(2, "defects:fsdp2", "prunetool", joined=False) == ["done\n"] * 2


class Late(Tiny):
    """Builds its widest layer only when the strategy asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = None

    def configure_model(self) -> None:
        if self.hidden is None:
            self.hidden = nn.Linear(216, 20)


def test_13_reference_does_not_find_layers_of_configure_model():
    model = Late()
    fit(model, Reference("l1_unstructured", **NO_TICKET), epochs=1)
    assert zeros(model, "hidden.weight") == 0.0


def test_13_layers_of_configure_model_are_found(tmp_path):
    model = Late()
    run = fit(model, ModelPruning("l1_unstructured", **NO_TICKET), epochs=1)
    assert zeros(model, "hidden.weight") > 0.3
    run.save_checkpoint(tmp_path / "late.ckpt")
    again = Late()
    callback = ModelPruning("l1_unstructured", apply_pruning=False, **NO_TICKET)
    fit(again, callback, epochs=2, ckpt_path=str(tmp_path / "late.ckpt"))
    assert zeros(again, "hidden.weight") == zeros(model, "hidden.weight")


# 14 ---------------------------------------------------------------------------------------------

AVERAGING = {
    "ema": lambda: EMAWeightAveraging(decay=0.9),
    "swa": lambda: StochasticWeightAveraging(swa_lrs=1e-2, swa_epoch_start=1),
}


def averaged_fit(tmp_path: Any, averaging: str, *, first: str, pruning: type) -> tuple[Tiny, dict]:
    model = seeded()
    callback = pruning(
        "l1_unstructured", model.weights(), amount=0.5, apply_pruning=lambda e: e == 1, **NO_TICKET
    )
    average = AVERAGING[averaging]()
    order = (average, callback) if first == "averaging" else (callback, average)
    keeper = ModelCheckpoint(dirpath=tmp_path, filename="last", save_on_train_epoch_end=True)
    fit(model, *order, keeper, epochs=3, enable_checkpointing=True)
    return model, torch.load(tmp_path / "last.ckpt", weights_only=False)


@pytest.mark.parametrize("averaging", AVERAGING)
def test_14_reference_breaks_averaging_by_reordering_the_parameters(tmp_path, averaging):
    with pytest.raises(RuntimeError, match="must match the size of tensor"):
        averaged_fit(tmp_path, averaging, first="pruning", pruning=Reference)


@pytest.mark.parametrize("first", ["averaging", "pruning"])
@pytest.mark.parametrize("averaging", AVERAGING)
def test_14_averaged_weights_obey_the_masks(tmp_path, averaging, first):
    model, checkpoint = averaged_fit(tmp_path, averaging, first=first, pruning=ModelPruning)
    assert pruned_share(model) == pytest.approx(0.5, abs=1e-3)
    gone = model.hidden.weight == 0
    states = [checkpoint["state_dict"]]
    if averaging == "ema":
        states.append(checkpoint["current_model_state"])
    else:
        (swa,) = (s for k, s in checkpoint["callbacks"].items() if k.startswith("Stochastic"))
        states.append(swa["average_model_state"])
    for state in states:
        assert torch.equal(state["hidden.weight"] == 0, gone)


# 15 ---------------------------------------------------------------------------------------------


def test_15_reference_fails_to_copy_the_model_after_a_fit():
    model = seeded()
    callback = Reference("l1_unstructured", model.weights(), make_pruning_permanent=False)
    fit(model, callback, epochs=1)
    with pytest.raises(RuntimeError, match="deepcopy"):
        fit(model, callback, epochs=1)


@pytest.mark.parametrize("permanent", [True, False])
def test_15_a_second_fit_with_the_same_callback_goes_on(permanent):
    model = seeded()
    callback = ModelPruning(
        "l1_unstructured", model.weights(), amount=0.5, make_pruning_permanent=permanent
    )
    shares, hooks = [], []
    for _ in range(2):
        run = fit(model, callback, epochs=1)
        shares.append(pruned_share(model))
        for optimizer in run.optimizers:
            hooks += [*optimizer._optimizer_step_pre_hooks, *optimizer._optimizer_step_post_hooks]
    assert shares == [pytest.approx(0.5, abs=1e-3), pytest.approx(0.75, abs=1e-3)]
    assert hooks == []


def test_15_a_second_model_starts_anew():
    callback = ModelPruning("l1_unstructured", amount=0.5, **NO_TICKET)
    for _ in range(2):
        model = seeded()
        fit(model, callback, epochs=1)
        assert callback.achieved_sparsity == pytest.approx(0.5, abs=1e-3)


def test_15_hooks_are_removed_after_an_exception():
    class Failing(Tiny):
        def on_train_epoch_end(self) -> None:
            raise RuntimeError("from the user's code")

    model = Failing()
    run = trainer(ModelPruning("l1_unstructured", sparsity=0.5, **NO_TICKET), epochs=2)
    with pytest.raises(RuntimeError, match="from the user's code"):
        run.fit(model, batches(), batches())
    assert all(not o._optimizer_step_post_hooks for o in run.optimizers)
    copy.deepcopy(model)
    assert not model._load_state_dict_pre_hooks


# 16 ---------------------------------------------------------------------------------------------


def test_16_channels_last_is_pruned_alike_and_kept():
    shares = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        pl.seed_everything(5, verbose=False)
        model = TwoConvolutions().to(memory_format=memory_format)
        fit(model, ModelPruning("l1_unstructured", amount=0.5, **NO_TICKET), epochs=2)
        assert model.second.weight.is_contiguous(memory_format=memory_format)
        shares.append(model.second.weight == 0)
    # The kernels of the two formats round differently: nearly all choices agree, not all.
    assert (shares[0] == shares[1]).float().mean() > 0.97
    assert shares[1].float().mean() > 0.3


class TwoConvolutions(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.norm(self.second(torch.relu(self.conv(images)))).flatten(1)
        return self.out(torch.relu(self.hidden(features)))


def test_16_reference_crashes_on_a_model_in_channels_last():
    model = TwoConvolutions().to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        fit(model, Reference("l1_unstructured", **NO_TICKET), epochs=1)
