from __future__ import annotations

import saved
import torch

from prunetool.checkpoints.finalize import finalize
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.reports import report_on
from prunetool.reports.compare import Row, compare
from prunetool.reports.statistics import Count


def test_layers_are_matched_by_name(tmp_path):
    ones = torch.ones(2, 2)
    first = {"a": ones, "only first": ones + 1, "b": torch.eye(2)}
    second = {"b": ones * 0, "only second": ones + 1, "a": ones}

    comparison = compare(
        report_on(saved.save_lightning(tmp_path / "a.ckpt", first)),
        report_on(saved.save_lightning(tmp_path / "b.ckpt", second)),
    )

    assert comparison.rows == (
        Row("a", Count(4, 0), Count(4, 0)),
        Row("only first", Count(4, 0), None),
        Row("b", Count(4, 2), Count(4, 4)),
        Row("only second", None, Count(4, 0)),
    )
    assert [row.difference for row in comparison.rows] == [0.0, None, 0.5, None]
    assert comparison.whole == Row("whole model", Count(12, 2), Count(12, 4))


def test_the_pruned_set_is_one_set_where_only_one_file_has_masks(tmp_path):
    path = saved.save_masked(tmp_path / "a.ckpt")
    done = finalize(open_checkpoint(path))
    masked, finalized = report_on(path), report_on(done.path)

    expected = Row("pruned set", Count(6, 4), Count(6, 4))
    assert compare(masked, finalized).pruned_set == expected
    assert compare(finalized, masked).pruned_set == expected


def test_what_is_selected_is_not_called_the_whole_model(tmp_path):
    paths = [tmp_path / "a.pt", tmp_path / "b.pt"]
    for path in paths:
        torch.save({"a.weight": torch.eye(2), "b.weight": torch.eye(2)}, path)
    whole = compare(*(report_on(path) for path in paths))
    selected = compare(report_on(paths[0]), report_on(paths[1], include=["a.*"]))
    assert (whole.whole.name, selected.whole.name) == ("whole model", "all selected")
