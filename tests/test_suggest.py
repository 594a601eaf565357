from __future__ import annotations

import pytest

from prunetool.suggest import did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("reprot", ["report", "export", "train"], "; did you mean 'report' or 'export'?"),
        ("trian", ["report", "export", "train"], "; did you mean 'train'?"),
        (
            "layer1",
            ["layer2", "layer3", "layer4", "layer5"],
            "; did you mean 'layer5', 'layer4' or 'layer3'?",
        ),
        ("zzz", ["report", "export"], ""),
        ("report", [], ""),
    ],
)
def test_the_closest_names_end_the_message(word: str, known: list[str], expected: str) -> None:
    assert did_you_mean(word, known) == expected


def test_no_more_names_than_asked_for_and_any_iterable() -> None:
    known = (f"layer{i}" for i in range(2, 6))
    assert did_you_mean("layer1", known, most=1) == "; did you mean 'layer5'?"
