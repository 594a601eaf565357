"""What the callback adds and keeps: sparsity targets, several callbacks, resuming, kept masks."""

from __future__ import annotations

import pickle
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
import torch.nn.utils.prune as torch_prune
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tiny import Tiny, batches, fit, seeded, trainer, zeros
from torch import nn

from prunetool import ModelPruning

NO_TICKET = {"use_lottery_ticket_hypothesis": False}


class Curve(pl.Callback):
    """Notes the pruned elements after every optimizer step and at every epoch's end."""

    def __init__(self, pruning: ModelPruning) -> None:
        self.pruning = pruning
        self.by_step: dict[int, int] = {}
        self.by_epoch: list[int] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.by_step[trainer.global_step] = self.pruning.pruned_elements

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.by_epoch.append(self.pruning.pruned_elements)


def curve(epochs: int, **arguments: Any) -> tuple[Curve, ModelPruning, Tiny]:
    model = seeded()
    pruning = ModelPruning("l1_unstructured", model.weights(), **NO_TICKET, **arguments)
    noting = Curve(pruning)
    fit(model, pruning, noting, epochs=epochs)
    return noting, pruning, model


class TestSparsityTarget:
    ELEMENTS = 54 + 4320 + 100

    def test_cubic_by_epochs(self):
        noting, pruning, model = curve(6, sparsity=0.9)
        # 70 % of 6 epochs is 4: 0.9 (1 - (1 - x)^3) at a quarter, a half, three quarters, the end.
        wanted = [0.9 * (1 - (1 - x) ** 3) for x in (0.25, 0.5, 0.75, 1.0)]
        assert noting.by_epoch == [round(s * self.ELEMENTS) for s in (*wanted, 0.9, 0.9)]
        assert pruning.achieved_sparsity == pytest.approx(0.9, abs=1 / self.ELEMENTS)
        assert sum(int((m.weight == 0).sum()) for m, _ in model.weights()) == round(
            0.9 * self.ELEMENTS
        )

    def test_steps(self):
        noting, _, _ = curve(3, sparsity=0.5, schedule="linear", start="2s", end="8s", every="3s")
        by_step = {step: round(0.5 * x * self.ELEMENTS) for step, x in ((4, 0), (5, 0.5), (8, 1))}
        assert {step: noting.by_step[step] for step in by_step} == by_step
        assert noting.by_step[7] == by_step[5]

    def test_a_short_training_is_pruned_on_the_way(self):
        noting, pruning, _ = curve(1, sparsity=0.8)
        assert pruning.pruned_elements == pruning.planned_elements
        assert len(set(noting.by_step.values())) > 2  # five steps, several events
        assert noting.by_step[4] == pruning.planned_elements  # one step is left to recover

    def test_one_shot_has_one_event_at_its_end(self):
        noting, _, _ = curve(4, sparsity=0.5, schedule="one-shot", end=3)
        assert noting.by_epoch == [0, 0, 2237, 2237]

    def test_local_gives_every_tensor_its_share_to_the_element(self):
        noting, pruning, model = curve(3, sparsity=0.9, use_global_unstructured=False, end=1)
        gone = [int((module.weight == 0).sum()) for module, _ in model.weights()]
        assert gone == [49, 3888, 90]  # 48.6 and 3888 and 90 of 4026.6, rounded to 4027 in all
        assert noting.by_epoch == [4027] * 3
        assert pruning.planned_elements == 4027

    def test_channels(self):
        model = seeded()
        pruning = ModelPruning(
            "ln_structured",
            model.weights(),
            pruning_dim=0,
            pruning_norm="inf",
            use_global_unstructured=False,
            sparsity=0.5,
            end=1,
            **NO_TICKET,
        )
        fit(model, pruning, epochs=2)
        dead = [int((m.weight.flatten(1) == 0).all(1).sum()) for m, _ in model.weights()]
        # Half of 31 channels is 15.5, to even 16; of 3.1, 10.3 and 2.6 the last is rounded up.
        assert dead == [3, 10, 3]
        assert pruning.pruned_elements == pruning.planned_elements == 27 + 2160 + 60

    @pytest.mark.parametrize("inputs", [(64, 12, 6), (64, 6, 12)])
    def test_channels_that_a_schedule_gives_in_other_shares_than_one_event_would(self, inputs):
        class Three(Tiny):
            def __init__(self) -> None:
                super().__init__()
                sizes = zip(inputs, (6, 6, 2), strict=True)
                self.extra = nn.ModuleList(nn.Linear(n, out) for n, out in sizes)

        model = Three()
        pruning = ModelPruning(
            parameters_to_prune=[(layer, "weight") for layer in model.extra],
            pattern="channels",
            pruning_dim=0,
            sparsity=11 / 14,
            schedule=lambda progress: 10 / 11,
            end=2,
            **NO_TICKET,
        )
        with pytest.warns(UserWarning, match=r"nothing is left of extra\.2\.weight"):
            fit(model, pruning, epochs=3)
        # 10 of 14 channels are 4, 4, 2; 11 at once would be 5, 5, 1, but none comes back.
        dead = [int((layer.weight == 0).all(1).sum()) for layer in model.extra]
        assert dead == [5, 4, 2]
        assert pruning.planned_elements == pruning.pruned_elements
        assert pruning.pruned_elements == 5 * inputs[0] + 4 * inputs[1] + 2 * inputs[2]

    def test_zero_leaves_the_model_dense(self):
        _, pruning, model = curve(2, sparsity=0.0)
        assert pruning.pruned_elements == 0
        assert zeros(model, "hidden.weight") == 0

    def test_apply_pruning_can_keep_it_from_its_target(self):
        _, pruning, _ = curve(4, sparsity=0.9, apply_pruning=lambda epoch: epoch < 1)
        assert 0 < pruning.pruned_elements < pruning.planned_elements

    def test_an_endless_training_must_say_by_when(self):
        pruning = ModelPruning("l1_unstructured", sparsity=0.5)
        with pytest.raises(MisconfigurationException, match="no known length"):
            trainer(pruning, epochs=-1).fit(Tiny(), batches(), batches())


