from __future__ import annotations

import lightning.pytorch as pl
import pytest
import torch
from project import fresh_imports, write_project

from prunetool.errors import CheckpointError, OptionError, TargetError, UserCodeError
from prunetool.importing import make_importable
from prunetool.training.building.targets import build_model, is_checkpoint_path, resolve_target
from prunetool.training.building.trees import Tree


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path))
    with fresh_imports():
        make_importable(".")
        yield tmp_path


def built(target, arguments=None, **options):
    return build_model(resolve_target(target, **options), arguments or {})


@pytest.mark.parametrize(
    ("target", "name", "hidden"), [("net:Net", "Net", 8), ("net.py:make", "make", 4)]
)
def test_a_class_and_a_factory(project, target, name, hidden):
    source = resolve_target(target)
    assert source.name == name
    model = build_model(source, {})
    assert type(model.module).__name__ == "Net"
    assert model.module.first.out_features == hidden
    assert model.tree == Tree("lightning.pytorch")
    assert (model.path, model.arguments) == (target, {})


def test_arguments_reach_the_constructor(project):
    model = built("net:Net", {"hidden": 3})
    assert model.module.first.out_features == 3
    assert model.arguments == {"hidden": 3}


def test_the_other_lightning_is_recognised(project):
    assert built("older:Net").tree == Tree("pytorch_lightning")


def save(path, **content):
    """A checkpoint of Net(hidden=5) as a plain Trainer leaves it."""
    from net import Net

    module = Net(5)
    trainer = pl.Trainer(max_epochs=0, logger=False, barebones=False, enable_progress_bar=False)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(path, weights_only=True)
    torch.save({**torch.load(path), **content}, path)
    return module


def test_a_checkpoint_needs_the_class(project):
    save("plain.ckpt")
    with pytest.raises(TargetError, match=r"does not record the class.*--model pkg\.mod:Class"):
        resolve_target("plain.ckpt")


def test_a_checkpoint_with_the_class_given(project):
    module = save("plain.ckpt")
    source = resolve_target("plain.ckpt", model="net:Net")
    assert source.recorded == {"hidden": 5}
    assert build_model(source, {}).module.first.out_features == 5
    assert build_model(source, {"hidden": 6}).module.first.out_features == 6
    weights = source.start.weights()
    assert weights.keys() == module.state_dict().keys()
    assert all(torch.equal(weights[name], value) for name, value in module.state_dict().items())


def recording(target):
    return {"schema": 1, "model": {"target": target, "args": {"hidden": 5}}}


def test_a_checkpoint_that_records_its_class(project):
    save("own.ckpt", prunetool=recording("net.py:Net"))
    model = built("own.ckpt")
    assert (model.path, model.arguments) == ("net.py:Net", {"hidden": 5})
    assert model.module.first.out_features == 5


def test_a_function_that_a_file_names_is_called_only_if_the_user_names_it(project):
    save("own.ckpt", prunetool=recording("net:make"))
    with pytest.raises(TargetError, match=r"net:make as the source.*if it is yours, add --model"):
        resolve_target("own.ckpt")
    model = built("own.ckpt", model="net:make")
    assert (model.path, model.arguments) == ("net:make", {"hidden": 5})


def test_a_checkpoint_of_lightning_cli(project):
    save("cli.ckpt", hyper_parameters={"hidden": 5, "_class_path": "net.Net", "_instantiator": "x"})
    model = built("cli.ckpt")
    assert (model.path, model.arguments) == ("net.Net", {"hidden": 5})


def test_hyperparameters_that_are_no_arguments_or_not_plain_are_left_out(project):
    save("odd.ckpt", hyper_parameters={"hidden": 5, "loss": torch.nn.L1Loss, "unused": 1})
    assert built("odd.ckpt", model="net:Net").arguments == {"hidden": 5}


@pytest.mark.parametrize(
    ("target", "kind", "fragment"),
    [
        ("net:NotAModel", TargetError, "expected a LightningModule, got the class NotAModel"),
        ("net:number", TargetError, "or a function that returns one, got an int"),
        ("net:make_nothing", TargetError, "make_nothing() returned None; expected a Lightning"),
        ("net:Needy", OptionError, "Needy needs the argument width: add --model-arg width=VALUE"),
        ("net:BreaksInInit", UserCodeError, "calling BreaksInInit"),
        ("nowhere.ckpt", CheckpointError, "nowhere.ckpt: no such file"),
        ("net.py", TargetError, "net.py: expected a name after the module, as in net.py:Class"),
        ("package", CheckpointError, "package: a folder without"),
    ],
)
def test_what_is_no_model(project, target, kind, fragment):
    with pytest.raises(kind) as error:
        built(target)
    assert fragment in str(error.value)


def test_the_models_beside_are_suggested(project):
    (project / "pair.py").write_text(
        "from net import Net\nclass Nets: pass\nclass Mine(Net): pass\n"
    )
    with pytest.raises(TargetError, match=r"got the class Nets; did you mean 'Mine'\?"):
        built("pair.py:Nets")


def test_model_is_only_for_checkpoints(project):
    with pytest.raises(TargetError, match="--model net:Net: only for a checkpoint"):
        resolve_target("net:Net", model="net:Net")


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("some.ckpt", True),
        ("folder/weights.pt", True),
        ("net:Net", False),
        ("net.Net", False),
        ("net.py:Net", False),
        ("net.py", False),
        ("models.bin", False),
        ("package", True),
    ],
)
def test_checkpoints_and_import_paths(project, target, answer):
    assert is_checkpoint_path(target) is answer
