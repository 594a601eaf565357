from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from prunetool.pruning.criteria import Criterion
from prunetool.pruning.patterns import Channels, Elements, NOfM, Pattern
from prunetool.pruning.scores import NanScoresError
from prunetool.pruning.scoring import UnitScores, unit_scores
from prunetool.pruning.targets import Target

T, F = True, False
MAGNITUDE, RANDOM, SALIENCY, MOVEMENT = Criterion
WEIGHT = torch.tensor([[3.0, -4.0, 0.0, 1.0], [-1.0, 1.0, 1.0, -1.0]])
NOTHING = torch.zeros(2, 4, dtype=torch.bool)


def scored(
    criterion: Criterion,
    pattern: Pattern,
    *,
    weight: Tensor = WEIGHT,
    pruned: Tensor = NOTHING,
    gathered: Tensor | None = None,
    seed: int = 0,
) -> UnitScores:
    return unit_scores(
        criterion,
        pattern,
        Target("w", nn.Parameter(weight.clone()), ()),
        pruned,
        lost=int(pattern.gone(pruned).sum()),
        norm=2,
        gathered=gathered,
        generator=torch.Generator().manual_seed(seed),
    )


def values(units: UnitScores) -> list[float]:
    return torch.cat([piece.clone() for piece, _ in units.scores.pieces()]).tolist()


def taken(units: UnitScores) -> list[bool] | None:
    return None if units.scores.taken is None else units.scores.taken.view(-1).tolist()


def test_elements_score_their_magnitude_and_all_compete() -> None:
    units = scored(MAGNITUDE, Elements())
    assert values(units) == [3.0, 4.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert taken(units) is None
    assert units.staying is None


def test_what_is_gone_does_not_compete() -> None:
    pruned = torch.tensor([[F, T, F, F], [T, T, T, T]])
    assert taken(scored(MAGNITUDE, Elements(), pruned=pruned)) == [F, T, F, F, T, T, T, T]
    assert taken(scored(MAGNITUDE, Channels(0), pruned=pruned)) == [F, T]
    assert taken(scored(MAGNITUDE, Channels(1), pruned=pruned)) == [F, T, F, F]


@pytest.mark.parametrize(
    ("criterion", "dim", "expected"),
    [
        (MAGNITUDE, 0, [math.sqrt(26), 2.0]),
        (SALIENCY, 0, [math.sqrt(30), math.sqrt(4)]),
        (MOVEMENT, 0, [-2.0, 0.0]),  # sums, signs kept
        (MOVEMENT, -1, [2.0, -3.0, 4.0, -5.0]),
    ],
)
def test_channels_score_norms_or_sums(
    criterion: Criterion, dim: int, expected: list[float]
) -> None:
    gathered = torch.tensor([[1.0, -2.0, 3.0, -4.0], [1.0, -1.0, 1.0, -1.0]])
    units = scored(criterion, Channels(dim), gathered=gathered)
    assert values(units) == pytest.approx(expected)


def test_of_each_group_those_that_must_stay_do_not_compete() -> None:
    units = scored(MAGNITUDE, NOfM(2, 4))
    # 3 and 4 stay; of four equal ones the last two.
    expected = [T, T, F, F, F, F, T, T]
    assert taken(units) == expected
    assert units.staying is not None
    assert units.staying.tolist() == expected


def test_what_is_gone_of_a_group_is_taken_but_not_staying() -> None:
    pruned = torch.tensor([[T, F, F, F], [T, T, T, F]])
    units = scored(MAGNITUDE, NOfM(2, 4), pruned=pruned)
    # In the first group one more may go, the 0; in the second none may.
    assert taken(units) == [T, T, F, T, T, T, T, T]
    assert units.staying is not None
    assert units.staying.tolist() == [F, T, F, T, F, F, F, T]


def test_groups_are_ordered_by_signed_scores_where_the_criterion_has_a_sign() -> None:
    gathered = torch.tensor([[-9.0, 1.0, 2.0, -3.0], [1.0, 2.0, 3.0, 4.0]])
    units = scored(MOVEMENT, NOfM(2, 4), gathered=gathered)
    assert taken(units) == [F, T, T, F, F, F, T, T]


def test_a_group_with_a_nan_that_competes_is_refused() -> None:
    weight = WEIGHT.clone()
    weight[0, 1] = math.nan
    with pytest.raises(NanScoresError, match=r"^w: 1 of 8 scores are NaN"):
        scored(MAGNITUDE, NOfM(2, 4), weight=weight)
    pruned = torch.tensor([[F, T, F, F], [F, F, F, F]])
    assert taken(scored(MAGNITUDE, NOfM(2, 4), weight=weight, pruned=pruned))[:4] == [T, T, F, T]


class TestRandom:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_elements_draw_in_the_weights_dtype_and_the_largest_draw_goes(
        self, dtype: torch.dtype
    ) -> None:
        drawn = torch.rand(8, dtype=dtype, generator=torch.Generator().manual_seed(0))
        assert values(scored(RANDOM, Elements(), weight=WEIGHT.to(dtype))) == (-drawn).tolist()

    def test_channels_draw_in_the_default_dtype_and_the_smallest_draw_goes(self) -> None:
        drawn = torch.rand(4, generator=torch.Generator().manual_seed(0))
        assert values(scored(RANDOM, Channels(1), weight=WEIGHT.double())) == drawn.tolist()

    def test_only_what_is_left_draws(self) -> None:
        pruned = torch.tensor([[F, T, F, F], [T, T, T, F]])
        drawn = torch.rand(4, generator=torch.Generator().manual_seed(0))
        units = scored(RANDOM, Elements(), pruned=pruned)
        assert torch.tensor(values(units))[~pruned.view(-1)].tolist() == (-drawn).tolist()
        assert taken(units) == pruned.view(-1).tolist()

    def test_groups_of_n_of_m_keep_n(self) -> None:
        units = scored(RANDOM, NOfM(1, 4))
        assert units.staying is not None
        assert units.staying.view(2, 4).sum(1).tolist() == [1, 1]
        # The smallest draw stays, since the largest go first.
        drawn = torch.rand(8, generator=torch.Generator().manual_seed(0)).view(2, 4)
        assert units.staying.view(2, 4).int().argmax(1).tolist() == drawn.argmin(1).tolist()
