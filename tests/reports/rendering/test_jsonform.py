from __future__ import annotations

import json

import saved
import torch

from prunetool.reports import report_on, to_json
from prunetool.reports.compare import compare
from prunetool.reports.rendering.jsonform import comparison_to_json


def test_schema_1(tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")

    assert json.loads(to_json(report_on(path))) == {
        "schema": 1,
        "source": {"path": str(path), "format": "lightning", "masks": "prunetool"},
        "total": {
            "parameters": 12,
            "zeros": 5,
            "sparsity": 5 / 12,
            "prunable": {
                "parameters": 6,
                "zeros": 4,
                "sparsity": 4 / 6,
                "bytes": 24,
                "sparse_bytes": 24,
                "dead_channels": 1,
                "macs": None,
                "effective_macs": None,
            },
            "bytes": 48,
            "sparse_bytes": 48,
            "dead_channels": 1,
            "macs": None,
            "effective_macs": None,
        },
        "layers": [
            {
                "name": "fc.weight",
                "shape": [2, 3],
                "dtype": "float32",
                "parameters": 6,
                "zeros": 4,
                "sparsity": 4 / 6,
                "masked": True,
                "pattern": "elements",
                "bytes": 24,
                "sparse_bytes": 24,
                "dead_channels": [0, 1],
                "prunable": True,
                "macs": None,
                "effective_macs": None,
            },
            {
                "name": "fc.bias",
                "shape": [2],
                "dtype": "float32",
                "parameters": 2,
                "zeros": 1,
                "sparsity": 0.5,
                "masked": False,
                "pattern": "elements",
                "bytes": 8,
                "sparse_bytes": 8,
                "dead_channels": None,
                "prunable": False,
                "macs": None,
                "effective_macs": None,
            },
            {
                "name": "blocks[0].weight",
                "shape": [2, 2],
                "dtype": "float32",
                "parameters": 4,
                "zeros": 0,
                "sparsity": 0.0,
                "masked": False,
                "pattern": None,
                "bytes": 16,
                "sparse_bytes": 16,
                "dead_channels": [0, 0],
                "prunable": False,
                "macs": None,
                "effective_macs": None,
            },
        ],
    }


def test_modules(tmp_path):
    report = report_on(saved.save_masked(tmp_path / "a.ckpt"))
    content = json.loads(to_json(report, depth=1))

    assert list(content) == ["schema", "source", "total", "layers", "groups"]
    assert {**content, "groups": 0} == {**json.loads(to_json(report)), "groups": 0}
    fc, blocks = content["groups"]
    assert list(fc) == ["name", "layers", *content["total"]]
    assert (fc["name"], fc["layers"], fc["zeros"], fc["bytes"]) == ("fc", 2, 5, 32)
    assert fc["prunable"] == content["total"]["prunable"]
    assert (blocks["name"], blocks["prunable"]["parameters"]) == ("blocks[0]", 0)


def test_a_comparison(tmp_path):
    one = saved.save_lightning(tmp_path / "a.ckpt", {"w": torch.tensor([[0.0, 1.0]])})
    two = saved.save_lightning(tmp_path / "b.ckpt", {"v": torch.ones(1)})

    content = json.loads(comparison_to_json(compare(report_on(one), report_on(two))))

    unknown = {"regrown": None, "newly_pruned": None, "largest_change": None}
    count = {"parameters": 2, "zeros": 1, "sparsity": 0.5}
    assert content == {
        "schema": 1,
        "sources": [
            {"path": str(path), "format": "lightning", "masks": None} for path in (one, two)
        ],
        "total": {
            "counts": [count, {"parameters": 1, "zeros": 0, "sparsity": 0.0}],
            "difference": -0.5,
            "prunable": {
                "counts": [count, {"parameters": 0, "zeros": 0, "sparsity": 0.0}],
                "difference": None,  # an empty set has no sparsity to compare with
                **unknown,
            },
            **unknown,
        },
        "layers": [
            {"name": "w", "counts": [count, None], "difference": None, **unknown},
            {
                "name": "v",
                "counts": [None, {"parameters": 1, "zeros": 0, "sparsity": 0.0}],
                "difference": None,
                **unknown,
            },
        ],
    }
