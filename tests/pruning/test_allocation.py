from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.pruning.allocation import Room, erk, most_at, uniform

Shape = tuple[int, ...]


def rooms(
    shapes: list[Shape], lost: list[int] | None = None, most: list[int] | None = None
) -> list[Room]:
    """Rooms whose units are elements."""
    lost, most = lost or [0] * len(shapes), most or [prod(shape) for shape in shapes]
    return [Room(s, prod(s), g, m) for s, g, m in zip(shapes, lost, most, strict=True)]


def test_open_units_are_those_that_are_neither_gone_nor_held() -> None:
    assert Room((4, 5), units=20, lost=3, most=15).open == 12


@pytest.mark.parametrize(
    ("max_sparsity", "units", "prunable", "expected"),
    [
        (1.0, 7, 7, 7),
        (1.0, 8, 4, 4),  # 2:4
        (0.5, 8, 4, 4),
        (0.4, 8, 4, 3),
        (0.5, 7, 7, 3),  # 3.5 of 7: four would be too sparse
        (0.29, 100, 100, 29),  # 0.29 * 100 is 28.999999999999996
        (0.07, 100, 100, 7),  # 0.07 * 100 is 7.000000000000001
        (0.57, 10**9, 10**9, 570_000_000),
        (1 - 0.9, 100, 100, 10),  # 0.09999999999999998: a density of 0.9 lets 10 go
        (1 - 0.7, 10, 10, 3),  # 0.30000000000000004
        (0.0, 5, 5, 0),
        (0.9, 0, 0, 0),
    ],
)
def test_the_most_that_may_go_of_a_tensor(
    max_sparsity: float, units: int, prunable: int, expected: int
) -> None:
    assert most_at(max_sparsity, units, prunable) == expected


@settings(max_examples=300, deadline=None)
@given(data=st.data(), units=st.integers(1, 10**6))
def test_a_bound_written_as_a_share_lets_exactly_that_share_go(
    data: st.DataObject, units: int
) -> None:
    count = data.draw(st.integers(0, units), label="count")
    assert most_at(count / units, units, units) == count
    assert most_at(1 - (units - count) / units, units, units) == count


class TestUniform:
    def test_every_tensor_gives_the_same_share(self) -> None:
        assert uniform(rooms([(4, 5), (10,), (30,)]), 30) == [10, 5, 15]

    def test_more_in_all_never_takes_back_what_a_tensor_has_lost(self) -> None:
        # In proportion alone the third would have 2 of 10 but only 1 of 11.
        shapes: list[Shape] = [(6,), (6,), (2,)]
        assert uniform(rooms(shapes), 10) == [4, 4, 2]
        assert uniform(rooms(shapes), 11) == [5, 5, 1]
        assert uniform(rooms(shapes, lost=[4, 4, 2]), 11) == [5, 4, 2]

    @pytest.mark.parametrize(
        ("sizes", "total", "lost", "expected"),
        [
            ([4, 4], 4, [0, 0], [2, 2]),
            ([4, 4], 4, [4, 0], [4, 0]),
            ([4, 4], 5, [4, 0], [4, 1]),
            ([10, 10, 10], 15, [9, 0, 0], [9, 3, 3]),
            ([10, 10, 10], 16, [9, 0, 0], [9, 4, 3]),
            ([10, 10, 10], 16, [9, 5, 0], [9, 5, 2]),
            ([4, 4], 6, [4, 4], [4, 4]),  # more has gone already: nothing comes back
        ],
    )
    def test_tensors_that_have_lost_more_than_their_share_keep_it(
        self, sizes: list[int], total: int, lost: list[int], expected: list[int]
    ) -> None:
        assert uniform(rooms([(size,) for size in sizes], lost=lost), total) == expected

    def test_what_a_bound_holds_the_others_give(self) -> None:
        # Half of 40 with at most 2 of the first: 18 of the other 30, as 1 to 2.
        assert uniform(rooms([(10,), (10,), (20,)], most=[2, 10, 20]), 20) == [2, 6, 12]

    @settings(max_examples=200, deadline=None)
    @given(data=st.data(), sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6))
    def test_any_start_is_levelled_as_far_as_it_can_be(
        self, data: st.DataObject, sizes: list[int]
    ) -> None:
        gone = [data.draw(st.integers(0, size)) for size in sizes]
        total = data.draw(st.integers(sum(gone), sum(sizes)), label="total")
        shares = uniform(rooms([(size,) for size in sizes], lost=gone), total)
        assert sum(shares) == total
        assert all(g <= share <= size for g, share, size in zip(gone, shares, sizes, strict=True))
        # One level explains all: a unit less is below it for whoever gained, and a unit more is
        # above it for whoever could still give.
        below = [Fraction(s - 1, n) for g, s, n in zip(gone, shares, sizes, strict=True) if s > g]
        above = [Fraction(s + 1, n) for s, n in zip(shares, sizes, strict=True) if s < n]
        assert not below or not above or max(below) < min(above)


