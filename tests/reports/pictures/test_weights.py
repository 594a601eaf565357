from __future__ import annotations

import numpy as np
import pytest
import torch

from prunetool.pruning.histograms import count_values
from prunetool.reports.counting.counting import choose_parameters
from prunetool.reports.pictures import weights


def grid_of(tmp_path, values):
    torch.save({"w": values}, tmp_path / "w.pt")
    tensors = choose_parameters(tmp_path / "w.pt").tensors
    seen = weights.look_at(tensors, together={"w"}, pictured={"w"})
    assert torch.equal(seen.everything.codes, count_values(values).codes)
    return seen.grids["w"]


@pytest.mark.parametrize(
    ("shape", "matrix", "block"),
    [
        ((3, 5), (3, 5), (1, 1)),
        ((7,), (1, 7), (1, 1)),
        ((), (1, 1), (1, 1)),
        ((4, 3, 2, 2), (4, 12), (1, 1)),
        ((600, 11), (600, 11), (3, 1)),
        ((5, 400), (5, 400), (1, 2)),
        ((257, 770), (257, 770), (2, 3)),
    ],
)
def test_blocks_are_counted(tmp_path, shape, matrix, block):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(shape, generator=generator) * (torch.rand(shape) < 0.3)

    grid = grid_of(tmp_path, values)

    assert ((grid.rows, grid.columns), grid.block) == (matrix, block)
    flat = values.reshape(matrix).numpy() != 0
    (down, across), (height, width) = block, matrix
    expected = np.add.reduceat(
        np.add.reduceat(flat.astype(int), range(0, height, down), axis=0),
        range(0, width, across),
        axis=1,
    )
    assert np.array_equal(grid.kept.numpy(), expected)
    assert int(grid.sizes.sum()) == values.numel()
    assert grid.sizes.shape == grid.kept.shape
    assert bool((grid.kept <= grid.sizes).all())


def test_pieces_make_no_difference(tmp_path, monkeypatch):
    values = torch.arange(35.0).view(5, 7) % 3
    whole = grid_of(tmp_path, values).kept
    monkeypatch.setattr(weights, "_PIECE", 4)
    assert torch.equal(grid_of(tmp_path, values).kept, whole)


def test_only_what_belongs_together_is_added_up(tmp_path):
    torch.save({"a": torch.ones(2, 2), "b": torch.zeros(3)}, tmp_path / "ab.pt")
    tensors = choose_parameters(tmp_path / "ab.pt").tensors
    seen = weights.look_at(tensors, together={"a"}, pictured={"b"})
    assert (int(seen.everything.codes.sum()), seen.everything.zeros) == (4, 0)
    assert list(seen.grids) == list(seen.values) == ["b"]
    assert seen.values["b"].zeros == 3
