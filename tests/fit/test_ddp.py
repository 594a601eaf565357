"""Two processes under DDP, each with a seed and data of its own: one decision for both."""

from __future__ import annotations

import json

import pytest
from ranks import run_ranks

LOCAL = {"use_global_unstructured": False}
FUNCTIONS = {
    "l1_unstructured": {},
    "random_unstructured": {},
    "ln_structured": {"pruning_dim": 0, "pruning_norm": 2, **LOCAL},
    "random_structured": {"pruning_dim": 1, **LOCAL},
}
OTHERS = {
    "saliency": {"criterion": "saliency"},
    "movement": {"criterion": "movement"},
    "saliency of channels": {"criterion": "saliency", "pattern": "channels", "pruning_dim": 0},
    "random 2:4": {"criterion": "random", "pattern": "2:4"},
    "lamp": {"allocation": "lamp"},
    "tickets": {"use_lottery_ticket_hypothesis": True},
    "tickets drawn anew": {"use_lottery_ticket_hypothesis": True, "resample_parameters": True},
}
DATA = ("shared", "own")  # a sampler of Lightning's that pads; last batches of another length


def cases():
    of_functions = {
        f"{name}, {kind}": {"pruning": {"pruning_fn": name, **more}, "data": kind}
        for name, more in FUNCTIONS.items()
        for kind in DATA
    }
    others = {
        name: {"pruning": more, "data": "own", "optimizer": "adamw"}
        for name, more in OTHERS.items()
    }
    found = {**of_functions, **others}
    for case in found.values():
        case["pruning"] = {"amount": 0.2, "use_lottery_ticket_hypothesis": False, **case["pruning"]}
    return found


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """What each of the two processes noted, by case."""
    folder = tmp_path_factory.mktemp("pair")
    files = [folder / "0.json", folder / "1.json"]
    run_ranks("import pair; pair.main()", folder, *files, json.dumps(cases()))
    return [json.loads(file.read_text()) for file in files]


@pytest.mark.parametrize("case", cases())
def test_masks_and_weights_are_equal_at_every_event(notes, case):
    first, second = (of_one[case] for of_one in notes)
    assert len(first) >= 4  # an event an epoch
    assert len({json.dumps(event["masks"]) for event in first}) >= 4
    assert [event["masks"] for event in first] == [event["masks"] for event in second]
    assert [event["weights"] for event in first] == [event["weights"] for event in second]


@pytest.mark.parametrize("case", cases())
def test_nothing_is_sent_to_agree(notes, case):
    assert {
        name for of_one in notes for event in of_one[case] for name in event["collectives"]
    } == set()


def test_a_broadcast_would_be_seen(notes):
    assert [of_one["control"][0]["collectives"] for of_one in notes] == [["gloo:broadcast"]] * 2


def test_two_kinds_of_data_and_of_choice_give_different_masks(notes):
    masks = [json.dumps(notes[0][case][-1]["masks"]) for case in cases()]
    assert len(set(masks)) > len(masks) // 2
