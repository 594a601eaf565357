from __future__ import annotations

import lightning.pytorch as pl
import pytest
from project import fresh_imports, write_project
from torch.utils.data import DataLoader

from prunetool.errors import OptionError, TargetError, UserCodeError
from prunetool.importing import import_object, make_importable
from prunetool.training.building.data import fit_data
from prunetool.training.building.trees import Tree

LIGHTNING = Tree("lightning.pytorch")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path))
    with fresh_imports():
        make_importable(".")
        yield tmp_path


def data(path, arguments=None, *, model="net:Net", tree=LIGHTNING):
    return fit_data(path, arguments or {}, module=import_object(model)(), tree=tree)


def test_the_models_own_loaders(project):
    assert data(None) == {}


@pytest.mark.parametrize("path", ["net:Data", "net.py:Data", "net:make_data"])
def test_a_datamodule(project, path):
    found = data(path, {"seed": 7}, model="net:Plain")
    assert list(found) == ["datamodule"]
    assert isinstance(found["datamodule"], pl.LightningDataModule)
    assert found["datamodule"].seed == 7


def test_a_loader(project):
    found = data("net:loader", {"seed": 3}, model="net:Plain")
    assert list(found) == ["train_dataloaders"]
    assert isinstance(found["train_dataloaders"], DataLoader)


def test_a_pair_of_loaders(project):
    (project / "both.py").write_text(
        "from net import loader\ndef both(): return loader(), loader(1)\n"
    )
    found = data("both:both", model="net:Plain")
    assert list(found) == ["train_dataloaders", "val_dataloaders"]


@pytest.mark.parametrize(
    ("path", "arguments", "kind", "fragment"),
    [
        (None, {}, OptionError, "Plain has no train_dataloader; add one, or give a Lightning"),
        (None, {"seed": 1}, OptionError, "--data-arg seed: only together with --data"),
        ("net:Dta", {}, TargetError, "net has no attribute 'Dta'; did you mean 'Data'"),
        ("net:number", {}, TargetError, "--data net:number: expected a LightningDataModule"),
        ("net:NotAModel", {}, TargetError, "got the class NotAModel"),
        ("net:make_nothing", {}, TargetError, "make_nothing() returned a NoneType"),
        ("net:Data", {"sede": 1}, OptionError, "--data-arg sede: Data has no such argument"),
        ("older:Data", {}, TargetError, "a datamodule of pytorch_lightning, but the model is of"),
        ("older:make_data", {}, TargetError, "derive both from the same package"),
    ],
)
def test_what_is_no_data(project, path, arguments, kind, fragment):
    with pytest.raises(kind) as error:
        data(path, arguments, model="net:Plain")
    assert fragment in str(error.value)


def test_an_exception_in_a_data_function_is_the_users(project):
    (project / "bad.py").write_text("def load():\n    raise OSError('no disk')\n")
    with pytest.raises(UserCodeError, match="calling load"):
        data("bad:load")
