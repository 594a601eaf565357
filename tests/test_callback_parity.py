"""Bit-identical to Lightning's own callback, wherever that one works."""

from __future__ import annotations

import warnings

import pytest
import torch
from lightning.pytorch.callbacks import ModelPruning as Reference
from tiny import fit, seeded

from prunetool import ModelPruning

METHODS = {
    "global": {"pruning_fn": "l1_unstructured"},
    "local": {"pruning_fn": "L1_Unstructured", "use_global_unstructured": False},
} | {
    f"dim{dim}-norm{norm}": {
        "pruning_fn": "ln_structured",
        "use_global_unstructured": False,
        "pruning_dim": dim,
        "pruning_norm": norm,
    }
    for dim in (0, 1)
    for norm in (1, 2)
}


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("method", METHODS)
def test_final_weights_equal_the_references(method, optimizer, clip, accumulate):
    final = []
    for callback_class in (Reference, ModelPruning):
        model = seeded(optimizer)
        callback = callback_class(
            **METHODS[method],
            parameters_to_prune=model.weights(),
            amount=0.3,
            use_lottery_ticket_hypothesis=False,
        )
        fit(
            model,
            callback,
            epochs=3,
            gradient_clip_val=clip,
            accumulate_grad_batches=accumulate,
            # Validation refreshes the tensor that the reference scores.
            num_sanity_val_steps=0,
        )
        final.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    reference, ours = final
    assert reference.keys() == ours.keys()
    different = [name for name in reference if not torch.equal(reference[name], ours[name])]
    assert different == []
    assert (ours["hidden.weight"] == 0).float().mean() > 0.5


def test_without_pruning_the_fit_is_untouched():
    plain, with_callback = seeded(), None
    fit(plain)
    with_callback = seeded()
    fit(with_callback, ModelPruning("l1_unstructured", apply_pruning=False))
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, with_callback.state_dict()[name]), name


class EveryOther(torch.nn.utils.prune.BasePruningMethod):
    """Prunes every second of what remains, and takes no amount."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def test_own_pruning_method_gives_the_references_masks():
    final = []
    for callback_class in (Reference, ModelPruning):
        model = seeded()
        callback = callback_class(
            EveryOther,
            parameters_to_prune=model.weights(),
            use_lottery_ticket_hypothesis=False,
        )
        with warnings.catch_warnings():
            fit(model, callback, num_sanity_val_steps=0)
        final.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    for name, tensor in final[0].items():
        assert torch.equal(tensor, final[1][name]), name


@pytest.mark.parametrize("pooled", [True, False])
def test_log_lines_have_the_references_form(pooled, caplog):
    lines = []
    for callback_class in (Reference, ModelPruning):
        model = seeded()
        callback = callback_class(
            "l1_unstructured",
            parameters_to_prune=model.weights(),
            use_global_unstructured=pooled,
            amount=0.3,
            verbose=2,
            use_lottery_ticket_hypothesis=False,
        )
        caplog.clear()
        with caplog.at_level("INFO"):
            fit(model, callback, epochs=2, num_sanity_val_steps=0)
        applied = [r for r in caplog.records if r.message.startswith("Applied")]
        lines.append([(r.name, r.levelname, r.message) for r in applied])
    reference, ours = lines
    assert ours == reference
    assert len(ours) == 2 * 4
