from __future__ import annotations

import saved
import torch
from safetensors.torch import load_file

from prunetool.checkpoints.export import export
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.checkpoints.sparse.estimate import estimate_sparse_bytes
from prunetool.reports import report_on


def test_by_hand():
    def of(shape, nonzeros, dead=()):
        return estimate_sparse_bytes(shape, itemsize=4, nonzeros=nonzeros, dead_channels=dead)

    assert of((40, 50), 200, (0, 0)) == 200 * 4 + 2000 // 8
    assert of((40, 50), 2000, (0, 0)) == 8000  # nothing to gain
    assert of((40, 50), 1700, (0, 0)) == 7050
    assert of((40, 50), 1900, (0, 0)) == 8000  # two names cost more than that
    assert of((40, 50), 1000, (20, 0)) == 4000 + 5  # a bit for each row
    assert of((40, 50), 1000, (0, 25)) == 4000 + 7
    assert of((40, 50), 0, (40, 50)) == 1
    assert of((2000,), 200) == 200 * 4 + 250
    assert of((), 0) == 4
    assert of((0, 3), 0, (0, 0)) == 0
    assert of((2**16, 2**15), 0, (2**16, 2**15)) == 2**28  # not as one bit: too many free zeros


def test_what_an_export_writes(tmp_path):
    torch.manual_seed(0)
    rows, columns, scattered, filters = torch.rand(4, 60, 40) + 1
    rows[:30], columns[:, 10:] = 0, 0
    scattered[torch.rand(60, 40) < 0.9] = 0
    weights = {
        "rows": rows,
        "columns": columns,
        "scattered": scattered.half(),
        "filters": filters.reshape(60, 10, 2, 2) * (torch.arange(10) > 6).reshape(-1, 1, 1),
        "nothing": torch.zeros(40, 40),
        "dense": torch.ones(40, 40),
        "bias": torch.zeros(3),
    }
    path = saved.save_lightning(tmp_path / "a.ckpt", weights)
    layers = report_on(path).layers

    written = load_file(export(open_checkpoint(path), sparse=True).paths[0])

    assert {it.name: it.sparse_bytes for it in layers} == {
        name: sum(
            written[it].nbytes for it in (name, f"{name}.bits", f"{name}.values") if it in written
        )
        for name in weights
    }
    assert sum(it.sparse_bytes < it.bytes for it in layers) == 5