@pytest.mark.parametrize(
    ("arguments", "planned"),
    [
        ({"amount": 0.3}, 4474 - 1534),  # 4474, 3132, 2192, 1534 left: rounded at each event
        ({"amount": 100}, 300),
        ({"amount": 0.5, "apply_pruning": False}, 0),
        ({"amount": 0.5, "apply_pruning": lambda epoch: True}, None),
        ({"amount": lambda epoch: 0.5}, None),
        ({"amount": 0.5, "every": 2}, 2237),
        ({"amount": 10, "use_global_unstructured": False}, 90),
    ],
)
def test_what_amounts_compound_to_is_known_beforehand(arguments, planned):
    model = seeded()
    pruning = ModelPruning("l1_unstructured", model.weights(), **NO_TICKET, **arguments)
    fit(model, pruning, epochs=3)
    assert pruning.planned_elements == planned
    if planned is not None:
        assert pruning.pruned_elements == planned


def test_events_before_validation_come_before_validation():
    seen = []

    class Validating(Tiny):
        def on_validation_start(self) -> None:
            seen.append(zeros(self, "hidden.weight"))

    model = Validating()
    pruning = ModelPruning(
        "l1_unstructured",
        [(model.hidden, "weight")],
        amount=0.5,
        prune_before_validation=True,
        **NO_TICKET,
    )
    fit(model, pruning, epochs=2, num_sanity_val_steps=0)
    assert seen == [0.5, 0.75]


def test_default_targets_of_the_command_line_spare_norms_and_biases():
    model = seeded()
    fit(model, ModelPruning("l1_unstructured", default_targets="matrices", sparsity=0.8))
    pruned = {name for name, _ in model.named_parameters() if zeros(model, name) > 0}
    assert pruned == {"conv.weight", "hidden.weight", "out.weight"}


def test_subclasses_choose_parameters_and_amounts():
    class Choosy(ModelPruning):
        def filter_parameters_to_prune(self, parameters_to_prune=()):
            return [(m, n) for m, n in parameters_to_prune if isinstance(m, nn.Linear)]

        def apply_pruning(self, amount):
            super().apply_pruning(amount / 2)

    model = seeded()
    callback = Choosy("l1_unstructured", parameter_names=["weight"], amount=0.5, **NO_TICKET)
    fit(model, callback, epochs=1)
    assert callback.target_elements == 4420
    assert callback.pruned_elements == 1105
    assert zeros(model, "conv.weight") == 0


