from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from prunetool.pruning.masks import MaskSet, unpacked

T, F = True, False


def pair() -> MaskSet:
    masks = MaskSet()
    masks.add("a", nn.Parameter(torch.ones(2, 3)))
    masks.add("b", nn.Parameter(torch.ones(4)))
    return masks


def test_a_new_mask_prunes_nothing() -> None:
    masks = pair()
    assert list(masks) == ["a", "b"]
    assert len(masks) == 2
    assert "a" in masks
    assert "c" not in masks
    assert masks.count("a") == 0
    assert masks.pruned("a").tolist() == [[F, F, F], [F, F, F]]
    assert masks.kept("b").tolist() == [T, T, T, T]


def test_masks_only_grow() -> None:
    masks = pair()
    masks.prune("a", torch.tensor([[T, F, F], [F, T, F]]))
    masks.prune("a", torch.tensor([[F, F, T], [F, T, F]]))
    assert masks.pruned("a").tolist() == [[T, F, T], [F, T, F]]
    assert masks.kept("a").tolist() == [[F, T, F], [T, F, T]]
    assert masks.count("a") == 3
    assert masks.count("b") == 0


def test_zeroing_is_in_place_and_clears_nan_and_infinity() -> None:
    masks = pair()
    masks.prune("b", torch.tensor([T, T, T, F]))
    weight = nn.Parameter(torch.tensor([math.nan, math.inf, -2.0, 3.0]))
    storage = weight.data_ptr()
    masks.zero_("b", weight)
    assert weight.tolist() == [0.0, 0.0, 0.0, 3.0]
    assert weight.data_ptr() == storage
    assert weight.requires_grad


def test_nothing_pruned_changes_nothing() -> None:
    masks = pair()
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    masks.zero_("b", weight)
    assert weight.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_a_mask_has_the_memory_format_of_its_parameter() -> None:
    masks = MaskSet()
    weight = torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)
    masks.add("conv.weight", nn.Parameter(weight))
    where = torch.zeros(2, 3, 4, 5, dtype=torch.bool)
    where[1, 2, 3, 4] = where[0, 1, 0, 0] = True
    masks.prune("conv.weight", where)
    pruned = masks.pruned("conv.weight")
    assert pruned.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(pruned, where)
    masks.zero_("conv.weight", weight)
    assert torch.equal(weight == 0, where)


def test_adding_again_keeps_what_is_pruned_and_takes_the_new_layout() -> None:
    masks = MaskSet()
    masks.add("conv.weight", torch.ones(2, 3, 4, 5))
    where = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    masks.prune("conv.weight", where)
    masks.add("conv.weight", torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last))
    assert masks.pruned("conv.weight").is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(masks.pruned("conv.weight"), where)
    assert masks.count("conv.weight") == int(where.sum())


def test_adding_again_with_another_shape_is_refused() -> None:
    masks = pair()
    with pytest.raises(ValueError, match=r"a: the mask has shape \(2, 3\), the parameter \(3, 2\)"):
        masks.add("a", torch.ones(3, 2))


def test_packed_masks_come_back_with_one_bit_for_each_kept_element() -> None:
    masks = pair()
    masks.prune("a", torch.tensor([[T, F, F], [F, T, F]]))
    packed = masks.packed()
    assert {name: entry["shape"] for name, entry in packed.items()} == {"a": [2, 3], "b": [4]}
    assert packed["a"]["bits"].tolist() == [0b101110]
    assert packed["b"]["bits"].tolist() == [0b1111]
    kept = unpacked(packed)
    assert {name: mask.tolist() for name, mask in kept.items()} == {
        "a": [[F, T, T], [T, F, T]],
        "b": [T, T, T, T],
    }


def test_bits_that_do_not_fit_are_refused_by_name() -> None:
    packed = pair().packed()
    packed["b"]["shape"] = [90]
    with pytest.raises(ValueError, match=r"^mask of b: expected 12 bytes"):
        unpacked(packed)
