from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize, prune

from prunetool.checkpoints.layouts import Place, masks_without_partner, plain_names


def test_the_layout_of_torchs_pruning():
    layer = prune.l1_unstructured(nn.Linear(3, 2), "weight", 0.5)

    assert plain_names(layer.state_dict(prefix="fc.").keys()) == {
        "fc.bias": Place("fc.bias"),
        "fc.weight": Place("fc.weight_orig", ("fc.weight_mask",)),
    }


class KeepSome(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.ones(2, 3))

    def forward(self, weight):
        return weight * self.mask


def test_the_layout_of_a_parametrization_with_a_mask():
    layer = nn.Linear(3, 2)
    parametrize.register_parametrization(layer, "weight", KeepSome())

    assert plain_names(layer.state_dict(prefix="net.0.").keys()) == {
        "net.0.bias": Place("net.0.bias"),
        "net.0.weight": Place(
            "net.0.parametrizations.weight.original", ("net.0.parametrizations.weight.0.mask",)
        ),
    }
    assert plain_names(layer.state_dict().keys())["weight"].mask_keys == (
        "parametrizations.weight.0.mask",
    )


@pytest.mark.parametrize(
    "keys",
    [
        ["attention_mask", "w"],
        ["w_orig", "w"],
        ["w", "w_orig", "w_mask"],
        ["p.parametrizations.w.original", "p.parametrizations.w.0._u"],
        [
            "p.parametrizations.w.original",
            "p.parametrizations.w.0.mask",
            "p.parametrizations.w.1.scale",
        ],
        ["p.parametrizations.w.original0", "p.parametrizations.w.original1"],
    ],
)
def test_what_only_looks_like_it_is_left_alone(keys):
    assert plain_names(keys) == {key: Place(key) for key in keys}


def test_a_weight_that_was_parametrized_twice_has_two_masks():
    layer = nn.Linear(3, 2)
    for _ in range(2):
        parametrize.register_parametrization(layer, "weight", KeepSome())

    stem = "parametrizations.weight"
    assert plain_names(layer.state_dict().keys())["weight"] == Place(
        f"{stem}.original", (f"{stem}.0.mask", f"{stem}.1.mask")
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["fc.weight_mask", "fc.bias"], ["fc.weight_mask"]),
        (["a.kernel_orig", "a.kernel_mask", "b.kernel_mask"], ["b.kernel_mask"]),
        (["b.kernel_mask"], []),
        (["attention_mask", "fc.weight"], []),
        (["fc.weight", "fc.weight_mask"], []),
        (["fc.weight_orig", "fc.weight_u"], []),
        (["parametrizations.weight.0.mask"], ["parametrizations.weight.0.mask"]),
        (["parametrizations.weight.original", "parametrizations.weight.0.mask"], []),
    ],
)
def test_a_mask_without_its_tensor(keys, expected):
    assert masks_without_partner(keys) == expected
