from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunetool.checkpoints.lazy import PIECE
from prunetool.checkpoints.sparse.patterns import Patterns


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(1, 40),
    st.sampled_from([0.02, 0.2, 0.6]),
    st.integers(0, 2**31),
)
def test_empty_slices_are_found_whatever_the_pieces(shape, piece, density, seed):
    generator = torch.Generator().manual_seed(seed)
    stored = torch.rand(shape, generator=generator) < density
    piece = max(piece, stored.numel() // 200)
    patterns = Patterns(shape)
    patterns.groups = []  # they are for pieces of their own size

    for start in range(0, stored.numel(), piece):
        patterns.see(stored.reshape(-1)[start : start + piece], start)

    assert patterns.stored == int(stored.sum())
    found = {way.mask_shape: (way.elements, way.kept.tolist()) for way in patterns.slices}
    assert found == expected_slices(stored)


def expected_slices(stored):
    ways = [(dim,) for dim in range(stored.dim())]
    if stored.dim() > 2 and min(stored.shape[:2]) > 1:
        ways.append((0, 1))
    expected = {}
    for dims in ways:
        mask_shape = tuple(size if dim in dims else 1 for dim, size in enumerate(stored.shape))
        count = torch.Size(mask_shape).numel()
        others = [dim for dim in range(stored.dim()) if dim not in dims]
        if others and 1 < count < stored.numel():
            kept = stored.any(dim=others).reshape(-1)
            if not kept.all():
                expected[mask_shape] = (stored.numel() // count, kept.tolist())
    return expected


def groups(stored):
    patterns = Patterns(stored.shape)
    for start in range(0, stored.numel(), patterns.piece):
        patterns.see(stored.reshape(-1)[start : start + patterns.piece], start)
    return patterns.groups


def test_groups_lie_along_the_second_dim():
    two = torch.tensor([[1, 0, 1, 0, 0, 0, 1, 1]] * 3).bool()
    assert groups(two) == [(2, 4), (4, 8)]
    assert groups(two[:, :4]) == [(2, 4)]
    assert groups(torch.eye(8).bool()) == [(2, 4), (4, 8), (1, 4)]
    assert groups(torch.tensor([[1, 1, 1, 0, 0, 0, 1, 0]]).bool()) == [(4, 8)]
    assert groups(two.t()) == []  # 3 neighbours
    assert groups(two[:, :, None, None].expand(3, 8, 3, 3)) == [(2, 4), (4, 8)]
    assert groups(torch.zeros(3, 6).bool()) == []
    assert groups(torch.zeros(8).bool()) == []
    assert groups(torch.zeros(0, 8).bool()) == []


def test_pieces_hold_whole_groups():
    assert Patterns([4, 8, 3, 3]).piece % (8 * 9) == 0
    assert Patterns([4, 6]).piece == PIECE
    assert Patterns([2, 8, PIECE // 2]).groups == []  # eight of them would be more than a piece
