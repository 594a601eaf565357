from __future__ import annotations

import pytest
import torch

from prunetool.pruning.patterns import Channels, Elements

T, F = True, False


def test_elements_are_units_in_row_major_order() -> None:
    pruned = torch.tensor([[T, F, F], [F, F, T]])
    assert Elements().units((2, 3)) == 6
    assert Elements().remaining(pruned).tolist() == [F, T, T, T, T, F]
    assert Elements().spread(torch.tensor([F, T, F, F, F, F]), (2, 3)).tolist() == [
        [F, T, F],
        [F, F, F],
    ]


def test_elements_of_another_memory_format_keep_their_row_major_positions() -> None:
    pruned = torch.zeros(1, 2, 2, 2, dtype=torch.bool)
    pruned[0, 0, 0, 1] = pruned[0, 1, 0, 0] = True
    laid_out = pruned.to(memory_format=torch.channels_last)
    assert Elements().remaining(laid_out).tolist() == [T, F, T, T, F, T, T, T]


def test_a_channel_remains_while_one_of_its_elements_does() -> None:
    pruned = torch.tensor([[T, T, T], [T, F, T], [F, F, T]])
    assert Channels(0).remaining(pruned).tolist() == [F, T, T]
    assert Channels(1).remaining(pruned).tolist() == [T, T, F]
    assert Channels(-1).remaining(pruned).tolist() == [T, T, F]


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        (0, [[[T, T], [T, T], [T, T]], [[F, F], [F, F], [F, F]]]),
        (-2, [[[T, T], [F, F], [T, T]], [[T, T], [F, F], [T, T]]]),
        (2, [[[T, F], [T, F], [T, F]], [[T, F], [T, F], [T, F]]]),
    ],
)
def test_a_marked_channel_is_all_its_elements(dim: int, expected: list[object]) -> None:
    pattern = Channels(dim)
    marked = torch.tensor([T, F, T])[: pattern.units((2, 3, 2))]
    assert pattern.spread(marked, (2, 3, 2)).tolist() == expected


@pytest.mark.parametrize(("dim", "units"), [(0, 2), (1, 3), (2, 4), (-1, 4), (-3, 2)])
def test_channels_are_counted_along_their_dimension(dim: int, units: int) -> None:
    assert Channels(dim).units((2, 3, 4)) == units


@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (3, 4, 5, 6)])
def test_elements_fit_every_tensor(shape: tuple[int, ...]) -> None:
    assert Elements().misfit(shape) is None


@pytest.mark.parametrize(
    ("pattern", "shape", "reason"),
    [
        (Channels(0), (4, 3), None),
        (Channels(1), (4, 3), None),
        (Channels(-2), (4, 3), None),
        (Channels(0, matrices_only=True), (4, 3, 2), None),
        (Channels(0), (), "channels need a tensor of two or more dimensions, got shape ()"),
        (Channels(0), (4,), "channels need a tensor of two or more dimensions, got shape (4,)"),
        (Channels(2), (4, 3), "there is no dimension 2 in shape (4, 3)"),
        (Channels(-3), (4, 3), "there is no dimension -3 in shape (4, 3)"),
        (
            Channels(0, matrices_only=True),
            (4, 3),
            "the nuclear norm needs channels that are matrices, got shape (4, 3)",
        ),
    ],
)
def test_a_misfit_is_explained(
    pattern: Channels, shape: tuple[int, ...], reason: str | None
) -> None:
    assert pattern.misfit(shape) == reason
