from __future__ import annotations

from pathlib import Path

import pytest
import saved
import torch
from torch import nn
from torch.nn.utils import prune

from prunetool.checkpoints.folding import fold
from prunetool.checkpoints.masks import prunetool_masks
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.errors import CheckpointError

PATH = Path("a.ckpt")


def read(folded):
    return {name: it.read().tolist() for name, it in folded.items()}


def masks(**masks):
    return prunetool_masks({"callbacks": {"any": saved.mask_state(**masks)}}, PATH)


def test_torchs_masks_as_torch_applies_them():
    layer = prune.l1_unstructured(nn.Linear(4, 3), "weight", 0.5)
    stored = dict(layer.state_dict())

    folded = fold(stored, {}, path=PATH)

    prune.remove(layer, "weight")
    expected = layer.state_dict()
    assert set(folded) == set(expected)
    assert all(torch.equal(folded[name].read(), expected[name]) for name in expected)


def test_masked_elements_are_zero_whatever_is_under_the_mask():
    stored = {"w": torch.tensor([float("nan"), float("inf"), 3.0])}

    folded = fold(stored, masks(w=torch.tensor([0, 0, 1])), path=PATH)

    assert read(folded) == {"w": [0.0, 0.0, 3.0]}
    assert stored["w"][0].isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.uint8])
def test_torchs_masks_of_any_dtype(dtype):
    stored = {"w_orig": torch.tensor([1.0, 2.0]), "w_mask": torch.tensor([0, 1]).to(dtype)}

    assert read(fold(stored, {}, path=PATH)) == {"w": [0.0, 2.0]}


def test_masks_of_several_kinds_are_all_applied():
    stored = {"w_orig": torch.tensor([1.0, 2.0, 3.0]), "w_mask": torch.tensor([0.0, 1.0, 1.0])}

    folded = fold(stored, masks(w=torch.tensor([1, 1, 0])), path=PATH)

    assert read(folded) == {"w": [0.0, 2.0, 0.0]}


def test_masks_of_several_callbacks_are_all_applied():
    states = {
        "one": saved.mask_state(w=torch.tensor([0, 1, 1])),
        "two": saved.mask_state(w=torch.tensor([1, 1, 0])),
        "none": {"n": 1},
    }

    found = prunetool_masks({"callbacks": states}, PATH)

    assert read(fold({"w": torch.ones(3)}, found, path=PATH)) == {"w": [0.0, 1.0, 0.0]}


def test_every_name_of_a_tied_tensor_is_masked_and_views_of_other_shape_are_not():
    shared = torch.ones(3)
    stored = {"early": shared, "w": shared, "late": shared.view(3), "part": shared[1:]}
    stored["equal"] = torch.ones(3)

    assert read(fold(stored, masks(w=torch.tensor([0, 1, 1])), path=PATH)) == {
        "early": [0.0, 1.0, 1.0],
        "w": [0.0, 1.0, 1.0],
        "late": [0.0, 1.0, 1.0],
        "part": [1.0, 1.0],
        "equal": [1.0, 1.0, 1.0],
    }


def test_masks_by_name_hold_behind_a_prefix():
    stored = {"module.w": torch.ones(2), "n_averaged": torch.tensor(3)}

    folded = fold(stored, masks(w=torch.tensor([0, 1])), path=PATH, prefix="module.")

    assert read(folded) == {"module.w": [0.0, 1.0], "n_averaged": 3}


def test_other_values_stay_in_place():
    stored = {"a": torch.ones(1), "_extra_state": {"b": 1}, "c": torch.ones(1)}

    folded = fold(stored, {}, path=PATH)

    assert list(folded) == ["a", "_extra_state", "c"]
    assert folded["_extra_state"] is stored["_extra_state"]


W = torch.ones(3)
BITS = saved.mask_state(w=W)["masks"]["w"]["bits"]


def state(**changes):
    return {"ModelPruning": {**saved.mask_state(w=W), **changes}}


@pytest.mark.parametrize(
    ("weights", "callbacks", "message"),
    [
        ({"w_orig": W, "w_mask": W / 2}, {}, "mask w_mask: expected only 0 and 1"),
        ({"w_orig": W, "w_mask": W * float("nan")}, {}, "mask w_mask: expected only 0 and 1"),
        ({"w_orig": W, "w_mask": torch.ones(2)}, {}, r"w_mask: .* \[3\] .* found \[2\]"),
        ({"w_orig": W, "w_mask": 1}, {}, "mask w_mask: expected a tensor that can be read"),
        ({"w": torch.ones(4)}, state(), r"mask of w: expected the shape \[4\] .* found \[3\]"),
        ({"weight": W}, state(), "mask of w: expected a tensor of that name"),
        ({"w": W}, state(prunetool=2), "mask state of schema 2; .*: upgrade prunetool"),
        ({"w": W}, state(masks=[1]), "mask state: expected a shape and bits for each name"),
        ({"w": W}, state(masks={"w": {"bits": W}}), "expected a shape and bits for each name"),
        ({"w": W}, state(masks={"w": {"shape": [2], "bits": 1}}), "a shape and bits for each"),
        (
            {"w": W},
            state(masks={"w": {"shape": [3], "bits": BITS.repeat(2)}}),
            "mask of w: expected 1 bytes",
        ),
    ],
)
def test_masks_that_do_not_fit(weights, callbacks, message, tmp_path):
    path = saved.save_lightning(tmp_path / "a.ckpt", weights, callbacks=callbacks)

    with pytest.raises(CheckpointError, match=message) as caught:
        [tensor.read() for tensor in open_checkpoint(path).tensors.values()]
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("both", [False, True])
def test_tied_weights_have_the_masks_that_torch_gives_each_module(both):
    model = nn.Module()
    model.a, model.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    model.b.weight = model.a.weight
    prune.random_unstructured(model.a, "weight", 0.5)
    if both:
        prune.random_unstructured(model.b, "weight", 0.5)
    stored = model.state_dict()

    folded = fold(dict(stored), {}, path=PATH)

    whole = stored["a.weight_orig"]
    assert torch.equal(folded["a.weight"].read(), whole * stored["a.weight_mask"])
    expected = whole * stored["b.weight_mask"] if both else whole
    assert torch.equal(folded["b.weight"].read(), expected)
    assert folded["a.weight"].identity != folded["b.weight"].identity
