from __future__ import annotations

import saved
import torch

from prunetool.reports import render_table, report_on
from prunetool.reports.compare import compare
from prunetool.reports.rendering.files import plain_text
from prunetool.reports.rendering.table import render_comparison


def lines(text):
    return [line.rstrip() for line in text.splitlines()]


def test_layers_and_both_totals(tmp_path):
    table = render_table(report_on(saved.save_masked(tmp_path / "a.ckpt")))

    found = [" ".join(line.split()) for line in plain_text(table).splitlines()]
    assert found[0] == (
        "layer shape parameters zeros sparsity pattern dead dtype bytes sparse bytes mask"
    )
    assert found[2:] == [
        "fc.weight 2x3 6 4 66.67 % elements 0+1 float32 24 24 yes",
        "fc.bias 2 2 1 50.00 % elements float32 8 8",
        "blocks[0].weight 2x2 4 0 0.00 % - float32 16 16",
        "",
        "pruned set 1 tensor 6 4 66.67 % 1 24 24",
        "whole model 3 tensors 12 5 41.67 % 1 48 48",
    ]


def test_totals_of_a_selection_do_not_claim_the_whole_model(tmp_path):
    report = report_on(saved.save_masked(tmp_path / "a.ckpt"), include=["fc.*"])

    assert lines(plain_text(render_table(report)))[-1].startswith("all selected  2 tensors")


def test_modules(tmp_path):
    table = render_table(report_on(saved.save_masked(tmp_path / "a.ckpt")), depth=1)

    found = [" ".join(line.split()) for line in plain_text(table).splitlines()]
    assert found[0] == "module tensors parameters zeros sparsity dead bytes sparse bytes"
    assert found[2:4] == [
        "fc 2 tensors 8 5 62.50 % 1 32 32",
        "blocks[0] 1 tensor 4 0 0.00 % 0 16 16",
    ]
    assert found[-1] == "whole model 3 tensors 12 5 41.67 % 1 48 48"


def test_a_comparison(tmp_path):
    one = report_on(saved.save_lightning(tmp_path / "a.ckpt", {"[w]": torch.eye(2)}))
    two = report_on(saved.save_lightning(tmp_path / "b.ckpt", {"[w]": torch.zeros(2, 3)}))
    text = plain_text(render_comparison(compare(one, two)))

    found = [" ".join(line.split()) for line in text.splitlines()]
    assert found[0] == "layer parameters first second difference regrown pruned change"
    assert found[2:] == [
        "[w] 4/6 50.00 % 100.00 % +50.00 % other shape - -",
        "",
        "pruned set 4/6 50.00 % 100.00 % +50.00 % - - -",
        "whole model 4/6 50.00 % 100.00 % +50.00 % - - -",
    ]
