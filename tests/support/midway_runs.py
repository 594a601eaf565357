"""Runs of the model in midway.py, in this process and without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from midway import Midway

from prunetool.training.options.command_line import place_from
from prunetool.training.outcome import Outcome
from prunetool.training.run import Manners, train


@pytest.fixture
def here(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own, and a model that sends no signal."""
    monkeypatch.chdir(tmp_path)
    Midway.forget()
    yield
    Midway.forget()


def quiet(notes: list[str] | None = None) -> Manners:
    """Manners that say nothing but to ``notes``."""
    return Manners(note=(notes if notes is not None else []).append, quiet=True)


def resume(target: object = "out", notes: list[str] | None = None, **typed: Any) -> Outcome:
    place = place_from({"target": str(target), "resume": True, **typed})
    assert place.resumed is not None
    return train(place.resumed.options, place, quiet(notes))
