from __future__ import annotations

import csv
import io

import saved
import torch

from prunetool.reports import report_on
from prunetool.reports.compare import compare
from prunetool.reports.counting.changes import Change
from prunetool.reports.rendering.csvform import comparison_to_csv, to_csv


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_row_for_each_layer(tmp_path):
    weights = {'a,"b"|c': torch.tensor([[0.0, 1.0]]), "s": torch.tensor(0.0)}
    text = to_csv(report_on(saved.save_lightning(tmp_path / "a.ckpt", weights)))

    assert text.startswith(
        "name,shape,dtype,parameters,zeros,sparsity,masked,pattern,bytes,sparse_bytes,"
        "dead_channels_0,dead_channels_1,prunable,macs,effective_macs\n"
    )
    assert text.endswith("\n")
    assert read(text)[1:] == [
        [
            *('a,"b"|c', "1x2", "float32", "2", "1", "0.5", "false", "elements"),
            *("8", "8", "0", "1", "true", "", ""),
        ],
        [
            *("s", "", "float32", "1", "1", "1.0", "false", "elements"),
            *("4", "4", "", "", "false", "", ""),
        ],
    ]


def test_a_row_for_each_module(tmp_path):
    rows = read(to_csv(report_on(saved.save_masked(tmp_path / "a.ckpt")), depth=1))

    assert rows == [
        [
            *("name", "layers", "parameters", "zeros", "sparsity", "bytes", "sparse_bytes"),
            *("dead_channels", "macs", "effective_macs"),
        ],
        ["fc", "2", "8", "5", "0.625", "32", "32", "1", "", ""],
        ["blocks[0]", "1", "4", "0", "0.0", "16", "16", "0", "", ""],
    ]


def test_a_comparison(tmp_path):
    one = report_on(saved.save_lightning(tmp_path / "a.ckpt", {"w": torch.eye(2)}))
    two = report_on(
        saved.save_lightning(tmp_path / "b.ckpt", {"v": torch.ones(1), "w": torch.ones(2, 2)})
    )

    changes = {"w": Change(2, 0, 0.25)}

    assert read(comparison_to_csv(compare(one, two, changes))) == [
        [
            *("name", "first_parameters", "first_zeros", "first_sparsity"),
            *("second_parameters", "second_zeros", "second_sparsity", "difference"),
            *("regrown", "newly_pruned", "largest_change"),
        ],
        ["w", "4", "2", "0.5", "4", "0", "0.0", "-0.5", "2", "0", "0.25"],
        ["v", "", "", "", "1", "0", "0.0", "", "", "", ""],
    ]
