from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prunetool.pruning.rewind import EarlyWeights, resampled
from prunetool.pruning.targets import Target, all_sites, as_targets


def targets_of(model: nn.Module) -> list[Target]:
    return as_targets(model, all_sites(model))


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def train(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)


def test_early_weights_stay_while_the_live_ones_change() -> None:
    model = network()
    targets = targets_of(model)
    expected = {target.name: target.parameter.tolist() for target in targets}
    early = EarlyWeights.of(targets)
    train(model)
    assert {target.name: early.value(target).tolist() for target in targets} == expected
    assert {name: tensor.tolist() for name, tensor in early.tensors().items()} == expected


def test_going_back_works_again_and_again() -> None:
    model = network()
    targets = targets_of(model)
    early = EarlyWeights.of(targets)
    first = {target.name: target.parameter.detach().clone() for target in targets}
    for _ in range(3):
        train(model)
        for target in targets:
            with torch.no_grad():
                target.parameter.copy_(early.value(target))
            assert torch.equal(target.parameter, first[target.name])


def test_no_storage_is_shared_with_live_or_loaded_tensors() -> None:
    model = network()
    targets = targets_of(model)
    loaded = {target.name: target.parameter.detach() for target in targets}
    for early in (EarlyWeights.of(targets), EarlyWeights(loaded)):
        kept = {tensor.untyped_storage().data_ptr() for tensor in early.tensors().values()}
        live = {target.parameter.untyped_storage().data_ptr() for target in targets}
        assert len(kept) == len(targets)
        assert kept & live == set()
        assert not any(tensor.requires_grad for tensor in early.tensors().values())


def test_membership_is_by_name() -> None:
    early = EarlyWeights({"0.weight": torch.ones(2)})
    assert "0.weight" in early
    assert "0.bias" not in early


def test_the_memory_format_is_kept() -> None:
    early = EarlyWeights({"conv": torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)})
    assert early.tensors()["conv"].is_contiguous(memory_format=torch.channels_last)


def values(drawn: dict[str, Tensor]) -> dict[str, list]:
    return {name: tensor.tolist() for name, tensor in drawn.items()}


def test_new_values_are_those_of_newly_built_modules_under_the_drawn_seed() -> None:
    model = network()
    train(model)
    drawn = resampled(targets_of(model), generator=torch.Generator().manual_seed(3))
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(3)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        expected = dict(network().named_parameters())
    assert values(drawn) == values(expected)


def test_the_same_generator_seed_draws_alike_and_the_next_draw_differs() -> None:
    targets = targets_of(network())
    generator = torch.Generator().manual_seed(3)
    first, second = (values(resampled(targets, generator=generator)) for _ in range(2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)  # what the global generator holds does not matter
        again = values(resampled(targets, generator=torch.Generator().manual_seed(3)))
    assert first == again
    assert first["0.weight"] != second["0.weight"]


def test_live_modules_and_the_global_generator_are_not_touched() -> None:
    model = network()
    model[1](torch.randn(5, 4))  # moves the running statistics, which a reset would put back
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    drawn = resampled(targets_of(model), generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), state)
    after = model.state_dict()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    for tensor in drawn.values():
        tensor.fill_(7.0)
    assert torch.equal(model[0].weight, before["0.weight"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpus_generator_is_not_touched() -> None:
    model = network().cuda()
    state = torch.cuda.get_rng_state()
    resampled(targets_of(model), generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.cuda.get_rng_state(), state)


class Plain(nn.Module):
    """A module that cannot reset itself."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))
        self.linear = nn.Linear(2, 2)


def test_what_cannot_be_reset_is_missing() -> None:
    drawn = resampled(targets_of(Plain()), generator=torch.Generator().manual_seed(3))
    assert sorted(drawn) == ["linear.bias", "linear.weight"]


def test_a_tied_tensor_is_drawn_once_by_its_first_module() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    drawn = resampled(targets_of(model), generator=torch.Generator().manual_seed(3))
    assert sorted(drawn) == ["0.bias", "0.weight", "1.bias"]
