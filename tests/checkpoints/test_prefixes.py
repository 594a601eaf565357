"""Names without what wrappers put in front, by the wrappers themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from prunetool.checkpoints.prefixes import without_prefixes

# Of torch's own, when torch.compile imports what it needs.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def net():
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


class Inner(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.compile(net())


def test_a_compiled_module():
    names = list(torch.compile(net()).state_dict())

    assert list(without_prefixes(names, own_module=True).values()) == list(net().state_dict())


def test_a_compiled_part():
    names = list(Inner().state_dict())

    assert list(without_prefixes(names, own_module=True).values()) == [
        f"net.{name}" for name in net().state_dict()
    ]


def test_averaged_weights():
    names = list(AveragedModel(net()).state_dict())

    assert list(without_prefixes(names, own_module=False).values()) == [
        "n_averaged",
        *net().state_dict(),
    ]


@pytest.mark.parametrize(
    ("names", "own_module"),
    [
        pytest.param(["module.a", "module.b"], True, id="of Lightning's"),
        pytest.param(["module.a", "b"], False, id="of some only"),
        pytest.param(["a", "_orig_mod.a"], False, id="two would be one"),
        pytest.param(["module."], False, id="nothing else"),
        pytest.param([], False, id="none"),
    ],
)
def test_what_is_left(names, own_module):
    assert without_prefixes(names, own_module=own_module) == {name: name for name in names}


def test_both_at_once():
    assert without_prefixes(["module._orig_mod.a", "module.b"], own_module=False) == {
        "module._orig_mod.a": "a",
        "module.b": "b",
    }
