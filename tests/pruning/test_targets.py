from __future__ import annotations

import pytest
import torch
from torch import nn

from prunetool.pruning.targets import (
    Target,
    TargetSelectionError,
    all_sites,
    as_targets,
    filter_by_name,
    matrices,
)


class Tied(nn.Module):
    """Two linear layers share a weight, and the output layer shares the embedding's."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.first = nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.second.weight = self.first.weight
        self.head.weight = self.embed.weight


def brackets() -> nn.Module:
    """Names that look like globs: ``blocks[0].weight``."""
    model = nn.Module()
    for name in ("blocks[0]", "blocks[1]", "blocks0", "blocks2"):
        model.add_module(name, nn.Linear(2, 2))
    return model


def names(targets: list[Target]) -> list[str]:
    return [target.name for target in targets]


def default_of(model: nn.Module) -> list[Target]:
    return as_targets(model, matrices(model))


def test_every_site_of_a_tied_tensor_is_listed_in_model_order() -> None:
    model = Tied()
    assert all_sites(model) == [
        (model.embed, "weight"),
        (model.first, "weight"),
        (model.first, "bias"),
        (model.second, "weight"),
        (model.second, "bias"),
        (model.head, "weight"),
    ]


def test_a_tied_tensor_is_one_target_with_its_first_name_and_all_sites() -> None:
    model = Tied()
    for sites in ([(model.second, "weight")], [(model.second, "weight"), (model.first, "weight")]):
        assert as_targets(model, sites) == [
            Target(
                "first.weight",
                model.first.weight,
                ((model.first, "weight"), (model.second, "weight")),
            )
        ]


def test_a_module_used_twice_is_one_target() -> None:
    model = nn.Module()
    model.encoder = nn.Linear(2, 2)
    model.decoder = model.encoder
    assert names(as_targets(model, all_sites(model))) == ["encoder.weight", "encoder.bias"]


def test_targets_are_in_model_order_whatever_the_order_of_the_sites() -> None:
    model = Tied()
    sites = [(model.second, "bias"), (model.first, "bias"), (model.embed, "weight")]
    assert names(as_targets(model, sites)) == ["embed.weight", "first.bias", "second.bias"]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int8, torch.bool])
def test_a_dtype_that_cannot_be_pruned_is_named(dtype: torch.dtype) -> None:
    model = nn.Module()
    model.odd = nn.Parameter(torch.zeros(2, 2, dtype=dtype), requires_grad=False)
    with pytest.raises(TargetSelectionError, match=f"^odd: expected a floating-point.* {dtype}"):
        as_targets(model, [(model, "odd")])


def test_matrices_leave_out_normalisation_embeddings_biases_and_what_is_not_floating() -> None:
    model = nn.Module()
    model.conv = nn.Conv2d(1, 2, 3)
    model.batch = nn.BatchNorm2d(2)
    model.layer = nn.LayerNorm([4, 4])  # a weight of two dimensions
    model.rms = nn.RMSNorm([4, 4])
    model.group = nn.GroupNorm(1, 2)
    model.instance = nn.InstanceNorm2d(2, affine=True)
    model.embed = nn.Embedding(5, 4)
    model.bag = nn.EmbeddingBag(5, 4)
    model.linear = nn.Linear(4, 4)
    model.codes = nn.Parameter(torch.zeros(2, 2, dtype=torch.int8), requires_grad=False)
    model.table = nn.Parameter(torch.zeros(2, 2))
    assert set(names(default_of(model))) == {"conv.weight", "linear.weight", "table"}


def test_an_output_layer_tied_to_an_embedding_stays_out() -> None:
    model = Tied()
    assert names(default_of(model)) == ["first.weight"]
    model.head.weight = nn.Parameter(torch.zeros(5, 3))
    assert names(default_of(model)) == ["first.weight", "head.weight"]


def test_attention_and_recurrent_weights_take_part() -> None:
    model = nn.Module()
    model.attention = nn.MultiheadAttention(4, 2)
    model.lstm = nn.LSTM(4, 3, num_layers=2)
    assert names(default_of(model)) == [
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "lstm.weight_ih_l0",
        "lstm.weight_hh_l0",
        "lstm.weight_ih_l1",
        "lstm.weight_hh_l1",
    ]


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ([], [], ["first.weight"]),
        (["first.*"], [], ["first.weight"]),  # the bias is not in the default set
        (["first.bias"], [], ["first.bias"]),  # unless it is named
        (["*.bias"], [], ["first.bias", "second.bias"]),
        (["embed.*"], [], ["embed.weight"]),
        (["second.bias", "first.weight"], [], ["first.weight", "second.bias"]),
        (["*"], ["second.bias"], ["first.weight"]),
        # second.weight is the same tensor as first.weight: either name will do
        (["second.weight"], [], ["first.weight"]),
        (["*.bias", "*.weight"], ["second.*"], ["first.bias"]),
        ([], ["second.bias"], ["first.weight"]),  # excluding what is out anyway is no error
        (["embed.weight", "first.*"], ["first.*"], ["embed.weight"]),
        (["first.weigh?"], [], ["first.weight"]),
    ],
)
def test_names_that_match(include: list[str], exclude: list[str], expected: list[str]) -> None:
    model = Tied()
    found = filter_by_name(model, default_of(model), include=include, exclude=exclude)
    assert names(found) == expected


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        # a full name is meant as it stands; as a glob it would be blocks0.weight
        (["blocks[0].weight"], [], ["blocks[0].weight"]),
        (["blocks[[]?].weight"], [], ["blocks[0].weight", "blocks[1].weight"]),
        (["blocks[0-9].weight"], [], ["blocks0.weight", "blocks2.weight"]),
        (["blocks[2].weight", "*1].weight"], [], ["blocks[1].weight", "blocks2.weight"]),
        ([], ["blocks[0].weight"], ["blocks[1].weight", "blocks0.weight", "blocks2.weight"]),
        (["*"], ["*[[]*"], ["blocks0.weight", "blocks2.weight"]),
    ],
)
def test_brackets_in_names(include: list[str], exclude: list[str], expected: list[str]) -> None:
    model = brackets()
    found = filter_by_name(model, default_of(model), include=include, exclude=exclude)
    assert names(found) == expected


def test_matching_minds_the_case() -> None:
    model = Tied()
    with pytest.raises(TargetSelectionError, match=r"include 'First\.weight' matches no parameter"):
        filter_by_name(model, default_of(model), include=["First.weight"])


@pytest.mark.parametrize(
    ("include", "exclude", "message"),
    [
        (
            ["frist.weight"],
            [],
            "include 'frist.weight' matches no parameter; the closest names are first.weight",
        ),
        (
            ["first.*", "embedding.weight"],
            [],
            "include 'embedding.weight' matches no parameter; the closest names are embed.weight",
        ),
        ([], ["second.bais"], "exclude 'second.bais' .* the closest names are second.bias"),
        (
            ["zzzz"],
            [],
            "the closest names are embed.weight, first.weight, first.bias$",  # the first three
        ),
        (
            [],
            ["*"],
            r"nothing is left to prune with include=\[\] and exclude=\['\*'\]",
        ),
        (["*.bias"], ["first.*", "second.*"], r"nothing is left to prune with include=\['\*.bias'"),
    ],
)
def test_names_that_match_nothing(include: list[str], exclude: list[str], message: str) -> None:
    model = Tied()
    with pytest.raises(TargetSelectionError, match=message):
        filter_by_name(model, default_of(model), include=include, exclude=exclude)


def test_a_model_without_matrices_says_so() -> None:
    model = nn.BatchNorm1d(3)
    assert default_of(model) == []
    with pytest.raises(TargetSelectionError, match="no parameter to prune by default; name some"):
        filter_by_name(model, [])
    assert names(filter_by_name(model, [], include=["weight"])) == ["weight"]
