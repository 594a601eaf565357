from __future__ import annotations

import pytest

from prunetool.checkpoints.sharded.nesting import nest


def test_dicts_and_lists_from_paths():
    items = [
        (("state", "fc.weight", "step"), 3),
        (("groups", 1, "lr"), 0.2),
        (("groups", 0, "lr"), 0.1),
        (("groups", 0, "extra"), {0: "kept as it is"}),
    ]

    assert nest(items) == {
        "state": {"fc.weight": {"step": 3}},
        "groups": [{"lr": 0.1, "extra": {0: "kept as it is"}}, {"lr": 0.2}],
    }
    assert nest([]) == {}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([(("a",), 1), (("a", "b"), 2)], "leads through a value"),
        ([(("a", "b"), 1), (("a",), 2)], "is there twice"),
        ([(("a", 10**9), 1)], r"a list with the indexes \[1000000000\]"),
        ([(("a", 0), 1), (("a", "b"), 2)], "a list with the indexes"),
    ],
)
def test_paths_that_do_not_fit(items, message):
    with pytest.raises(ValueError, match=message):
        nest(items)