def test_two_callbacks_prune_the_same_parameters_together():
    model = seeded()
    first = ModelPruning(
        "l1_unstructured", model.weights(), apply_pruning=lambda e: e == 0, **NO_TICKET
    )
    second = ModelPruning(
        "random_unstructured", model.weights(), apply_pruning=lambda e: e == 1, **NO_TICKET
    )
    fit(model, first, second, epochs=2)
    assert first.pruned_elements == second.pruned_elements == 2237 + round(2237 / 2)


def test_two_callbacks_survive_a_resume(tmp_path):
    def callbacks(model: Tiny) -> list[ModelPruning]:
        return [
            ModelPruning("l1_unstructured", [(model.hidden, "weight")], amount=0.5, **NO_TICKET),
            ModelPruning("random_unstructured", [(model.out, "weight")], amount=0.2, **NO_TICKET),
        ]

    model = seeded()
    fit(model, *callbacks(model), epochs=4)
    interrupted = seeded()
    run = fit(interrupted, *callbacks(interrupted), epochs=2)
    run.save_checkpoint(tmp_path / "half.ckpt")
    again = seeded()
    fit(again, *callbacks(again), epochs=4, ckpt_path=str(tmp_path / "half.ckpt"))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
    assert zeros(again, "hidden.weight") == 0.9375


