from __future__ import annotations

import pytest
import sharded
import torch

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.sharded.optimizers import UnknownFormError, optimizer_states
from prunetool.errors import CheckpointError

ONES = torch.ones(2)


def states_of(path, **optimizers):
    folder = sharded.save_folder(path / "a.ckpt", {"w": ONES}, entries=optimizers)
    return optimizer_states(open_checkpoint(folder).shards)


def test_parameters_are_numbered_in_the_order_of_the_groups(tmp_path):
    first = {
        "state": {
            "a.weight": {"step": torch.tensor(3.0), "exp_avg": 2 * ONES},
            "c": {"step": torch.tensor(4.0), "exp_avg": 3 * ONES, "note": "x"},
        },
        "param_groups": [
            {"lr": 0.1, "betas": (0.9, 0.99), "foreach": None, "params": ["c", "b"]},
            {"lr": torch.tensor(0.2), "params": ["a.weight"]},
        ],
    }
    second = {"state": {}, "param_groups": [{"lr": 1.0, "params": []}]}

    one, other = states_of(tmp_path, optimizer_0=first, optimizer_1=second)

    assert list(one["state"]) == [0, 2]
    assert {key: value.read().tolist() for key, value in one["state"][2].items()} == {
        "step": 3.0,
        "exp_avg": [2.0, 2.0],
    }
    assert one["state"][0]["exp_avg"].read().tolist() == [3.0, 3.0]
    assert one["state"][0]["note"] == "x"
    assert one["param_groups"] == [
        {"lr": 0.1, "betas": (0.9, 0.99), "foreach": None, "params": [0, 1]},
        {"lr": one["param_groups"][1]["lr"], "params": [2]},
    ]
    assert one["param_groups"][1]["lr"].read().equal(torch.tensor(0.2))
    assert other == {"state": {}, "param_groups": [{"lr": 1.0, "params": []}]}


def test_a_folder_without_optimizers(tmp_path):
    assert states_of(tmp_path) == []


GROUP = {"params": ["w"]}


@pytest.mark.parametrize(
    ("optimizers", "message"),
    [
        ({"optimizer_1": {"param_groups": [GROUP]}}, r"optimizers \[1\], and none between"),
        (
            {"optimizer_0": {"state": {"w": {"inner": {"m": ONES}}}, "param_groups": [GROUP]}},
            "optimizer_0.state.w.inner.m is nested otherwise",
        ),
        ({"optimizer_0": {"extra": ONES, "param_groups": [GROUP]}}, "nested otherwise"),
        ({"optimizer_0": {"state": {"w": {"m": ONES}}}}, "do not name each parameter once"),
        ({"optimizer_0": {"param_groups": [GROUP, GROUP]}}, "do not name each parameter once"),
        ({"optimizer_0": {"param_groups": [{"lr": 1}]}}, "without the names of its parameters"),
        ({"optimizer_0": {"param_groups": [{"params": [0]}]}}, "without the names"),
        ({"optimizer_0": {"param_groups": {"a": GROUP}}}, "its groups are no list"),
        ({"optimizer_0.state.w.m": ONES}, "optimizer_0.state.w.m is nested otherwise"),
    ],
)
def test_what_cannot_be_numbered(optimizers, message, tmp_path):
    with pytest.raises(UnknownFormError, match=message):
        states_of(tmp_path, **optimizers)


def test_optimizer_state_in_a_missing_chunk(tmp_path):
    state = {"state": {"w": {"m": torch.ones(4)}}, "param_groups": [GROUP]}
    path = sharded.save_folder(tmp_path / "a.ckpt", {"w": ONES}, entries={"optimizer_0": state})
    with sharded.changed_index(path) as metadata:
        metadata.state_dict_metadata["optimizer_0.state.w.m"].chunks.clear()

    checkpoint = open_checkpoint(path)  # report and export do not need it

    with pytest.raises(CheckpointError, match=r"optimizer_0\.state\.w\.m: expected 4 elements"):
        optimizer_states(checkpoint.shards)
