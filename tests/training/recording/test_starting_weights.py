from __future__ import annotations

import json

import torch
from torch import nn

from prunetool.pruning.histograms import HALF
from prunetool.training.recording.starting_weights import StartingWeights


def test_what_is_written(tmp_path):
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[0.9, -0.9], [0.0, 0.01]]))
        net[1].weight.copy_(torch.tensor([[3.0, -0.25]]))
    start = StartingWeights()
    start.look(net, {"0.weight", "1.weight"})
    start.write(tmp_path / "histograms.json")

    content = json.loads((tmp_path / "histograms.json").read_text())
    first, second = content["tensors"]["0.weight"], content["tensors"]["1.weight"]
    assert content["schema"] == 1
    assert list(content["tensors"]) == ["0.weight", "1.weight"]
    assert first["width"] == 1 / HALF
    assert nonempty(first) == {-29: 1, 0: 1, 28: 1}  # -0.9, 0.01, 0.9
    assert (first["zeros"], first["outside"]) == (1, 0)
    assert second["width"] == 4 / HALF
    assert nonempty(second) == {-3: 1, 24: 1}
    assert content["all"]["width"] == 4 / HALF
    assert nonempty(content["all"]) == {-8: 1, -3: 1, 0: 1, 7: 1, 24: 1}
    assert content["all"]["zeros"] == 1


def nonempty(histogram):
    """Give counts by the number of the bin, 0 the first above zero."""
    return {i - HALF: n for i, n in enumerate(histogram["counts"]) if n}


def test_without_a_look_nothing_is_written(tmp_path):
    StartingWeights().write(tmp_path / "histograms.json")
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_targets(tmp_path):
    start = StartingWeights()
    start.look(nn.Linear(2, 2), set())
    start.write(tmp_path / "histograms.json")
    assert json.loads((tmp_path / "histograms.json").read_text())["tensors"] == {}
