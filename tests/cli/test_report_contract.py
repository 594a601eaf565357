"""What scripts rely on: the JSON of ``report``, to the last key, and its exit codes."""

from __future__ import annotations

import json
import math

import pytest
import torch
from commandline import invoke

# By hand: w has 3 zeros of 6 (one row and one element), b one of 2, none of the rest.
OLD = {
    "w": torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 6.0]]),
    "b": torch.tensor([0.0, 1.0]),
    "gone": torch.ones(1, 2, dtype=torch.float64),
    "other": torch.ones(2, 2),
}
NEW = {
    "w": torch.tensor([[1.0, 2.5, 7.0], [0.0, 0.0, 0.0]]),
    "b": torch.tensor([0.0, math.nan]),
    "new": torch.zeros(1, 2, dtype=torch.float16),
    "other": torch.ones(2, 3),
}


@pytest.fixture
def prunetool(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, weights in (("old.pt", OLD), ("new.pt", NEW)):
        torch.save(weights, name)
    return lambda *arguments: invoke(monkeypatch, capsys, "report", *arguments)


REPORT = """\
{
  "schema": 1,
  "source": {
    "path": "old.pt",
    "format": "state_dict",
    "masks": null
  },
  "total": {
    "parameters": 14,
    "zeros": 4,
    "sparsity": 0.2857142857142857,
    "prunable": {
      "parameters": 12,
      "zeros": 3,
      "sparsity": 0.25,
      "bytes": 56,
      "sparse_bytes": 56,
      "dead_channels": 0,
      "macs": null,
      "effective_macs": null
    },
    "bytes": 64,
    "sparse_bytes": 64,
    "dead_channels": 0,
    "macs": null,
    "effective_macs": null
  },
  "layers": [
    {
      "name": "w",
      "shape": [
        2,
        3
      ],
      "dtype": "float32",
      "parameters": 6,
      "zeros": 3,
      "sparsity": 0.5,
      "masked": false,
      "pattern": "elements",
      "bytes": 24,
      "sparse_bytes": 24,
      "dead_channels": [
        0,
        0
      ],
      "prunable": true,
      "macs": null,
      "effective_macs": null
    },
    {
      "name": "b",
      "shape": [
        2
      ],
      "dtype": "float32",
      "parameters": 2,
      "zeros": 1,
      "sparsity": 0.5,
      "masked": false,
      "pattern": "elements",
      "bytes": 8,
      "sparse_bytes": 8,
      "dead_channels": null,
      "prunable": false,
      "macs": null,
      "effective_macs": null
    }
  ]
}
"""


def test_the_json_of_a_report(prunetool):
    """Of two of the layers: the others are in the totals of the comparison."""
    result = prunetool("old.pt", "--format", "json")

    content = json.loads(result.out)
    content["layers"] = content["layers"][:2]
    assert json.dumps(content, indent=2) + "\n" == REPORT
    assert result.out == json.dumps(json.loads(result.out), indent=2) + "\n"


def row(first, second, difference, change):
    return {
        "counts": [
            None if it is None else dict(zip(("parameters", "zeros", "sparsity"), it, strict=True))
            for it in (first, second)
        ],
        "difference": difference,
        **dict(zip(("regrown", "newly_pruned", "largest_change"), change, strict=True)),
    }


UNKNOWN = (None, None, None)
TOTAL = row((14, 4, 4 / 14), (16, 6, 6 / 16), 6 / 16 - 4 / 14, (1, 1, "infinite"))
COMPARISON = {
    "schema": 1,
    "sources": [
        {"path": "old.pt", "format": "state_dict", "masks": None},
        {"path": "new.pt", "format": "state_dict", "masks": None},
    ],
    "total": {
        "counts": TOTAL["counts"],
        "difference": TOTAL["difference"],
        "prunable": row((12, 3, 0.25), (14, 5, 5 / 14), 5 / 14 - 0.25, (1, 1, 0.5)),
        "regrown": 1,
        "newly_pruned": 1,
        "largest_change": "infinite",
    },
    "layers": [
        {"name": "w", **row((6, 3, 0.5), (6, 3, 0.5), 0.0, (1, 1, 0.5))},
        {"name": "b", **row((2, 1, 0.5), (2, 1, 0.5), 0.0, (0, 0, "infinite"))},
        {"name": "gone", **row((2, 0, 0.0), None, None, UNKNOWN)},
        {"name": "other", **row((4, 0, 0.0), (6, 0, 0.0), 0.0, UNKNOWN)},
        {"name": "new", **row(None, (2, 2, 1.0), None, UNKNOWN)},
    ],
}


def test_the_json_of_a_comparison(prunetool):
    result = prunetool("old.pt", "new.pt", "--format", "json", "--quiet")

    assert result.err == ""
    assert result.out == json.dumps(COMPARISON, indent=2) + "\n"


MET, UNMET, BAD = 0, 1, 2


@pytest.mark.parametrize(
    ("arguments", "code", "errors"),
    [
        (["old.pt"], MET, []),
        (["old.pt", "new.pt"], MET, []),
        (["old.pt", "--require", "sparsity==25%"], MET, []),
        (["old.pt", "new.pt", "--require", "w:regrown<=1", "--require", "zeros==5"], MET, []),
        (
            ["old.pt", "--require", "zeros>3", "--require", "sparsity>=0.5"],
            UNMET,
            [
                "requirement not met: zeros>3: the pruned set has zeros 3",
                "requirement not met: sparsity>=0.5: the pruned set has sparsity 0.250000 "
                "(3 of 12)",
            ],
        ),
        (
            ["old.pt", "new.pt", "--require", "layer [bw]:regrown==0", "--require", "zeros<5"],
            UNMET,
            [
                "requirement not met: layer [bw]:regrown==0: w has regrown 1",
                "requirement not met: zeros<5: the pruned set has zeros 5",
            ],
        ),
        (
            ["old.pt", "new.pt", "--require", "[bw]:largest_change<=1e9"],
            UNMET,
            ["requirement not met: [bw]:largest_change<=1e9: [bw] has largest_change inf"],
        ),
        (
            ["old.pt", "--require", "zeros>3", "--require", "regrown==0"],
            BAD,
            [
                "error: --require regrown==0: compares two checkpoints, got one; put the older one "
                "before it, such as in 'prunetool report OLD NEW'"
            ],
        ),
        (
            ["old.pt", "--require", "zeros>3", "--require", "v:zeros>3"],
            BAD,
            [
                "error: --require v:zeros>3: v: matches no tensor; the first of 4 is 'w'",
            ],
        ),
        (
            ["old.pt", "new.pt", "--require", "zeros>9", "--require", "o*:regrown==0"],
            BAD,
            [
                "error: --require o*:regrown==0: other is 2x2 in old.pt and 2x3 here, so that "
                "nothing is known of its change; name other layers with a glob, or leave it out "
                "with --exclude"
            ],
        ),
        (
            ["old.pt", "new.pt", "--exclude", "other", "--require", "regrown==0"],
            BAD,
            [
                "error: --require regrown==0: new is not in old.pt, so that nothing is known of "
                "its change; name other layers with a glob, or leave it out with --exclude"
            ],
        ),
        (
            ["none.pt", "--require", "zeroes>3"],
            BAD,
            [
                "error: --require zeroes>3: expected a metric before > (sparsity, density, zeros, "
                "nonzeros, parameters, pattern, bytes, sparse_bytes, dead_channels, macs, "
                "effective_macs, regrown, newly_pruned, largest_change) such as in "
                "'sparsity>=0.9', got 'zeroes' at character 1; did you mean 'zeros' or 'nonzeros'?"
            ],
        ),
        (
            ["none.pt"],
            BAD,
            ["error: none.pt: no such file or folder; did you mean new.pt or old.pt?"],
        ),
    ],
)
def test_exit_codes(arguments, code, errors, prunetool):
    result = prunetool(*arguments, "--quiet")

    assert result.code == code
    assert result.err.splitlines() == errors
    assert (result.out == "") is (code == BAD)


def test_what_is_not_compared_is_noted(prunetool):
    result = prunetool("old.pt", "new.pt")

    assert result.err.splitlines() == [
        "old.pt: 1 only there: gone",
        "new.pt: 1 only there: new",
        "1 of another shape, so not compared: other 2x2 and 2x3",
    ]
    assert "other 4/6 0.00 % 0.00 % +0.00 % other shape - -" in " ".join(result.out.split())
