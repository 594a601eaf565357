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


FORMS = {
    "contiguous": lambda t: t.contiguous(),
    "channels last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "transposed": lambda t: t.transpose(0, 3).contiguous().transpose(0, 3),
    "strided": lambda t: torch.cat([t, t], dim=3)[..., : t.shape[3]],
}
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def in_words(dtype: torch.dtype, form: str = "contiguous") -> tuple[MaskSet, torch.Tensor]:
    """A mask that steps use, and where it prunes."""
    generator = torch.Generator().manual_seed(0)
    where = torch.rand(2, 3, 4, 5, generator=generator) < 0.5
    parameter = nn.Parameter(FORMS[form](torch.ones(2, 3, 4, 5, dtype=dtype)))
    masks = MaskSet()
    masks.add("w", parameter)
    masks.prune("w", where)
    masks.zero_("w", parameter, every_step=True)
    assert torch.equal(parameter.detach(), (~where).to(dtype))
    return masks, where


def awkward(dtype: torch.dtype) -> torch.Tensor:
    values = torch.tensor([math.nan, math.inf, -math.inf, -0.0, -3.0, 0.1], dtype=dtype)
    return values.repeat(20).view(2, 3, 4, 5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_words_do_what_bits_do(dtype, form):
    masks, where = in_words(dtype, form)
    assert masks.in_words("w")
    for other in FORMS.values():
        for kind in DTYPES:
            tensor = other(awkward(kind))
            expected = tensor.clone().masked_fill_(where, 0)
            masks.zero_("w", tensor)
            torch.testing.assert_close(tensor, expected, rtol=0, atol=0, equal_nan=True)
            assert not tensor[where].signbit().any()
            assert torch.equal(tensor.signbit(), expected.signbit())


@pytest.mark.parametrize(("dtype", "size"), [(torch.bfloat16, 2), (torch.float32, 4)])
def test_words_take_the_place_of_bits(dtype, size):
    masks, where = in_words(dtype)
    assert masks.bytes_held("w") == size * where.numel()
    assert torch.equal(masks.pruned("w"), where)
    assert torch.equal(masks.kept("w"), ~where)
    assert masks.count("w") == int(where.sum())
    bits = MaskSet()
    bits.add("w", torch.ones(2, 3, 4, 5))
    bits.prune("w", where)
    assert bits.bytes_held("w") == where.numel()
    assert masks.packed()["w"]["bits"].equal(bits.packed()["w"]["bits"])


def test_an_event_goes_back_to_bits_and_the_next_step_to_words():
    masks, where = in_words(torch.float32)
    more = torch.zeros(2, 3, 4, 5, dtype=torch.bool)
    more[0] = True
    masks.prune("w", more)
    assert not masks.in_words("w")
    assert torch.equal(masks.pruned("w"), where | more)
    tensor = torch.ones(2, 3, 4, 5)
    masks.zero_("w", tensor, every_step=True)
    assert masks.in_words("w")
    assert torch.equal(tensor == 0, where | more)
    masks.put("w", more)
    assert not masks.in_words("w")
    assert torch.equal(masks.pruned("w"), more)
    assert masks.count("w") == 60


def test_put_in_another_layout_keeps_that_of_the_parameter():
    masks, where = in_words(torch.float32, "channels last")
    masks.put("w", ~where)
    assert masks.pruned("w").is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(masks.pruned("w"), ~where)


def test_nothing_pruned_takes_no_words():
    masks = pair()
    masks.zero_("b", torch.ones(4), every_step=True)
    assert masks.bytes_held("b") == 4


def test_adding_again_after_steps_keeps_what_is_pruned():
    masks, where = in_words(torch.float32)
    masks.add("w", torch.ones(2, 3, 4, 5, dtype=torch.float64))
    assert torch.equal(masks.pruned("w"), where)
    assert masks.bytes_held("w") == where.numel()


@pytest.mark.parametrize("coalesced", [True, False])
@pytest.mark.parametrize("words", [True, False])
def test_sparse_gradients(words, coalesced):
    masks = MaskSet()
    masks.add("rows", torch.ones(4, 2))
    masks.prune("rows", torch.tensor([[T, F], [F, F], [F, T], [T, T]]))
    masks.zero_("rows", torch.ones(4, 2), every_step=words)
    assert masks.in_words("rows") == words
    rows, values = torch.tensor([[2, 0, 2]]), torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    grad = torch.sparse_coo_tensor(rows, values, (4, 2), check_invariants=True)
    grad = grad.coalesce() if coalesced else grad
    masks.zero_("rows", grad, every_step=True)
    assert grad.is_sparse
    assert grad.to_dense().tolist() == [[0, 4], [0, 0], [6, 0], [0, 0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_raising_zeros_touches_nothing_else(dtype):
    masks, where = in_words(dtype)
    tensor = awkward(dtype).masked_fill_(where, 0)
    before = tensor.clone()
    masks.raise_zeros_("w", tensor, 2.0**-100)
    assert (tensor[where] == 2.0**-100).all()
    words = torch.int32 if dtype == torch.float32 else torch.int64
    assert torch.equal(tensor.view(words)[~where], before.view(words)[~where])


def test_zeros_are_not_raised_while_the_mask_is_bits():
    masks = pair()
    masks.prune("b", torch.tensor([T, F, F, F]))
    tensor = torch.zeros(4)
    masks.raise_zeros_("b", tensor, 1.0)
    assert tensor.tolist() == [0.0] * 4


@pytest.mark.parametrize("every_step", [True, False])
def test_a_tensor_on_another_device_than_the_mask(every_step):
    """The meta device stands for any: it computes shapes and refuses to mix with others."""
    masks, where = in_words(torch.float32)
    tensor = torch.empty(2, 3, 4, 5, device="meta")
    with pytest.raises(RuntimeError, match="device"):
        tensor.view(torch.int32).bitwise_and_(where.to(torch.int32))
    masks.zero_("w", tensor, every_step=every_step)
    assert tensor.is_meta
    assert torch.equal(masks.pruned("w"), where)
