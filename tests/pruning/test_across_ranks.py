"""Sharded tensors are pruned as whole ones are, to the bit: real processes, every method."""

from __future__ import annotations

import os

import pytest
from ranks import on_ranks


@pytest.mark.slow
def test_every_method_prunes_alike_on_two_processes() -> None:
    """On every second placement, in turns; on all with ``PRUNETOOL_WHOLE_MATRIX=1``."""
    whole = os.environ.get("PRUNETOOL_WHOLE_MATRIX") == "1"
    which, count = ("all", "168\n") if whole else ("half", "84\n")
    assert on_ranks(2, "sharded_engine:every_method", which, 2) == [count, count]


@pytest.mark.slow
def test_every_pattern_prunes_alike_on_a_mesh_of_two_by_two() -> None:
    assert on_ranks(4, "sharded_engine:every_method", "few", 2, 2) == ["20\n"] * 4


def test_norms_of_channels_cut_either_way() -> None:
    on_ranks(3, "sharded_engine:norms")


def test_tensors_cut_along_one_dimension_by_two_dimensions_of_the_mesh() -> None:
    on_ranks(4, "sharded_engine:fsdp_over_tensor_parallel")


def test_nan_in_one_process_is_refused_in_all() -> None:
    first, second = on_ranks(2, "sharded_engine:refusals")
    assert first == second
    assert first.count("t0: 1 of 84 scores are NaN") == 8


def test_early_and_new_values_are_those_of_whole_tensors() -> None:
    on_ranks(2, "sharded_engine:tickets")


def test_a_selection_takes_no_more_memory_than_a_process_holds() -> None:
    """Weights of 64 MiB over 2 processes: what an event adds stays below a process's 32 MiB."""
    for printed in on_ranks(2, "sharded_engine:peak_memory"):
        assert int(printed) < 32 << 20
