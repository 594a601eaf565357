from __future__ import annotations

import pytest
from rich.table import Table

from prunetool.errors import OutputError
from prunetool.reports.rendering.files import plain_text, write_report


def test_a_report_replaces_an_older_one(tmp_path):
    source = tmp_path / "a.ckpt"
    source.touch()
    for text in ("old", "new\n"):
        write_report(text, tmp_path / "r.json", inputs=[source])

    assert (tmp_path / "r.json").read_text() == "new\n"


def test_a_report_never_replaces_what_it_is_about(tmp_path):
    inputs = [tmp_path / "a.ckpt", tmp_path / "b.ckpt"]
    for path in inputs:
        path.touch()
        with pytest.raises(OutputError, match="would replace the input"):
            write_report("x", path, inputs=inputs[: inputs.index(path) + 1])


def test_tables_are_plain_and_as_wide_as_they_need():
    table = Table("name", style="red")
    table.add_row("x" * 500)

    assert "x" * 500 in plain_text(table)
    assert "\x1b" not in plain_text(table)
