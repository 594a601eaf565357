from __future__ import annotations

import pytest
import torch

from prunetool.pruning.patterns import Channels, Elements, NOfM

T, F = True, False


def test_elements_are_units_in_row_major_order() -> None:
    pruned = torch.tensor([[T, F, F], [F, F, T]])
    assert Elements().units((2, 3)) == 6
    assert Elements().gone(pruned).tolist() == [T, F, F, F, F, T]
    assert Elements().spread(torch.tensor([F, T, F, F, F, F]), (2, 3)).tolist() == [
        [F, T, F],
        [F, F, F],
    ]


def test_elements_of_another_memory_format_keep_their_row_major_positions() -> None:
    pruned = torch.zeros(1, 2, 2, 2, dtype=torch.bool)
    pruned[0, 0, 0, 1] = pruned[0, 1, 0, 0] = True
    laid_out = pruned.to(memory_format=torch.channels_last)
    assert Elements().gone(laid_out).tolist() == [F, T, F, F, T, F, F, F]


def test_a_channel_is_gone_when_all_of_its_elements_are() -> None:
    pruned = torch.tensor([[T, T, T], [T, F, T], [F, F, T]])
    assert Channels(0).gone(pruned).tolist() == [T, F, F]
    assert Channels(1).gone(pruned).tolist() == [F, F, T]
    assert Channels(-1).gone(pruned).tolist() == [F, F, T]


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


@pytest.mark.parametrize(
    ("pattern", "shape", "prunable"),
    [
        (Elements(), (2, 3), 6),
        (Channels(0), (2, 3), 2),
        (Channels(-1), (2, 3), 3),
        (NOfM(2, 4), (3, 8), 12),
        (NOfM(1, 4), (3, 8), 18),
        (NOfM(7, 8), (3, 8), 3),
        (NOfM(2, 4), (0, 4), 0),
    ],
)
def test_how_many_units_can_go_at_most(
    pattern: Elements | Channels, shape: tuple[int, ...], prunable: int
) -> None:
    assert pattern.prunable(shape) == prunable


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 4), (5, 4), (-1, 4), (1, 1), (0, 0)])
def test_patterns_that_keep_nothing_or_everything_are_refused(n: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"^{n}:{m}: expected N:M with 1 <= N < M, such as 2:4"):
        NOfM(n, m)


class TestNOfM:
    def test_its_units_are_elements(self) -> None:
        pattern = NOfM(2, 4)
        assert pattern.units((3, 8)) == 24
        assert pattern.gone(torch.tensor([[T, F], [F, T]])).tolist() == [T, F, F, T]
        assert str(pattern) == "2:4"

    @pytest.mark.parametrize(("n", "m", "sparsity"), [(2, 4, 0.5), (1, 4, 0.75), (4, 8, 0.5)])
    def test_the_sparsity_of_the_full_pattern(self, n: int, m: int, sparsity: float) -> None:
        assert NOfM(n, m).sparsity == sparsity

    @pytest.mark.parametrize(
        ("shape", "input_dim", "reason"),
        [
            ((3, 8), 1, None),
            ((3, 8, 3, 3), 1, None),
            ((8, 3, 3), 0, None),
            ((8,), 1, "2:4 needs an input dimension, got shape (8,)"),
            ((), 1, "2:4 needs an input dimension, got shape ()"),
            ((8, 6), 1, "the input dimension of shape (8, 6) is 6, not a multiple of 4"),
            ((6, 8), 0, "the input dimension of shape (6, 8) is 6, not a multiple of 4"),
            (
                (8, 3, 4, 4),
                1,
                "the input dimension of shape (8, 3, 4, 4) is 3, not a multiple of 4",
            ),
        ],
    )
    def test_a_misfit_is_explained(
        self, shape: tuple[int, ...], input_dim: int, reason: str | None
    ) -> None:
        assert NOfM(2, 4).misfit(shape, input_dim=input_dim) == reason

    def test_what_can_still_go_depends_on_where_the_gone_ones_lie(self) -> None:
        pruned = torch.tensor(
            [
                [F, F, F, F, T, F, F, F],  # 2 and 1 can go
                [T, T, F, F, T, T, T, T],  # none, and two more than allowed have gone
            ]
        )
        assert NOfM(2, 4).still_prunable(pruned, input_dim=1) == 3
        assert NOfM(1, 2).still_prunable(pruned, input_dim=0) == 2  # columns 2 and 3
        assert NOfM(1, 8).still_prunable(pruned, input_dim=1) == 6 + 1
