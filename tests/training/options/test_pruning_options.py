from __future__ import annotations

import pytest

from prunetool.training.options.pruning_options import as_option


@pytest.mark.parametrize(
    ("message", "spelt"),
    [
        ("schedule: your function gave 2", "--schedule: your function gave 2"),
        ("`pruning_dim` is wrong", "--dim is wrong"),
        ("sparsity: 0.95 of 9 channels", "--sparsity: 0.95 of 9 channels"),
        (
            "`pattern` 2:4 does not fit a; leave it out (exclude), or set skip_unfit to leave",
            "--pattern 2:4 does not fit a; leave it out (--exclude), or set --skip-unfit to leave",
        ),
        ("nothing of an argument", "nothing of an argument"),
    ],
)
def test_arguments_are_named_as_options(message: str, spelt: str) -> None:
    assert as_option(message) == spelt
