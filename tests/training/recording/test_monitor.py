from __future__ import annotations

import math

import pytest

from prunetool.errors import OptionError
from prunetool.training.recording.monitor import BestSoFar, Monitor, parse_monitor


def test_a_metric_and_its_direction():
    assert parse_monitor("val_acc:max") == Monitor("val_acc", larger_is_better=True)
    assert parse_monitor("val/loss:0:min") == Monitor("val/loss:0", larger_is_better=False)


@pytest.mark.parametrize("text", ["val_acc", "val_acc:", ":max", "val_acc:maximum"])
def test_bad_monitors(text):
    with pytest.raises(OptionError, match="expected NAME:min or NAME:max"):
        parse_monitor(text)


def choices(monitor, epochs, planned):
    best = BestSoFar(parse_monitor(monitor))
    return [
        best.improves({} if value is None else {"m": value}, pruned=pruned, planned=planned)
        for value, pruned in epochs
    ]


def test_only_epochs_at_the_target_compete():
    epochs = [(0.99, 0), (0.98, 5), (0.90, 9), (0.95, 9), (0.95, 9), (None, 9), (0.96, 9)]
    assert choices("m:max", epochs, planned=9) == [False, False, True, True, False, False, True]


def test_lower_is_better_where_asked():
    assert choices("m:min", [(3.0, 2), (4.0, 2), (2.0, 2)], planned=2) == [True, False, True]


def test_without_a_known_target_a_sparser_epoch_wins():
    epochs = [(0.9, 1), (0.8, 1), (0.7, 2), (0.6, 2), (0.8, 2)]
    assert choices("m:max", epochs, planned=None) == [True, False, True, False, True]


def test_a_value_that_is_not_a_number_never_wins():
    assert choices("m:max", [(math.nan, 1), (0.1, 1), (math.nan, 1)], planned=1) == [
        False,
        True,
        False,
    ]


def test_goes_on_after_a_resume():
    best = BestSoFar(parse_monitor("m:max"))
    best.improves({"m": 0.5}, pruned=3, planned=3)
    resumed = BestSoFar(parse_monitor("m:max"))
    resumed.load_state_dict(best.state_dict())
    assert not resumed.improves({"m": 0.4}, pruned=3, planned=3)
    assert resumed.improves({"m": 0.6}, pruned=3, planned=3)


def test_a_metric_that_is_never_logged():
    best = BestSoFar(parse_monitor("val_los:min"))
    best.require_logged(["val_los", "x"])
    with pytest.raises(OptionError, match="it logs acc, val_loss; did you mean 'val_loss'"):
        best.require_logged(["val_loss", "acc"])
