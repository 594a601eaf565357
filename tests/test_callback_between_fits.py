"""What a callback does by hand: pruning between fits, to a sparsity, and the two controls."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tiny import Tiny, fit, seeded
from torch import nn

from prunetool import ModelPruning

ELEMENTS = 54 + 4320 + 100
NAMES = ["conv.weight", "hidden.weight", "out.weight"]


def idle(model: Tiny, **arguments: Any) -> ModelPruning:
    """Give a callback that prunes only when told to."""
    return ModelPruning(
        parameters_to_prune=model.weights(),
        apply_pruning=False,
        use_lottery_ticket_hypothesis=False,
        **arguments,
    )


def counts(model: Tiny) -> list[int]:
    return [int((model.get_parameter(name) == 0).sum()) for name in NAMES]


@pytest.mark.parametrize(
    "method", [lambda p: p.prune_to(0.5), lambda p: p.redraw(), lambda p: p.shuffle_masks()]
)
def test_before_the_first_fit_there_is_nothing_to_prune(method: Any) -> None:
    with pytest.raises(MisconfigurationException, match="the callback has no model yet"):
        method(ModelPruning())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, None),
        ({"allocation": "uniform"}, [[11, 864, 20], [43, 3456, 80]]),  # 10.8, 864, 20; 43.2 ...
        # Sums 6+1+3+3, 236, 25; 3579 kept, then 895: eps 3425/236 and 741/236 beside the dense 154,
        # then 895 of 274: 42.46, 770.88, 81.66.
        ({"allocation": "erk"}, [[0, 895, 0], [12, 3549, 18]]),
        ({"allocation": "lamp"}, None),
        ({"pattern": "4:8", "include": ["hidden.weight"]}, None),
    ],
)
def test_pruning_to_a_sparsity_lands_on_it(
    arguments: dict[str, Any], expected: list[list[int]] | None
) -> None:
    model = seeded()
    pruning = idle(model, **arguments)
    fit(model, pruning, epochs=1)
    total = pruning.target_elements
    for i, sparsity in enumerate((0.2, 0.8)):
        if "pattern" in arguments and sparsity > 0.5:
            with pytest.raises(ValueError, match="cannot be reached: of 4320 units at most 2160"):
                pruning.prune_to(sparsity)
            continue
        pruning.prune_to(sparsity)
        assert pruning.pruned_elements == sum(counts(model)) == round(sparsity * total)
        if expected:
            assert counts(model) == expected[i]
    pruning.prune_to(0.1)  # passed already
    assert pruning.pruned_elements == sum(counts(model)) > round(0.1 * total)


def test_rounds_by_hand_prune_a_share_of_the_rest_and_keep_their_masks() -> None:
    model = seeded()
    early = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    pruning = idle(model)
    left = ELEMENTS
    for _ in range(3):
        fit(model, pruning, epochs=1)
        assert sum(counts(model)) == ELEMENTS - left
        pruning.apply_pruning(0.2)
        left -= round(0.2 * left)
        before = pruning.masks
        model.load_state_dict(early)  # the dense early weights, masked when the next fit starts
    fit(model, pruning, epochs=1)
    assert sum(counts(model)) == ELEMENTS - left
    for name in NAMES:
        assert torch.equal(before[name], model.get_parameter(name) != 0)


def test_redrawn_weights_are_new_initial_ones_under_the_same_masks() -> None:
    model = seeded()
    pruning = idle(model)
    fit(model, pruning, epochs=1)
    pruning.prune_to(0.6)
    masks = {name: mask.clone() for name, mask in pruning.masks.items()}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    pruning.redraw()
    for name, parameter in model.named_parameters():
        if name not in NAMES:
            assert torch.equal(parameter, before[name])
            continue
        assert torch.equal(parameter != 0, masks[name])
        assert not (parameter == before[name])[masks[name]].any()
    # Linear layers draw from (-1/sqrt(216), 1/sqrt(216)).
    assert float(model.hidden.weight.detach().abs().max()) <= 216**-0.5


def test_shuffled_masks_keep_the_count_of_each_tensor_and_survive_a_fit() -> None:
    model = seeded()
    pruning = idle(model)
    fit(model, pruning, epochs=1)
    pruning.prune_to(0.6)
    before, masks = counts(model), {name: mask.clone() for name, mask in pruning.masks.items()}
    pruning.shuffle_masks()
    assert [int((~mask).sum()) for mask in pruning.masks.values()] == before
    assert not any(torch.equal(pruning.masks[name], masks[name]) for name in NAMES)
    for name in NAMES:  # what came back has no value yet
        assert not model.get_parameter(name)[~(pruning.masks[name] & masks[name])].any()
    shuffled = {name: mask.clone() for name, mask in pruning.masks.items()}
    fit(model, pruning, epochs=1)
    for name in NAMES:
        assert torch.equal(model.get_parameter(name) != 0, shuffled[name])


def test_shuffled_two_of_four_stays_two_of_four() -> None:
    model = seeded()
    pruning = ModelPruning(
        parameters_to_prune=[(model.hidden, "weight")],
        pattern="2:4",
        sparsity=0.5,
        use_lottery_ticket_hypothesis=False,
    )
    fit(model, pruning, epochs=2)
    pruning.shuffle_masks()
    groups = pruning.masks["hidden.weight"].view(-1, 4).sum(1)
    assert groups.unique().tolist() == [2]


def test_what_cannot_be_redrawn_is_named() -> None:
    class Own(Tiny):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4, 4))

    model = Own()
    pruning = ModelPruning(
        default_targets="matrices", apply_pruning=False, use_lottery_ticket_hypothesis=False
    )
    fit(model, pruning, epochs=1)
    with pytest.raises(MisconfigurationException, match="no new values can be drawn for scale: "):
        pruning.redraw()


def test_what_n_of_m_does_not_fit_is_refused_by_name_or_skipped() -> None:
    def pruning(**arguments: Any) -> ModelPruning:
        return ModelPruning(
            default_targets="matrices",
            pattern="2:4",
            sparsity=0.5,
            use_lottery_ticket_hypothesis=False,
            **arguments,
        )

    with pytest.raises(
        MisconfigurationException,
        match=r"^`pattern` 2:4 does not fit conv\.weight: .* is 1, not a multiple of 4; leave it",
    ):
        fit(Tiny(), pruning(), epochs=1)
    model, skipping = seeded(), pruning(skip_unfit=True)
    fit(model, skipping, epochs=2)
    assert counts(model) == [0, 2160, 50]
    assert skipping.target_elements == 4420


def test_no_tensor_is_sparser_than_its_bound_and_the_total_is_still_met() -> None:
    model = seeded()
    pruning = ModelPruning(
        parameters_to_prune=model.weights(),
        sparsity=0.8,
        max_layer_sparsity=0.81,
        min_layer_density=0.1,
        use_lottery_ticket_hypothesis=False,
    )
    fit(model, pruning, epochs=3)
    gone = counts(model)
    assert sum(gone) == pruning.planned_elements == round(0.8 * ELEMENTS)
    assert gone[0] <= 0.81 * 54
    assert gone[1] <= 0.81 * 4320
    assert gone[2] <= 0.81 * 100


def test_a_sparsity_beyond_the_bounds_is_refused_before_the_training() -> None:
    class NeverTrained(Tiny):
        def training_step(self, batch: Any, _index: int) -> Any:
            raise AssertionError("trained")

    pruning = ModelPruning(default_targets="matrices", sparsity=0.9, max_layer_sparsity=0.5)
    with pytest.raises(
        MisconfigurationException,
        match=r"^sparsity: 0\.9 of 4474 elements cannot be reached: .*2237",
    ):
        fit(NeverTrained(), pruning, epochs=2, num_sanity_val_steps=0)


def test_an_emptied_tensor_is_warned_of_by_name() -> None:
    model = seeded()
    with torch.no_grad():
        model.out.weight.mul_(1e-6)

    class Frozen(pl.Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            optimizer.zero_grad()

    pruning = ModelPruning(
        parameters_to_prune=model.weights(), amount=100, use_lottery_ticket_hypothesis=False
    )
    with pytest.warns(UserWarning, match=r"nothing is left of out\.weight; if that cuts"):
        fit(model, pruning, Frozen(), epochs=1)


def test_a_schedule_that_gives_no_fraction_is_refused_before_the_training() -> None:
    pruning = ModelPruning(sparsity=0.5, schedule=lambda progress: 90 * progress)
    with pytest.raises(MisconfigurationException, match=r"^schedule: your function gave 22\.5 at"):
        fit(Tiny(), pruning, epochs=6, num_sanity_val_steps=0)