@pytest.mark.parametrize("permanent", [True, False])
@pytest.mark.parametrize(
    "arguments",
    [
        {"pruning_fn": "l1_unstructured", "sparsity": 0.9},
        {"pruning_fn": "random_unstructured", "sparsity": 0.9, "schedule": "linear"},
        {"pruning_fn": "l1_unstructured", "sparsity": 0.9, "end": "17s", "every": "3s"},
        {
            "pruning_fn": "l1_unstructured",
            "amount": 0.2,
            "use_lottery_ticket_hypothesis": True,
            "rewind_step": 3,
        },
        {"pruning_fn": "random_unstructured", "amount": 0.2, "resample_parameters": True},
    ],
    ids=["cubic", "random", "steps", "ticket", "resample"],
)
def test_a_resumed_fit_ends_where_the_uninterrupted_one_does(tmp_path, arguments, permanent):
    def callback(model: Tiny) -> ModelPruning:
        return ModelPruning(
            parameters_to_prune=model.weights(),
            make_pruning_permanent=permanent,
            **{**NO_TICKET, **arguments},
        )

    class Saving(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    whole = seeded("adamw")
    fit(whole, callback(whole), Saving(), epochs=5)
    again = seeded("adamw")
    fit(again, callback(again), epochs=5, ckpt_path=str(tmp_path / "half.ckpt"))
    assert set(whole.state_dict()) == set(again.state_dict())
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_the_checkpoint_is_plain_and_reads_without_any_class(tmp_path):
    model = seeded()
    pruning = ModelPruning("l1_unstructured", model.weights(), sparsity=0.9)
    fit(model, pruning, epochs=4).save_checkpoint(tmp_path / "saved.ckpt")
    checkpoint = torch.load(tmp_path / "saved.ckpt", weights_only=True)
    assert set(checkpoint["state_dict"]) == set(Tiny().state_dict())
    assert checkpoint["prunetool"]["parameters"] == [n for n, _ in model.named_parameters()]
    assert checkpoint["prunetool"]["tied"] == {}
    packed = checkpoint["callbacks"]["ModelPruning"]["masks"]["hidden.weight"]
    assert packed["bits"].numel() == 4320 // 8
    kept = torch.from_numpy(
        __import__("numpy").unpackbits(packed["bits"].numpy(), bitorder="little")
    ).view(20, 216)
    assert torch.equal(kept.bool(), model.hidden.weight != 0)


class TestKeptMasks:
    def kept(self, **arguments: Any) -> tuple[Tiny, ModelPruning, pl.Trainer]:
        model = seeded()
        pruning = ModelPruning(
            "l1_unstructured", model.weights(), make_pruning_permanent=False, **arguments
        )
        run = fit(model, pruning, epochs=2, num_sanity_val_steps=0)
        return model, pruning, run

    def test_modules_carry_torchs_reparametrisation(self):
        model, pruning, _ = self.kept(**NO_TICKET)
        assert torch_prune.is_pruned(model.hidden)
        assert torch.equal(model.hidden.weight, model.hidden.weight_orig * model.hidden.weight_mask)
        gone = sum(int((m.weight_mask == 0).sum()) for m, _ in model.weights())
        assert gone == pruning.pruned_elements
        assert (model.hidden.weight_orig != 0).all()
        torch_prune.remove(model.hidden, "weight")

    def test_after_a_reset_the_original_is_the_whole_early_tensor(self):
        start = seeded().hidden.weight
        model, _, _ = self.kept(use_lottery_ticket_hypothesis=lambda epoch: True)
        assert torch.equal(model.hidden.weight_orig, start)

    def test_a_checkpoint_saved_after_the_fit_resumes(self, tmp_path):
        model, _, run = self.kept(**NO_TICKET)
        run.save_checkpoint(tmp_path / "after.ckpt")
        saved = torch.load(tmp_path / "after.ckpt", weights_only=True)["state_dict"]
        assert torch.equal(saved["hidden.weight_orig"], model.hidden.weight_orig)
        again = seeded()
        pruning = ModelPruning("l1_unstructured", again.weights(), apply_pruning=False, **NO_TICKET)
        fit(again, pruning, epochs=3, ckpt_path=str(tmp_path / "after.ckpt"))
        assert torch.equal(again.hidden.weight == 0, model.hidden.weight_mask == 0)

    def test_a_kept_checkpoint_validates_on_a_plain_model(self, tmp_path):
        model, _, run = self.kept(**NO_TICKET)
        run.save_checkpoint(tmp_path / "kept.ckpt")
        metrics = []
        for candidate, path in ((model, None), (seeded(), str(tmp_path / "kept.ckpt"))):
            pruning = ModelPruning("l1_unstructured")
            run = trainer(pruning)
            metrics.extend(run.validate(candidate, batches(), ckpt_path=path, verbose=False))
        assert metrics[0] == metrics[1]


def test_weights_under_a_mask_stay_zero_after_every_step():
    class Checking(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            gone = pruning._session.masks.pruned("hidden.weight")
            assert (pl_module.hidden.weight[gone] == 0).all()
            for state in trainer.optimizers[0].state.values():
                for value in state.values():
                    if value.shape == gone.shape:
                        assert (value[gone] == 0).all()

    model = seeded("adamw")
    pruning = ModelPruning("l1_unstructured", model.weights(), sparsity=0.8, end="5s", every="1s")
    fit(model, pruning, Checking(), epochs=3)
    assert pruning.achieved_sparsity > 0.79


@pytest.mark.parametrize("wrapped", [True, False])
def test_manual_optimization(wrapped):
    class Manual(Tiny):
        def __init__(self) -> None:
            super().__init__("adamw")
            self.automatic_optimization = False

        def training_step(self, batch: Any, index: int) -> None:
            optimizer = self.optimizers(use_pl_optimizer=wrapped)
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, index))
            optimizer.step()

    model = Manual()
    pruning = ModelPruning("l1_unstructured", model.weights(), amount=0.5, **NO_TICKET)
    run = fit(model, pruning, epochs=2)
    gone = model.hidden.weight == 0
    assert pruning.achieved_sparsity == pytest.approx(0.75, abs=1e-3)
    for value in run.optimizers[0].state[model.hidden.weight].values():
        if value.shape == gone.shape:
            assert (value[gone] == 0).all()