def rigl(shapes: list[Shape], sparsity: Fraction) -> list[Fraction]:
    """Densities by the procedure of Evci et al. 2020 (the ERK initialisation of RigL).

    A layer's density is ``eps * sum(shape) / prod(shape)``. ``eps`` is solved for so that the
    kept weights sum up; layers whose density would exceed 1 are made dense and ``eps`` is solved
    for again among the others, until none does.
    """
    raw = [Fraction(sum(shape), prod(shape)) for shape in shapes]
    sizes = [prod(shape) for shape in shapes]
    dense: set[int] = set()
    while True:
        # sum over dense of n + eps * sum over sparse of raw n = (1 - sparsity) * sum of n
        kept = (1 - sparsity) * sum(sizes) - sum(sizes[i] for i in dense)
        sparse = [i for i in range(len(shapes)) if i not in dense]
        divisor = sum((raw[i] * sizes[i] for i in sparse), Fraction(0))
        if not divisor:
            return [Fraction(1)] * len(shapes)
        eps = kept / divisor
        above = max(raw[i] for i in sparse)
        if above * eps <= 1:
            return [Fraction(1) if i in dense else eps * r for i, r in enumerate(raw)]
        dense |= {i for i in sparse if raw[i] == above}


# By hand, each with the arithmetic; kept = elements - gone, density = kept / elements.
BY_HAND = {
    # LeNet-300-100 without biases, 784-300-100-10, at 90 % sparsity: 266200 elements, 26620 kept.
    # Sums of the shapes: 1084, 400, 110. A share of level * sum is kept of each.
    # First try, all sparse: level = 26620 / (1084 + 400 + 110) = 26620 / 1594 = 16.7001255.
    #   kept 18102.936, 6680.050, 1837.014 - but the last has 1000 only: it is dense.
    # Again: level = 25620 / 1484 = 17.2641509; kept 18714.340, 6905.660, 1000.
    #   Whole parts 18714 + 6905 + 1000 = 26619; the one missing goes to the larger fraction, .660.
    # Densities 18714/235200 = 0.079566, 6906/30000 = 0.2302, 1.
    "LeNet-300-100": (
        [(300, 784), (100, 300), (10, 100)],
        Fraction(9, 10),
        [18714, 6906, 1000],
        [0.079566, 0.2302, 1.0],
    ),
    # Two convolutions and a matrix at 50 %: elements 6*3*3*3 = 162, 8*6*3*3 = 432, 10*8 = 80; 674
    # in all, 337 kept. Sums 15, 20, 18. Level = 337 / 53 = 6.358491: kept 95.377, 127.170, 114.453
    #   but the matrix has 80: dense. Again: level = 257 / 35 = 7.342857: kept 110.143, 146.857, 80.
    #   Whole parts 110 + 146 + 80 = 336; the missing one goes to .857.
    # Densities 110/162 = 0.679012, 147/432 = 0.340278, 1.
    "convolutions": (
        [(6, 3, 3, 3), (8, 6, 3, 3), (10, 8)],
        Fraction(1, 2),
        [110, 147, 80],
        [0.679012, 0.340278, 1.0],
    ),
    # Two layers become dense one after the other, at 52 %: elements 1600, 24, 12 and 4; 1640 in
    # all, 0.48 * 1640 = 787.2, so 787 kept. Sums 80, 10, 7, 4.
    # Level = 787 / 101 = 7.792: kept 623.4, 77.9, 54.5, 31.2: the small ones hold 24, 12 and 4.
    # Again: level = (787 - 40) / 80 = 9.3375: kept 747 of 1600.
    # Densities 747/1600 = 0.466875, 1, 1, 1.
    "small layers": (
        [(40, 40), (4, 6), (3, 4), (2, 2)],
        Fraction(853, 1640),
        [747, 24, 12, 4],
        [0.466875, 1.0, 1.0, 1.0],
    ),
}


