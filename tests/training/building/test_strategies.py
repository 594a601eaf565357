from __future__ import annotations

import lightning.pytorch as pl
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.strategies import ModelParallelStrategy

from prunetool.demos import DigitsClassifier, TinyTransformer
from prunetool.errors import OptionError
from prunetool.training.building.strategies import (
    require_all_sharded,
    require_sharding,
    strategy_for,
)
from prunetool.training.building.trees import Tree
from prunetool.training.options.options import from_values

TREE = Tree("lightning.pytorch")


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("fsdp", "--strategy fsdp: FSDP1 .*use --strategy fsdp2"),
        ("fsdp_cpu_offload", "--strategy fsdp_cpu_offload: FSDP1 "),
        ("deepspeed", "--strategy deepspeed: DeepSpeed .*use --strategy fsdp2"),
        ("deepspeed_stage_3_offload", "--strategy deepspeed_stage_3_offload: DeepSpeed "),
    ],
)
def test_what_cannot_be_pruned_under_is_refused_with_the_options(name, fragment):
    with pytest.raises(OptionError, match=fragment):
        from_values({"target": "net:Net", "strategy": name})


@pytest.mark.parametrize(
    ("name", "lightnings"),
    [
        ("auto", "auto"),
        ("ddp", "ddp"),
        ("ddp_spawn", "ddp"),
        ("ddp_fork_find_unused_parameters_true", "ddp_find_unused_parameters_true"),
    ],
)
def test_names_that_lightning_knows(name, lightnings):
    assert strategy_for(TREE, from_values({"target": "t", "strategy": name}).strategy) == lightnings


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
def test_fsdp2_is_of_the_models_own_lightning(package):
    strategy = strategy_for(Tree(package), "fsdp2")
    theirs = pytorch_lightning.strategies if package == "pytorch_lightning" else pl.strategies
    assert isinstance(strategy, theirs.ModelParallelStrategy)


def test_a_model_that_stays_whole_is_refused():
    require_sharding(TREE, DigitsClassifier(), "ddp")
    require_sharding(TREE, TinyTransformer(), "fsdp2")
    with pytest.raises(OptionError, match="DigitsClassifier does not shard itself; override"):
        require_sharding(TREE, DigitsClassifier(), "fsdp2")


def test_parameters_that_stay_whole_are_named():
    model = TinyTransformer()
    model.digits.requires_grad_(False)
    require_all_sharded(model, "ddp")
    with pytest.raises(OptionError, match=r"leaves 29 of 29 parameters whole \(positions.weight, "):
        require_all_sharded(model, "fsdp2")


def test_the_state_of_an_optimizer_that_has_not_stepped(monkeypatch):
    """Torch steps it, to have one; Adam would count that."""

    def as_torch_does(strategy, optimizer):
        optimizer.param_groups[0]["params"][0].grad = torch.zeros(2)
        optimizer.step()
        entry = next(iter(optimizer.state.values()))
        return {"state": {"weight": dict(entry)}, "param_groups": []}

    monkeypatch.setattr(ModelParallelStrategy, "optimizer_state", as_torch_does)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])
    strategy = strategy_for(TREE, "fsdp2")
    assert float(strategy.optimizer_state(optimizer)["state"]["weight"]["step"]) == 0
    assert not optimizer.state
    optimizer.step()
    assert float(strategy.optimizer_state(optimizer)["state"]["weight"]["step"]) == 2
    assert optimizer.state
