from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from prunetool.pruning.pieces import piece_size, pieces

CPU = torch.device("cpu")
PIECE = piece_size(CPU)


def test_the_size_of_a_piece() -> None:
    # A few buffers of single precision fit into a core's cache; a launch costs more elsewhere.
    assert 2**12 <= piece_size(CPU) <= 2**20 < piece_size(torch.device("meta"))


def numbered(*shape: int) -> Tensor:
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).view(shape)


# Tensors of more than one piece in every layout, and small ones.
LAYOUTS = {
    "flat": numbered(PIECE + 1),
    "scalar": numbered(1)[0],
    "empty": torch.empty(0, 3),
    "matrix": numbered(700, 800),
    "transposed": numbered(700, 800).t(),
    "every second column": numbered(600, 1200)[:, ::2],
    "every second element": numbered(2 * PIECE + 6)[::2],
    "expanded row": numbered(800).expand(700, 800),
    "expanded scalar": torch.tensor(3.0).expand(700, 800),
    "rows longer than a piece": numbered(3, 2, PIECE + 5).transpose(1, 2),
    "one row": numbered(1, 600, 700).transpose(1, 2),
    "channels last": numbered(8, 9, 70, 70).to(memory_format=torch.channels_last),
    "permuted": numbered(40, 30, 20, 21).permute(3, 1, 0, 2),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_are_the_elements_in_row_major_order(layout: str) -> None:
    tensor = LAYOUTS[layout]
    parts = list(pieces(tensor))
    assert all(part.dim() == 1 and part.numel() <= PIECE for part in parts)
    joined = torch.cat(parts).numpy()
    assert np.array_equal(joined, np.ascontiguousarray(tensor.numpy()).reshape(-1))


@pytest.mark.parametrize("layout", ["flat", "matrix"])
def test_a_contiguous_tensor_is_not_copied(layout: str) -> None:
    tensor = LAYOUTS[layout]
    starts = [part.data_ptr() - tensor.data_ptr() for part in pieces(tensor)]
    assert starts == [i * PIECE * 4 for i in range(len(starts))]