def test_tied_weights_count_once(caplog, tmp_path):
    class Tied(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.twin = nn.Linear(216, 20)
            self.twin.weight = self.hidden.weight

    model = Tied()
    pruning = ModelPruning("l1_unstructured", parameter_names=["weight"], verbose=1, **NO_TICKET)
    with caplog.at_level("INFO"):
        run = fit(model, pruning, epochs=1)
    assert (
        "Applied `L1Unstructured`. Pruned: 0/4480 (0.00%) -> 2240/4480 (50.00%)" in caplog.messages
    )
    run.save_checkpoint(tmp_path / "tied.ckpt")
    record = torch.load(tmp_path / "tied.ckpt", weights_only=True)["prunetool"]
    assert record["tied"] == {"twin.weight": "hidden.weight"}


def test_masks_to_start_from():
    model = seeded()
    pruning = ModelPruning("l1_unstructured", model.weights(), apply_pruning=False)
    kept = torch.arange(4320).view(20, 216) % 3 > 0
    pruning.initial_masks = {"hidden.weight": kept}
    fit(model, pruning, epochs=1)
    assert torch.equal(model.hidden.weight != 0, kept)


def test_a_model_pruned_by_torch_before_goes_on_with_its_masks():
    model = seeded()
    torch_prune.random_unstructured(model.hidden, "weight", amount=0.4)
    mask = model.hidden.weight_mask.clone()
    fit(model, ModelPruning("l1_unstructured", apply_pruning=False), epochs=1)
    assert torch.equal(model.hidden.weight != 0, mask != 0)
    assert list(dict(model.hidden.named_parameters())) == ["weight", "bias"]


def test_a_mask_of_another_model_is_refused_by_name(tmp_path):
    model = seeded()
    run = fit(model, ModelPruning("l1_unstructured", amount=0.5), epochs=1)
    run.save_checkpoint(tmp_path / "saved.ckpt")
    checkpoint = torch.load(tmp_path / "saved.ckpt", weights_only=True)
    masks = checkpoint["callbacks"]["ModelPruning"]["masks"]
    masks["hidden.weight"] = {"shape": [20, 100], "bits": torch.zeros(250, dtype=torch.uint8)}
    torch.save(checkpoint, tmp_path / "other.ckpt")
    with pytest.raises(MisconfigurationException, match=r"hidden\.weight.*\(20, 100\)"):
        fit(
            seeded(),
            ModelPruning("l1_unstructured"),
            epochs=2,
            ckpt_path=str(tmp_path / "other.ckpt"),
        )


def test_rewinding_to_a_later_step_uses_the_weights_of_that_step():
    class Noting(pl.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            if trainer.global_step == 3:
                self.early = pl_module.hidden.weight.detach().clone()

    model, noting = seeded(), Noting()
    pruning = ModelPruning(
        "l1_unstructured",
        model.weights(),
        use_lottery_ticket_hypothesis=lambda epoch: True,
        rewind_step=3,
    )
    fit(model, noting, pruning, epochs=1)
    kept = model.hidden.weight != 0
    assert torch.equal(model.hidden.weight[kept], noting.early[kept])


def test_a_reset_before_there_are_early_weights_says_so():
    pruning = ModelPruning("l1_unstructured", rewind_step=1000, amount=1)
    with pytest.raises(MisconfigurationException, match="rewind_step=1000"):
        fit(Tiny(), pruning, epochs=2)


@pytest.mark.parametrize("permanent", [True, False])
def test_a_resume_with_nothing_left_to_train_keeps_the_masks(tmp_path, permanent):
    def pruning(model: Tiny) -> ModelPruning:
        return ModelPruning(
            "l1_unstructured", model.weights(), make_pruning_permanent=permanent, **NO_TICKET
        )

    class Saving(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.save_checkpoint(tmp_path / "last.ckpt")

    model = seeded()
    fit(model, pruning(model), Saving(), epochs=2)
    again = seeded()
    callback = pruning(again)
    run = fit(again, callback, epochs=2, ckpt_path=str(tmp_path / "last.ckpt"))
    assert callback.achieved_sparsity == pytest.approx(0.75, abs=1e-3)
    assert list(again.state_dict()) == list(model.state_dict())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    run.save_checkpoint(tmp_path / "after.ckpt")
    state = torch.load(tmp_path / "after.ckpt", weights_only=True)["callbacks"]["ModelPruning"]
    assert set(state["masks"]) == {"conv.weight", "hidden.weight", "out.weight"}


def test_a_second_fit_after_kept_masks_has_the_first_ones_order(tmp_path):
    names = [name for name, _ in Tiny().named_parameters()]
    model = seeded("adamw")
    for _ in range(2):
        pruning = ModelPruning("l1_unstructured", sparsity=0.8, make_pruning_permanent=False)
        run = fit(model, pruning, epochs=2)
        assert [n.removesuffix("_orig") for n, _ in model.named_parameters()] == names
    run.save_checkpoint(tmp_path / "second.ckpt")
    fresh = seeded("adamw")
    again = ModelPruning("l1_unstructured", apply_pruning=False, **NO_TICKET)
    fit(fresh, again, epochs=3, ckpt_path=str(tmp_path / "second.ckpt"))
    assert torch.equal(fresh.hidden.weight == 0, model.hidden.weight_mask == 0)


@pytest.mark.parametrize("first", ["averaging", "pruning"])
def test_kept_masks_and_averaging_resume(tmp_path, first):
    def callbacks(model: Tiny) -> list[pl.Callback]:
        pair = [
            ModelPruning(
                "l1_unstructured",
                model.weights(),
                amount=0.3,
                make_pruning_permanent=False,
                **NO_TICKET,
            ),
            EMAWeightAveraging(decay=0.9),
        ]
        return pair if first == "pruning" else pair[::-1]

    class Saving(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 0:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    whole = seeded()
    fit(whole, *callbacks(whole), Saving(), epochs=3)
    again = seeded()
    fit(again, *callbacks(again), epochs=3, ckpt_path=str(tmp_path / "half.ckpt"))
    for name in ("hidden.weight", "out.weight", "hidden.bias"):
        owner, _, attribute = name.rpartition(".")
        one, other = (getattr(m.get_submodule(owner), attribute) for m in (whole, again))
        assert torch.equal(one, other), name


def test_weights_only_checkpoints_load_into_kept_masks(tmp_path):
    model = seeded()
    pruning = ModelPruning("l1_unstructured", model.weights(), make_pruning_permanent=False)
    keeper = ModelCheckpoint(dirpath=tmp_path, save_weights_only=True)
    run = fit(model, pruning, keeper, epochs=2, enable_checkpointing=True)
    run.validate(model, batches(), ckpt_path=keeper.best_model_path, verbose=False)
    saved = torch.load(keeper.best_model_path, weights_only=True)["state_dict"]
    assert torch.equal(model.hidden.weight_orig, saved["hidden.weight"])
    assert torch.equal(model.hidden.weight_mask, (saved["hidden.weight"] != 0).float())


@pytest.mark.parametrize("permanent", [True, False])
def test_the_callback_pickles_before_during_and_after_a_fit(permanent):
    class Pickling(pl.Callback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            pickle.dumps(pruning._session)

    model = seeded()
    pruning = ModelPruning("l1_unstructured", amount=0.5, make_pruning_permanent=permanent)
    pickle.dumps(pruning)
    fit(model, pruning, Pickling(), epochs=1)
    copy = pickle.loads(pickle.dumps(pruning))
    assert copy.pruned_elements == pruning.pruned_elements > 0
    fit(seeded(), copy, epochs=1)  # another model: it starts anew
    assert copy.achieved_sparsity == pytest.approx(0.5, abs=1e-3)


def test_a_lazy_layer_is_refused_by_name():
    model = Tiny()
    model.hidden = nn.LazyLinear(20)
    with pytest.raises(MisconfigurationException, match=r"hidden\.weight: belongs to a lazy layer"):
        fit(model, ModelPruning("l1_unstructured", **NO_TICKET), num_sanity_val_steps=0)


class Quantised(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Module()
        self.frozen.weight = nn.Parameter(torch.ones(3, dtype=torch.int8), requires_grad=False)


def test_integers_are_left_out_of_the_default_set_and_refused_by_name(caplog):
    model = Quantised()
    with caplog.at_level("INFO"):
        fit(model, ModelPruning("l1_unstructured", sparsity=0.5), epochs=1)
    assert any("left out 1 parameters" in m and "int8" in m for m in caplog.messages)
    with pytest.raises(MisconfigurationException, match=r"frozen\.weight: expected a floating"):
        fit(model, ModelPruning("l1_unstructured", [(model.frozen, "weight")]), epochs=1)


def test_validating_after_a_fit_prunes_nothing():
    model = seeded()
    pruning = ModelPruning(
        "l1_unstructured", model.weights(), prune_on_train_epoch_end=False, **NO_TICKET
    )
    run = fit(model, pruning, epochs=2)
    before = pruning.pruned_elements
    assert before == 2237 + 1118
    run.validate(model, batches(), verbose=False)
    assert pruning.pruned_elements == before
    assert sum(int((m.weight == 0).sum()) for m, _ in model.weights()) == before
