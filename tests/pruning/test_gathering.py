from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from prunetool.pruning.criteria import Criterion
from prunetool.pruning.gathering import Gathered
from prunetool.pruning.targets import Target, all_sites, as_targets

SALIENCY, MOVEMENT = Criterion.SALIENCY, Criterion.MOVEMENT


def target(name: str, *values: float) -> Target:
    return Target(name, nn.Parameter(torch.tensor(values)), ())


def with_gradient(one: Target, *values: float) -> None:
    one.parameter.grad = torch.tensor(values)


def sums(gathered: Gathered, one: Target) -> list[float] | None:
    found = gathered.of(one)
    return None if found is None else found.tolist()


@pytest.mark.parametrize(
    ("criterion", "first", "second"),
    [
        # |w g|: 2*3, 1*4, 0*9; then 2*1, 1*2, 0*1 more.
        (SALIENCY, [6.0, 4.0, 0.0], [8.0, 6.0, 0.0]),
        # - w g: -(-2*3), -(1*4), 0; then -(-2*-1), -(1*-2), 0 more.
        (MOVEMENT, [6.0, -4.0, 0.0], [4.0, -2.0, 0.0]),
    ],
)
def test_steps_add_up(criterion: Criterion, first: list[float], second: list[float]) -> None:
    one, gathered = target("w", -2.0, 1.0, 0.0), Gathered(criterion)
    assert gathered.of(one) is None
    with_gradient(one, 3.0, 4.0, 9.0)
    gathered.step([one])
    assert sums(gathered, one) == first
    with_gradient(one, -1.0, -2.0, 1.0)
    gathered.step([one])
    assert sums(gathered, one) == second


def test_after_an_event_saliency_starts_anew_and_movement_goes_on() -> None:
    for criterion, expected in ((SALIENCY, [3.0]), (MOVEMENT, [-9.0])):
        one, gathered = target("w", 3.0), Gathered(criterion)
        with_gradient(one, 2.0)
        gathered.step([one])
        gathered.event()
        with_gradient(one, 1.0)
        gathered.step([one])
        assert sums(gathered, one) == expected


@pytest.mark.parametrize("criterion", [Criterion.MAGNITUDE, Criterion.RANDOM])
def test_criteria_without_gradients_gather_nothing(criterion: Criterion) -> None:
    one, gathered = target("w", 3.0), Gathered(criterion)
    with_gradient(one, 2.0)
    gathered.step([one])
    assert gathered.of(one) is None
    assert gathered.state() == {}


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_step_that_a_gradient_scaler_skips_adds_nothing_to_any_tensor(bad: float) -> None:
    one, two, gathered = target("a", 3.0, 1.0), target("b", 1.0), Gathered(SALIENCY)
    with_gradient(one, 2.0, 1.0)
    with_gradient(two, 5.0)
    gathered.step([one, two])
    with_gradient(one, 2.0, bad)
    gathered.step([one, two])
    assert sums(gathered, one) == [6.0, 1.0]
    assert sums(gathered, two) == [5.0]


def test_a_tensor_without_a_gradient_is_left_out() -> None:
    one, frozen, gathered = target("a", 3.0), target("b", 1.0), Gathered(MOVEMENT)
    with_gradient(one, 2.0)
    gathered.step([one, frozen])
    assert sums(gathered, one) == [-6.0]
    assert gathered.of(frozen) is None
    gathered.step([frozen])
    gathered.step([])
    assert gathered.of(frozen) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_gathered_in_single(dtype: torch.dtype) -> None:
    parameter = nn.Parameter(torch.full((2,), 300.0, dtype=dtype))
    one, gathered = Target("w", parameter, ()), Gathered(SALIENCY)
    exact = float(parameter[0].detach()) ** 2
    for _ in range(3):
        parameter.grad = parameter.detach().clone()
        gathered.step([one])  # 90 000 is more than float16 holds
    assert sums(gathered, one) == [3 * exact, 3 * exact]
    found = gathered.of(one)
    assert found is not None
    assert found.dtype == torch.float32


