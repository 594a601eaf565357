from __future__ import annotations

import random

import numpy as np
import torch

from prunetool.training import random_state


def draws():
    return random.random(), torch.rand(3).tolist(), np.random.rand(2).tolist()


def test_the_same_draws_again(tmp_path):
    draws()
    torch.save(random_state.capture(), tmp_path / "state.pt")
    first = draws()
    assert draws() != first
    assert random_state.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draws() == first


def test_a_run_of_more_processes_is_left_alone():
    states = random_state.capture() * 2
    before = torch.get_rng_state()
    torch.rand(1)
    after = torch.get_rng_state()
    assert not random_state.restore(states)
    assert torch.equal(torch.get_rng_state(), after)
    assert not torch.equal(before, after)
