from __future__ import annotations

import pytest

from prunetool.errors import OptionError
from prunetool.training.recording.epoch_record import EpochRecord
from prunetool.training.round_book import Pruning, RoundBook, RoundRow, telling_metrics

METRICS = {"lr": 0.1, "train_loss": 3.0, "val_loss": 2.0, "val_acc": 0.5}


def record(metrics=METRICS, validated=(), epoch=1, sparsity=0.25):
    return EpochRecord(epoch, 4 * epoch, sparsity, metrics, frozenset(validated))


@pytest.mark.parametrize(
    ("metrics", "validated", "monitor", "expected"),
    [
        (METRICS, ["val_loss", "val_acc"], "val_acc", {"val_acc": 0.5}),
        (METRICS, ["val_loss", "val_acc"], None, {"val_loss": 2.0, "val_acc": 0.5}),
        (METRICS, ["val_acc"], "f1", {"val_acc": 0.5}),
        ({"lr": 0.1, "train_loss": 3.0}, [], None, {"train_loss": 3.0}),
        ({"lr": 0.1, "score": 3.0}, [], None, {"lr": 0.1}),
        ({}, [], None, {}),
    ],
)
def test_which_metrics_tell(metrics, validated, monitor, expected):
    assert telling_metrics(record(metrics, validated), monitor) == expected


def test_the_latest_epoch_of_each_round_counts():
    book = RoundBook(2, monitor="val_acc")
    book.add(record(epoch=1, sparsity=0.0))
    book.add(record(epoch=2, sparsity=0.0))
    book.note_pruning(planned=0.5, achieved=0.25)
    book.number = 2
    book.add(record(epoch=1))
    first, second = (
        RoundRow(1, 2, 8, 0.0, {"val_acc": 0.5}),
        RoundRow(2, 1, 4, 0.25, {"val_acc": 0.5}),
    )
    assert book.rows == [first, second]
    assert book.prunings == [Pruning(2, 8, 0.5, 0.25)]
    assert (second.density, book.is_last) == (0.75, True)

    again = RoundBook(2)
    again.load_state_dict(book.state_dict())
    assert (again.number, again.rows, again.prunings) == (2, book.rows, book.prunings)


def test_a_checkpoint_of_0_1_0_is_of_the_only_training():
    book = RoundBook(1)
    book.load_state_dict({"random": [], "best": None, "logged": {}})
    assert (book.number, book.rows, book.is_last) == (1, [], True)


def test_a_round_without_an_epoch():
    with pytest.raises(OptionError, match="round 1 of 2: ended without a finished epoch"):
        RoundBook(2).require_trained()