def test_double_precision_stays_double() -> None:
    parameter = nn.Parameter(torch.tensor([1.0 + 2**-40], dtype=torch.float64))
    one, gathered = Target("w", parameter, ()), Gathered(SALIENCY)
    parameter.grad = torch.ones(1, dtype=torch.float64)
    gathered.step([one])
    assert sums(gathered, one) == [1.0 + 2**-40]


def test_sparse_gradients_count_as_the_dense_ones_that_they_are() -> None:
    embedding = nn.Embedding(4, 2, sparse=True)
    with torch.no_grad():
        embedding.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]))
    one, gathered = Target("w", embedding.weight, ()), Gathered(MOVEMENT)
    embedding(torch.tensor([1, 3, 1])).sum().backward()  # row 1 twice: not coalesced
    assert embedding.weight.grad is not None
    assert embedding.weight.grad.is_sparse
    gathered.step([one])
    assert sums(gathered, one) == [[0.0, 0.0], [-6.0, -8.0], [0.0, 0.0], [-7.0, -8.0]]
    assert embedding.weight.grad.is_sparse  # left as it was


def trained(
    criterion: Criterion, steps: int
) -> tuple[Gathered, Sequence[Target], dict[str, Tensor]]:
    """Train a real network; sum up by hand what autograd says, element by element."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.ReLU(), nn.Linear(64, 3))
    model[0].to(memory_format=torch.channels_last)
    targets = as_targets(model, all_sites(model))
    gathered = Gathered(criterion)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    by_hand = {name: [0.0] * p.numel() for name, p in model.named_parameters()}
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(5, 2, 6, 6)).square().mean().backward()
        for name, p in model.named_parameters():
            assert p.grad is not None
            pairs = zip(p.detach().flatten().tolist(), p.grad.flatten().tolist(), strict=True)
            for i, (w, g) in enumerate(pairs):
                by_hand[name][i] += abs(w * g) if criterion is SALIENCY else -w * g
        gathered.step(targets)
        optimizer.step()
    shaped = {
        name: torch.tensor(by_hand[name]).view(p.shape) for name, p in model.named_parameters()
    }
    return gathered, targets, shaped


@pytest.mark.parametrize("criterion", [SALIENCY, MOVEMENT])
def test_sums_over_a_training_are_those_of_loops_over_autograds_gradients(
    criterion: Criterion,
) -> None:
    gathered, targets, by_hand = trained(criterion, steps=4)
    assert len(targets) == 4
    for one in targets:
        found = gathered.of(one)
        assert found is not None
        torch.testing.assert_close(found, by_hand[one.name], rtol=1e-5, atol=1e-8)


def test_the_state_goes_on_where_it_was_saved(tmp_path) -> None:
    one, two = target("a", 3.0), target("b", 1.0)
    gathered, again = Gathered(MOVEMENT), Gathered(MOVEMENT)
    with_gradient(one, 2.0)
    gathered.step([one, two])
    torch.save(gathered.state(), tmp_path / "state.pt")
    again.load(torch.load(tmp_path / "state.pt", weights_only=True), [one, two])
    for side in (gathered, again):
        side.step([one, two])
    assert sums(again, one) == sums(gathered, one) == [-12.0]
    assert again.of(two) is None


def test_a_loaded_state_is_a_copy_and_holds_known_names_alone() -> None:
    one, gathered = target("a", 3.0), Gathered(MOVEMENT)
    saved = {"a": torch.tensor([5.0]), "another model's": torch.tensor([1.0])}
    gathered.load(saved, [one])
    with_gradient(one, 2.0)
    gathered.step([one])
    assert saved["a"].tolist() == [5.0]
    assert {name: value.tolist() for name, value in gathered.state().items()} == {"a": [-1.0]}


def test_weights_and_gradients_are_only_read() -> None:
    one, gathered = target("a", 3.0, -1.0), Gathered(SALIENCY)
    with_gradient(one, 2.0, -4.0)
    before = copy.deepcopy((one.parameter.data, one.parameter.grad))
    gathered.step([one])
    assert torch.equal(one.parameter.data, before[0])
    assert one.parameter.grad is not None
    assert torch.equal(one.parameter.grad, before[1])
    found = gathered.of(one)
    assert found is not None
    assert not found.requires_grad
