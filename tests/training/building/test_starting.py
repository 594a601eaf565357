from __future__ import annotations

import torch
from saved import mask_state, save_lightning

from prunetool.training.building.starting import read_starting_point


def everything_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name


WEIGHT = torch.tensor([[1.0, 2.0], [0.0, 4.0]])
KEPT = torch.tensor([[True, False], [True, True]])


def test_masks_of_prunetool(tmp_path):
    state = {"ModelPruning": mask_state(fc__weight=KEPT)}
    path = save_lightning(tmp_path / "a.ckpt", {"fc.weight": WEIGHT}, callbacks=state)
    start = read_starting_point(path)
    everything_equal(start.masks(), {"fc.weight": KEPT})
    everything_equal(start.weights(), {"fc.weight": torch.tensor([[1.0, 0.0], [0.0, 4.0]])})


def test_masks_of_torch(tmp_path):
    weights = {"fc.weight_orig": WEIGHT, "fc.weight_mask": KEPT.float(), "fc.bias": torch.ones(2)}
    start = read_starting_point(save_lightning(tmp_path / "a.ckpt", weights))
    everything_equal(start.masks(), {"fc.weight": KEPT})
    everything_equal(
        start.weights(),
        {"fc.weight": torch.tensor([[1.0, 0.0], [0.0, 4.0]]), "fc.bias": torch.ones(2)},
    )


def test_zeros_as_masks(tmp_path):
    weights = {
        "fc.weight": WEIGHT,
        "full.weight": torch.ones(2, 2),
        "fc.bias": torch.zeros(2),
        "steps": torch.zeros(2, 2, dtype=torch.int64),
    }
    start = read_starting_point(save_lightning(tmp_path / "a.ckpt", weights))
    assert start.masks() == {}
    everything_equal(
        start.masks_of_zeros(), {"fc.weight": torch.tensor([[True, True], [False, True]])}
    )


class Hparams(dict):
    pass


def test_a_single_argument_that_holds_everything(tmp_path):
    def one(hparams):
        return hparams

    def several(width=1, depth=1):
        return width, depth

    path = save_lightning(
        tmp_path / "a.ckpt",
        {"w": WEIGHT},
        hyper_parameters={"width": 3, "name": "x"},
        hparams_name="hparams",
    )
    start = read_starting_point(path)
    assert start.arguments_for(one) == {"hparams": {"width": 3, "name": "x"}}
    assert start.arguments_for(several) == {"width": 3}
