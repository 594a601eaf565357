from __future__ import annotations

import pytest

from prunetool.reports.rendering.grid import Column, Grid, Row
from prunetool.reports.rendering.markdown import literal, to_markdown

COLUMNS = (Column("shape", title_of_totals="tensors"), Column("zeros", right=True), Column("mask"))


def grid(count):
    rows = tuple(Row(f"layer_{i}", ("2x3", str(i), "")) for i in range(count))
    return Grid("layer", COLUMNS, rows, (Row("whole model", ("1 tensor", "9", "")),))


def test_totals_then_rows_without_empty_columns():
    assert to_markdown(grid(2), title="a_b.ckpt") == (
        "### prunetool report: `a_b.ckpt`\n\n"
        "| total | tensors | zeros |\n| --- | --- | ---: |\n| **whole model** | 1 tensor | 9 |\n\n"
        "| layer | shape | zeros |\n| --- | --- | ---: |\n"
        "| `layer_0` | 2x3 | 0 |\n| `layer_1` | 2x3 | 1 |\n"
    )


def test_what_is_not_met_is_said_first():
    text = to_markdown(grid(2), title="a|b", unmet=["zeros>9 a|b", "`zeros`"])

    assert text.startswith(
        "### prunetool report: `a|b`\n\n- :x: `zeros>9 a|b`\n- :x: `` `zeros` ``\n\n| total |"
    )


def test_many_rows_are_folded_up():
    assert "<details>" not in to_markdown(grid(40), title="a")
    text = to_markdown(grid(41), title="a")
    assert "<details>\n<summary>41 layers</summary>\n\n| layer |" in text
    assert text.endswith("| `layer_40` | 2x3 | 40 |\n\n</details>\n")
    assert text.index("whole model") < text.index("<details>")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("blocks[0].*_<b>", "`blocks[0].*_<b>`"),
        ("a|b", "`a\\|b`"),
        ("a`b", "``a`b``"),
        ("``a`", "``` ``a` ```"),
        ("@team #1 :smile:", "`@team #1 :smile:`"),
        ("", "`  `"),
    ],
)
def test_names_are_code(name, expected):
    assert literal(name) == expected
