from __future__ import annotations

import lightning.pytorch as pl
import pytest
import pytorch_lightning
from lightning.fabric.utilities.exceptions import MisconfigurationException

from prunetool.training.building.trees import Tree, is_misconfiguration, tree_of


class Mine(pl.LightningModule):
    pass


class Older(pytorch_lightning.LightningModule):
    pass


class Data(pl.LightningDataModule):
    pass


@pytest.mark.parametrize(
    ("cls", "kind", "package"),
    [
        (Mine, "LightningModule", "lightning.pytorch"),
        (Older, "LightningModule", "pytorch_lightning"),
        (Data, "LightningDataModule", "lightning.pytorch"),
        (Data, "LightningModule", None),
        (int, "LightningModule", None),
    ],
)
def test_the_tree_of_a_class(cls, kind, package):
    assert tree_of(cls, kind) == (Tree(package) if package else None)


def test_everything_comes_from_one_tree():
    tree = Tree("pytorch_lightning")
    assert tree.trainer_class is pytorch_lightning.Trainer
    assert tree.checkpoint_class is pytorch_lightning.callbacks.Checkpoint
    assert Tree("lightning.pytorch").trainer_class is pl.Trainer


def test_both_packages_complain_in_their_own_way():
    from lightning_fabric.utilities.exceptions import MisconfigurationException as Other

    assert is_misconfiguration(MisconfigurationException("x"))
    assert is_misconfiguration(Other("x"))
    assert not is_misconfiguration(ValueError("x"))
