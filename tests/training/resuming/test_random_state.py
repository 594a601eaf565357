from __future__ import annotations

import random

import numpy as np
import torch

from prunetool.training.resuming import random_state


def draws():
    return random.random(), torch.rand(3).tolist(), np.random.rand(2).tolist()


def test_the_same_draws_again(tmp_path):
    draws()
    torch.save(random_state.capture(), tmp_path / "state.pt")
    first = draws()
    assert draws() != first
    random_state.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draws() == first


def test_each_process_has_its_own_share():
    assert random_state.of_every_process({"one": 1}) == [{"one": 1}]
    assert random_state.of_this_process([{"one": 1}]) == {"one": 1}


def test_a_run_of_more_processes_has_none_for_this_one():
    assert random_state.of_this_process([{"one": 1}, {"two": 2}]) is None
