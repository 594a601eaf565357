from __future__ import annotations

import pytest
import torch
from torch import nn

from prunetool.errors import OptionError
from prunetool.reports import report_on
from prunetool.reports.counting.effective import with_macs
from prunetool.reports.counting.macs import MacCounts, count_macs
from prunetool.reports.requirements.gates import failures
from prunetool.reports.requirements.requirements import parse_requirement
from prunetool.reports.statistics import Macs


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 4))


def saved(model, tmp_path, **more):
    with torch.no_grad():
        model[0].weight[0] = 0.0  # half of 18
        model[2].weight.flatten()[:24] = 0.0  # three quarters of 32
    torch.save(model.state_dict(), tmp_path / "model.pt")
    return report_on(tmp_path / "model.pt", **more)


def test_what_density_leaves(model, tmp_path):
    report = with_macs(saved(model, tmp_path), count_macs(model, torch.zeros(1, 1, 4, 4)))
    found = {layer.name: layer.macs for layer in report.layers}
    assert found == {
        "0.weight": Macs(4 * 18, 4 * 9),
        "0.bias": Macs(0, 0),
        "2.weight": Macs(32, 8),
        "2.bias": Macs(0, 0),
    }
    assert report.sums.macs == Macs(72 + 32, 36 + 8)


def test_what_no_layer_multiplies_stays_dense(model, tmp_path):
    report = saved(model, tmp_path)
    names = {name: name for name, _ in model.named_parameters()} | {"other": "other"}
    counts = MacCounts({"2.weight": 100, "other": 7}, 50, names)
    report = with_macs(report, counts)
    assert report.macs_elsewhere == 57
    assert report.sums.macs == Macs(157, 25 + 57)
    assert report.prunable_sums.macs == Macs(100, 25)


def test_what_is_left_out_is_left_out(model, tmp_path):
    report = saved(model, tmp_path, include=["0.*"])
    names = {name: name for name, _ in model.named_parameters()}
    report = with_macs(report, MacCounts({"0.weight": 72, "2.weight": 32}, 5, names))
    assert report.sums.macs == Macs(72, 36)


def test_tied_weights_have_one_name_in_the_file(model, tmp_path):
    names = {name: name for name, _ in model.named_parameters()}
    counts = MacCounts({"first": 32}, 0, {**names, "first": "first", "2.weight": "first"})
    report = with_macs(saved(model, tmp_path), counts)
    assert report.sums.macs == Macs(32, 8)


def test_another_model_is_refused(model, tmp_path):
    with pytest.raises(OptionError, match=r"no parameter of the model, which has a\.weight"):
        with_macs(saved(model, tmp_path), MacCounts({}, 0, {"a.weight": "a.weight"}))


def test_a_requirement_on_the_model_counts_what_is_elsewhere(model, tmp_path):
    names = {name: name for name, _ in model.named_parameters()}
    counts = MacCounts({"2.weight": 100}, 50, names)
    report = with_macs(saved(model, tmp_path), counts)
    for text in ("model:macs==150", "macs==100", "model:effective_macs==75", "2.*:macs==100"):
        assert not failures(report, [parse_requirement(text)])


def test_a_model_that_lacks_a_layer_is_refused(model, tmp_path):
    counts = count_macs(model[0], torch.zeros(1, 1, 4, 4))
    with_prefix = MacCounts({"0.weight": 72}, 0, {f"0.{name}": name for name in counts.names})
    with pytest.raises(OptionError, match=r"no 2\.bias, which .*model\.pt has; build it as it was"):
        with_macs(saved(model, tmp_path), with_prefix)
