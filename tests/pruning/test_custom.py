from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune
from torch.nn.utils.prune import BasePruningMethod

from prunetool.pruning.custom import prune_with
from prunetool.pruning.masks import MaskSet
from prunetool.pruning.targets import Target


class EveryOther(BasePruningMethod):
    """Every second of the elements that remain; takes no amount."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


class LargestFirst(BasePruningMethod):
    """The ``amount`` largest weights of those that remain."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        mask = default_mask.clone()
        mask.view(-1)[t.view(-1).topk(round(self.amount * t.numel())).indices] = 0
        return mask


class Draws(BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        self.amount = amount

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask * (torch.rand(t.shape) >= self.amount)


class Restores(BasePruningMethod):
    """Tries to bring everything back."""

    PRUNING_TYPE = "global"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return torch.ones_like(default_mask)


class Fails(BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        torch.rand(3)
        raise LookupError("from the user's own method")


def start(*tensors: Tensor) -> tuple[list[Target], MaskSet]:
    masks = MaskSet()
    targets = [Target(f"w{i}", nn.Parameter(tensor), ()) for i, tensor in enumerate(tensors)]
    for target in targets:
        masks.add(target.name, target.parameter)
    return targets, masks


def event(
    method: type[BasePruningMethod],
    targets: list[Target],
    masks: MaskSet,
    amount: float = 0.5,
    seed: int = 0,
) -> list[list]:
    prune_with(method, targets, masks, amount, generator=torch.Generator().manual_seed(seed))
    for target in targets:
        masks.zero_(target.name, target.parameter)
    return [masks.kept(target.name).int().tolist() for target in targets]


def test_a_method_sees_all_tensors_as_one_vector_of_what_remains() -> None:
    targets, masks = start(torch.ones(3), torch.ones(2, 2))
    assert event(EveryOther, targets, masks) == [[0, 1, 0], [[1, 0], [1, 0]]]
    # Positions 1, 3 and 5 remain: the first and the third of them go.
    assert event(EveryOther, targets, masks) == [[0, 0, 0], [[1, 0], [0, 0]]]


def test_the_amount_is_handed_on_to_a_constructor_that_takes_it() -> None:
    targets, masks = start(torch.tensor([1.0, 4.0, 3.0]), torch.tensor([[5.0, 2.0], [0.0, 9.0]]))
    assert event(LargestFirst, targets, masks, 0.3) == [[1, 1, 1], [[0, 1], [1, 0]]]
    assert event(LargestFirst, targets, masks, 0.6) == [[1, 0, 0], [[0, 0], [1, 0]]]


def test_the_vector_is_row_major_whatever_the_memory_format() -> None:
    weight = torch.arange(8.0).view(1, 2, 2, 2).to(memory_format=torch.channels_last)
    targets, masks = start(weight)
    assert event(LargestFirst, targets, masks, 0.25) == [[[[[1, 1], [1, 1]], [[1, 1], [0, 0]]]]]
    assert event(EveryOther, targets, masks) == [[[[[0, 1], [0, 1]], [[0, 1], [0, 0]]]]]
    assert masks.pruned("w0").is_contiguous(memory_format=torch.channels_last)


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=3),
    amounts=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    method=st.sampled_from([EveryOther, LargestFirst]),
    seed=st.integers(0, 2**32),
)
def test_masks_are_those_of_global_unstructured(
    shapes: list[list[int]], amounts: list[float], method: type[BasePruningMethod], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(shape, generator=generator) for shape in shapes]
    targets, masks = start(*(weight.clone() for weight in weights))
    modules = [nn.ParameterDict({"weight": nn.Parameter(weight)}) for weight in weights]
    for amount in amounts:
        torch_prune.global_unstructured(
            [(module, "weight") for module in modules],
            pruning_method=method,
            **({"amount": amount} if method is LargestFirst else {}),
        )
        expected = [module.weight_mask.int().tolist() for module in modules]
        assert event(method, targets, masks, amount) == expected


def test_a_random_method_chooses_alike_from_the_same_generator() -> None:
    chosen = []
    for global_seed, seed in [(1, 5), (2, 5), (2, 6)]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(global_seed)
            chosen.append(event(Draws, *start(torch.ones(40)), 0.5, seed=seed))
    assert chosen[0] == chosen[1]
    assert chosen[0] != chosen[2]


def test_successive_events_of_a_random_method_draw_anew() -> None:
    generator = torch.Generator().manual_seed(0)
    chosen = []
    for _ in range(2):
        targets, masks = start(torch.ones(40))
        prune_with(Draws, targets, masks, 0.5, generator=generator)
        chosen.append(masks.kept("w0").tolist())
    assert chosen[0] != chosen[1]


@pytest.mark.parametrize("method", [Draws, Fails])
def test_the_global_generator_is_put_back(method: type[BasePruningMethod]) -> None:
    targets, masks = start(torch.ones(40))
    before = torch.get_rng_state()
    if method is Fails:
        with pytest.raises(LookupError, match="from the user's own method"):
            event(method, targets, masks)
        assert masks.count("w0") == 0
    else:
        event(method, targets, masks)
        assert masks.count("w0") > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_a_method_cannot_bring_back_what_is_pruned() -> None:
    targets, masks = start(torch.ones(4))
    assert event(EveryOther, targets, masks) == [[0, 1, 0, 1]]
    assert event(Restores, targets, masks) == [[0, 1, 0, 1]]


def test_weights_and_gradients_are_not_touched() -> None:
    targets, masks = start(torch.ones(4))
    prune_with(EveryOther, targets, masks, 0.5, generator=torch.Generator())
    assert targets[0].parameter.tolist() == [1.0, 1.0, 1.0, 1.0]
    assert targets[0].parameter.requires_grad
    assert targets[0].parameter.grad is None
