from __future__ import annotations

import pytest
import saved
import torch

from prunetool.reports import report_on
from prunetool.reports.ordering import Order, sort_layers


@pytest.mark.parametrize(
    ("order", "expected"), [("name", "abc"), ("size", "bca"), ("sparsity", "cab")]
)
def test_orders(order, expected, tmp_path):
    weights = {"c": torch.zeros(2), "a": torch.tensor([0.0, 1.0]), "b": torch.ones(3)}
    report = report_on(saved.save_lightning(tmp_path / "a.ckpt", weights))

    layers = sort_layers(report, Order(order)).layers

    assert "".join(layer.name for layer in layers) == expected
