"""What the experiments print."""

from __future__ import annotations

import pytest


@pytest.fixture
def experiment(load_script):
    return load_script("experiment")


def test_tables(experiment):
    headings, rows = ["name", "%"], [["a b", "1.00"], ["longer", "12.50"]]
    assert experiment.table(headings, rows) == (
        "name        %\n------  -----\na b      1.00\nlonger  12.50"
    )
    assert experiment.markdown(headings, rows) == (
        "| name | % |\n| --- | ---: |\n| a b | 1.00 |\n| longer | 12.50 |"
    )


@pytest.mark.parametrize(
    ("accuracies", "dense", "words"),
    [
        ([99.0, 98.0], [98.0, 98.0], "yes (98.50 % against 98.00 %, +0.50 points, 0.75 times"),
        ([97.0, 98.0], [98.0, 98.0], "no (97.50 % against 98.00 %, -0.50 points, 1.25 times"),
        # As many errors in all: the order of the seeds must not decide.
        ([98.04, 98.13, 97.7], [97.7, 98.04, 98.13], "yes (97.96 % against 97.96 %, +0.00 points"),
        ([97.0], [100.0], "no (97.00 % against 100.00 %, -3.00 points)"),
    ],
)
def test_what_reaches_the_dense_network(experiment, accuracies, dense, words):
    said = experiment.at_least_dense("ticket", accuracies, dense)
    assert said.startswith(f"ticket >= dense: {words}")


def test_seeds_keep_their_order(experiment):
    assert experiment.for_each_seed(lambda seed: seed * 10, [3, 1, 2], jobs=1) == [30, 10, 20]
    assert experiment.each_and_mean([98.1, 97.0]) == ("98.10 / 97.00", "97.55")
