from __future__ import annotations

import pytest

from prunetool.training.processes.ranks import is_main, name_of_this, torchrun_layout


@pytest.mark.parametrize(
    ("environ", "main"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "1", "LOCAL_RANK": "1"}, False),
        ({"RANK": "2", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),  # torchrun, second machine
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),  # Lightning, after it started others
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # Lightning within an allocation
    ],
)
def test_the_main_process(environ, main):
    assert is_main(environ) is main


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"RANK": "3"}, "rank 3"),
        ({"LOCAL_RANK": "1"}, "local rank 1"),
        ({"LOCAL_RANK": "1", "NODE_RANK": "2"}, "local rank 1 of node 2"),
    ],
)
def test_a_process_has_a_name(environ, name):
    assert name_of_this(environ) == name


def test_how_torchrun_started_the_processes():
    assert torchrun_layout({"WORLD_SIZE": "8"}) is None
    environ = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
    assert torchrun_layout(environ) == (4, 2)