class TestErk:
    @pytest.mark.parametrize("name", BY_HAND)
    def test_densities_computed_by_hand(self, name: str) -> None:
        shapes, sparsity, kept, densities = BY_HAND[name]
        total = round(sparsity * sum(map(prod, shapes)))
        gone = erk(rooms(shapes), total)
        assert [prod(s) - g for s, g in zip(shapes, gone, strict=True)] == kept
        achieved = [1 - g / prod(s) for s, g in zip(shapes, gone, strict=True)]
        assert achieved == pytest.approx(densities, abs=1e-6)

    @pytest.mark.parametrize("name", BY_HAND)
    def test_densities_by_hand_are_those_of_the_formula(self, name: str) -> None:
        shapes, sparsity, kept, _ = BY_HAND[name]
        expected = [float(d * prod(s)) for d, s in zip(rigl(shapes, sparsity), shapes, strict=True)]
        assert kept == pytest.approx(expected, abs=1)

    @settings(max_examples=300, deadline=None)
    @given(
        data=st.data(),
        shapes=st.lists(
            st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6
        ),
    )
    def test_any_layers_get_the_densities_of_rigl(
        self, data: st.DataObject, shapes: list[Shape]
    ) -> None:
        elements = sum(map(prod, shapes))
        total = data.draw(st.integers(0, elements), label="total")
        gone = erk(rooms(shapes), total)
        assert sum(gone) == total
        densities = rigl(shapes, Fraction(total, elements))
        for shape, lost, density in zip(shapes, gone, densities, strict=True):
            assert abs(prod(shape) - lost - density * prod(shape)) < 1

    def test_vectors_stay_dense_as_long_as_any(self) -> None:
        # A density of level * n / n for the bias, of level * 20 / 100 for the matrix.
        assert erk(rooms([(10, 10), (10,)]), 55) == [55, 0]
        assert erk(rooms([(10, 10), (10,)]), 80) == [80, 0]  # level 1: 20 and 10 are kept
        assert erk(rooms([(10, 10), (10,)]), 95) == [90, 5]  # level 0.5: 10 and 5

    def test_densities_are_those_of_the_elements_where_units_are_channels(self) -> None:
        # 8 channels of (8, 4), 4 of (4, 2): densities level * 12/32 and level * 6/8, so channels
        # kept are level * 3 and level * 3; 6 kept is 3 of each.
        two = [Room((8, 4), 8, 0, 8), Room((4, 2), 4, 0, 4)]
        assert erk(two, 6) == [5, 1]

    def test_what_a_bound_holds_the_others_give(self) -> None:
        # LeNet above: at most 80 % of the first may go, so 47040 are kept.
        shapes: list[Shape] = [(300, 784), (100, 300), (10, 100)]
        bounded = rooms(shapes, most=[188160, 30000, 1000])
        # Half of 266200 is kept: 1084 : 400 of 132100 beside the dense 1000, but the second has
        # 30000 only; so it is dense too and the first keeps 102100.
        assert erk(bounded, 133100) == [133100, 0, 0]
        # 49840 kept: 47040 are bound, 2800 as 400 to 110: 2196.08 and 603.92.
        assert erk(bounded, 266200 - 49840) == [188160, 27804, 396]
        assert erk(bounded, 188160 + 31000) == [188160, 30000, 1000]

    def test_what_is_gone_does_not_come_back(self) -> None:
        shapes: list[Shape] = [(10, 10), (10,)]
        assert erk(rooms(shapes, lost=[0, 8]), 55) == [47, 8]
        assert erk(rooms(shapes, lost=[60, 8]), 55) == [60, 8]

    @settings(max_examples=200, deadline=None)
    @given(
        data=st.data(),
        shapes=st.lists(
            st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple), min_size=1, max_size=5
        ),
    )
    @pytest.mark.parametrize("share", [uniform, erk])
    def test_growing_totals_are_met_exactly_within_the_bounds(
        self, share: object, data: st.DataObject, shapes: list[Shape]
    ) -> None:
        most = [data.draw(st.integers(0, prod(shape))) for shape in shapes]
        totals = data.draw(st.lists(st.integers(0, sum(most)), max_size=5).map(sorted))
        gone = [0] * len(shapes)
        for total in totals:
            shares = share(rooms(shapes, lost=gone, most=most), total)  # type: ignore[operator]
            assert sum(shares) == total
            assert all(g <= s <= high for g, s, high in zip(gone, shares, most, strict=True))
            gone = shares


def test_an_empty_tensor_takes_no_part() -> None:
    assert uniform(rooms([(0, 3), (4,)]), 2) == [0, 2]
    assert erk(rooms([(0, 3), (4,)]), 2) == [0, 2]
