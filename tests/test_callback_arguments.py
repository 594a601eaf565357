"""Arguments and errors: the reference's, each with its documented exception."""

from __future__ import annotations

import inspect
import sys

import pytest
import torch
import torch.nn.utils.prune as torch_prune
from lightning.pytorch.callbacks import ModelPruning as Reference
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from tiny import Tiny, fit
from torch import nn

from prunetool import ModelPruning

WRONG = [
    ({"parameter_names": ["chocolate"]}, r"chocolate isn't in \('weight', 'bias'\)"),
    ({"pruning_fn": "l1_unstructure"}, r"isn't available.*did you mean 'l1_unstructured'"),
    ({"pruning_fn": {}}, r"expected to be a str in \["),
    ({"pruning_fn": torch_prune.l1_unstructured}, r"expected to be a str in \["),
    ({"pruning_fn": torch_prune.L1Unstructured(0.5)}, "the class, not an instance"),
    ({"pruning_fn": "random_structured"}, "`pruning_dim` should be provided"),
    ({"pruning_fn": "LN_structured", "pruning_dim": 0}, "the `pruning_norm` should be provided"),
    (
        {"pruning_fn": torch_prune.L1Unstructured, "use_global_unstructured": False},
        "currently only supported with `use_global_unstructured=True`",
    ),
    (
        {"pruning_fn": "ln_structured", "pruning_dim": 0, "pruning_norm": 1},
        "supported with `use_global_unstructured=True`",
    ),
    ({"pruning_fn": torch_prune.RandomStructured}, "of type 'structured'"),
    ({"amount": "half"}, "`amount` should be an int, a float or a callable"),
    ({"amount": None}, "`amount` should be an int, a float or a callable"),
    ({"verbose": 3}, r"must be any of \(0, 1, 2\)"),
]

ADDED = [
    ({"sparsity": 1.0}, r"`sparsity` should be a fraction in \[0, 1\)"),
    ({"sparsity": 90}, r"`sparsity` should be a fraction in \[0, 1\) such as 0.9, got 90"),
    ({"schedule": "cubik"}, "did you mean 'cubic'"),
    ({"default_targets": "all"}, "`default_targets` should be one of"),
    ({"every": "often"}, "every: expected epochs like 3 or steps like '500s', got 'often'"),
    ({"start": 2, "end": "500s"}, "must all be epochs or all be steps"),
    ({"start": 5, "end": 5}, "end: expected a moment after the start"),
    (
        {
            "pruning_fn": "ln_structured",
            "use_global_unstructured": False,
            "pruning_dim": 0,
            "pruning_norm": "two",
        },
        "expected a number, 'inf', 'fro' or 'nuc', got 'two'",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG + ADDED)
def test_wrong_arguments(arguments, message):
    with pytest.raises(MisconfigurationException, match=message):
        ModelPruning(**{"pruning_fn": "l1_unstructured", **arguments})


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_the_reference_refuses_the_same(arguments, message):
    with pytest.raises(MisconfigurationException):
        Reference(**{"pruning_fn": "l1_unstructured", **arguments})


def test_signature_begins_with_the_references():
    reference = list(inspect.signature(Reference).parameters.values())
    ours = list(inspect.signature(ModelPruning).parameters.values())
    described = [[(p.name, p.kind, p.default) for p in ps] for ps in (reference, ours)]
    # The one difference: where the axes are named, `pruning_fn` can be left out.
    assert described[1][0] == (*described[0][0][:2], "l1_unstructured")
    assert described[0][0][2] is inspect.Parameter.empty
    assert described[1][1 : len(reference)] == described[0][1:]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(reference) :])
    assert len(reference) == 13


def test_public_methods_are_the_references():
    def public(cls: type) -> set[str]:
        return {name for name in vars(cls) if not name.startswith("_")}

    everything = {name for cls in ModelPruning.__mro__ for name in public(cls)}
    assert public(Reference) <= everything
    parameters = inspect.signature(ModelPruning.sanitize_parameters_to_prune).parameters
    assert [(p.name, p.default) for p in parameters.values()] == [
        ("pl_module", inspect.Parameter.empty),
        ("parameters_to_prune", ()),
        ("parameter_names", ()),
    ]


class TestSanitize:
    @pytest.mark.parametrize("names", [(), ("weight",), ("bias",)])
    def test_default_set_equals_the_references(self, names):
        model = Tiny()
        ours = ModelPruning.sanitize_parameters_to_prune(model, (), names)
        reference = Reference.sanitize_parameters_to_prune(model, (), names)
        assert ours == reference

    @pytest.mark.parametrize(
        ("sites", "message"),
        [
            (lambda m: [(nn.Linear(2, 2), "weight")], "don't exist in the model.*Linear"),
            (lambda m: [(m.hidden, "scale")], r"missing parameters: \['scale'\]"),
            (lambda m: [(m, "weight")], "don't exist in the model"),
            (lambda m: [(m.hidden,)], "list of tuple with 2 elements"),
            (lambda m: [("hidden", "weight")], "list of tuple with 2 elements"),
            (lambda m: {"hidden": "weight"}, "list of tuple with 2 elements"),
        ],
    )
    def test_refused(self, sites, message):
        model = Tiny()
        with pytest.raises(MisconfigurationException, match=message):
            ModelPruning.sanitize_parameters_to_prune(model, sites(model))

    def test_refused_when_a_fit_starts(self):
        with pytest.raises(MisconfigurationException, match="don't exist in the model"):
            fit(Tiny(), ModelPruning("l1_unstructured", [(nn.Linear(2, 2), "weight")]))


def test_include_without_match_names_the_closest():
    with pytest.raises(MisconfigurationException, match=r"'hiden.weight'.*hidden\.weight"):
        fit(Tiny(), ModelPruning("l1_unstructured", include=["hiden.weight"]))


def test_pruning_outside_a_fit_is_refused():
    with pytest.raises(MisconfigurationException, match=r"during `trainer\.fit`"):
        ModelPruning("l1_unstructured").apply_pruning(0.5)


def test_make_pruning_permanent_removes_torchs_reparametrisation():
    layer = torch_prune.l1_unstructured(nn.Linear(4, 4), "weight", amount=6)
    pruned = layer.weight == 0
    ModelPruning("l1_unstructured").make_pruning_permanent(nn.Sequential(layer))
    assert isinstance(layer.weight, nn.Parameter)
    assert torch.equal(layer.weight == 0, pruned)
    assert not torch_prune.is_pruned(layer)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what that package calls
def test_a_subclass_goes_into_the_cli_of_the_older_package(tmp_path, monkeypatch):
    older = pytest.importorskip("pytorch_lightning")
    from pytorch_lightning.cli import LightningCLI
    from pytorch_lightning.demos.boring_classes import BoringModel

    class Pruning(ModelPruning, older.Callback):
        pass

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["main.py"])
    monkeypatch.setattr(sys.modules[__name__], "Pruning", Pruning, raising=False)
    Pruning.__qualname__ = "Pruning"
    cli = LightningCLI(
        BoringModel,
        run=False,
        args=[
            f"--trainer.callbacks+={__name__}.Pruning",
            "--trainer.callbacks.amount=0.5",
            "--trainer.logger=false",
            "--seed_everything=false",
        ],
    )
    (callback,) = [it for it in cli.trainer.callbacks if isinstance(it, ModelPruning)]
    assert type(callback) is Pruning
    assert callback.amount == 0.5
