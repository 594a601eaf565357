from __future__ import annotations

import io

import pytest
import saved
import torch
from rich.console import Console

from prunetool.reports import render_table, report_on
from prunetool.reports.compare import compare
from prunetool.reports.rendering.files import plain_text
from prunetool.reports.rendering.table import render_comparison

LONG = "model.encoder.layers[11].feed_forward.experts[7].down_projection.weight_matrix_of_it"


def lines(text):
    return [line.rstrip() for line in text.splitlines()]


def test_layers_and_both_totals(tmp_path):
    table = render_table(report_on(saved.save_masked(tmp_path / "a.ckpt")))

    found = [" ".join(line.split()) for line in plain_text(table).splitlines()]
    assert found[0] == "layer shape parameters zeros sparsity pattern mask"
    assert found[2:] == [
        "fc.weight 2x3 6 4 66.67 % elements yes",
        "fc.bias 2 2 1 50.00 % elements",
        "blocks[0].weight 2x2 4 0 0.00 % -",
        "",
        "pruned set 1 tensor 6 4 66.67 %",
        "whole model 3 tensors 12 5 41.67 %",
    ]


def test_totals_of_a_selection_do_not_claim_the_whole_model(tmp_path):
    report = report_on(saved.save_masked(tmp_path / "a.ckpt"), include=["fc.*"])

    assert lines(plain_text(render_table(report)))[-1].startswith("all selected  2 tensors")


@pytest.fixture
def long_names(tmp_path):
    weights = {LONG: torch.ones(512, 256, 3, 3), "b": torch.tensor([[0.0, 1.0]])}
    return report_on(saved.save_lightning(tmp_path / "a.ckpt", weights))


def on_terminal(table, width):
    text = io.StringIO()
    Console(file=text, width=width, force_terminal=True, color_system=None).print(table)
    return text.getvalue().splitlines()


def test_long_names_are_folded_on_a_terminal_and_never_cut(long_names):
    shown = on_terminal(render_table(long_names), 80)

    assert max(len(line) for line in shown) <= 80
    column = shown[0].index("shape")
    rows = shown[2 : next(i for i, line in enumerate(shown) if line.startswith("b "))]
    assert "".join(line[:column].strip() for line in rows) == LONG
    assert "512x256x3x3" in rows[0]
    assert "1179648" in rows[0]
    assert "…" not in "".join(shown)


def test_long_names_are_whole_in_a_pipe(long_names):
    assert LONG in plain_text(render_table(long_names))


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
