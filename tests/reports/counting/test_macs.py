from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prunetool.reports.counting.macs import count_macs


class Everything(nn.Module):
    """Attention, recurrence, convolution, and one matrix in two places under two names."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.lstm = nn.LSTM(16, 8, batch_first=True)
        self.conv = nn.Conv1d(8, 4, 3)
        self.shared = nn.Parameter(torch.zeros(4, 4))
        self.head = nn.Linear(4, 4)
        self.head.weight = self.shared
        self.looks = False

    def forward(self, x):
        if self.looks and x.sum() > 1:  # nothing to look at on the device "meta"
            return x
        x, _ = self.lstm(self.layer(x))
        x = self.conv(x.transpose(1, 2)).mean(-1)
        return self.head(x @ (self.shared * 2).t())


@pytest.mark.parametrize("looks", [False, True], ids=["meta", "for real"])
def test_counts_by_hand(looks):
    model = Everything().eval()
    model.looks = looks
    found = count_macs(model, torch.zeros(1, 5, 16))
    assert found.by_parameter == {
        "layer.self_attn.in_proj_weight": 5 * 16 * 48,
        "layer.self_attn.out_proj.weight": 5 * 16 * 16,
        "layer.linear1.weight": 5 * 16 * 32,
        "layer.linear2.weight": 5 * 32 * 16,
        "lstm.weight_ih_l0": 5 * 16 * 4 * 8,
        "lstm.weight_hh_l0": 5 * 8 * 4 * 8,
        "conv.weight": 3 * 4 * 8 * 3,  # positions, outputs, inputs, width
        "shared": 2 * 4 * 4,
    }
    assert found.elsewhere == 2 * 5 * 5 * 16  # scores, and values weighted by them
    assert found.first_name("head.weight") == "shared"


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions_in_groups(groups):
    model = nn.Conv2d(4, 8, 3, groups=groups, padding=1)
    found = count_macs(model, torch.zeros(1, 4, 10, 6))
    assert found.by_parameter == {"weight": 10 * 6 * 8 * (4 // groups) * 9}


def test_weights_are_followed_through_what_is_made_of_them():
    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
            self.pruned = nn.Linear(3, 2)
            prune.l1_unstructured(self.pruned, "weight", 0.5)

        def forward(self, x):
            return self.pruned(self.normed(x).to(torch.float32))

    found = count_macs(Made(), torch.zeros(1, 4))
    assert found.by_parameter == {
        "normed.parametrizations.weight.original1": 12,
        "pruned.weight_orig": 6,
    }
    assert found.elsewhere == 0


def test_an_activation_is_no_parameter():
    """An embedding looked up, a position added: what comes out is multiplied by the head alone."""

    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(4, 4)
            self.places = nn.Parameter(torch.zeros(1, 4, 4))
            self.head = nn.Linear(4, 1)

        def forward(self, ids):
            return self.head(self.words(ids) + self.places)

    found = count_macs(Text(), torch.zeros(1, 4, dtype=torch.int64))
    assert found.by_parameter == {"head.weight": 4 * 4}


def test_names_come_without_what_compiling_adds():
    model = nn.Sequential(torch.compile(nn.Linear(4, 2), backend="eager"))
    assert count_macs(model, torch.zeros(1, 4)).by_parameter == {"0.weight": 8}


def test_a_batch_is_shared_out():
    found = count_macs(nn.Linear(4, 2), torch.zeros(8, 4)).per_sample(8)
    assert found.by_parameter == {"weight": 8}
    assert found.names == {"weight", "bias"}


def test_the_model_stays_as_it_is():
    model = Everything().eval()
    before = {name: (id(p), p.clone()) for name, p in model.named_parameters()}
    count_macs(model, torch.zeros(1, 5, 16))
    for name, parameter in model.named_parameters():
        assert id(parameter) == before[name][0]
        assert parameter.device.type == "cpu"
        assert parameter.equal(before[name][1])
    assert torch.backends.mha.get_fastpath_enabled()


def test_what_forward_raises_is_raised():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        count_macs(nn.Linear(4, 2), torch.zeros(1, 5))
