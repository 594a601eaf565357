from __future__ import annotations

import os

import pytest

from prunetool.training.processes.first_to_fail import (
    forget_the_place,
    is_first_to_fail,
    share_a_place,
    starter,
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.delenv("PRUNETOOL_PROCESSES", raising=False)
    monkeypatch.delenv("TORCHELASTIC_ERROR_FILE", raising=False)


def test_one_process_always_speaks():
    assert [is_first_to_fail(), is_first_to_fail()] == [True, True]


def test_of_several_the_first_speaks():
    share_a_place()
    try:
        assert starter() is None  # this process itself
        assert [is_first_to_fail(), is_first_to_fail()] == [True, False]
    finally:
        folder = os.environ["PRUNETOOL_PROCESSES"].partition(":")[2]
        assert os.path.isdir(folder)
        forget_the_place()
    assert not os.path.exists(folder)
    assert is_first_to_fail()


def test_under_torchrun_too(monkeypatch, tmp_path):
    for rank in ("0", "1"):
        (tmp_path / rank).mkdir()
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "1/error.json"))
    assert is_first_to_fail()
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "0/error.json"))
    assert not is_first_to_fail()


def test_a_process_knows_who_started_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PRUNETOOL_PROCESSES", f"{os.getppid()}:{tmp_path}")
    assert starter() == os.getppid()
    forget_the_place()
    assert tmp_path.is_dir()  # not ours to remove
    forget_the_place(maker_is_gone=True)
    assert not tmp_path.exists()


def test_without_the_place_nothing_is_lost(monkeypatch, tmp_path):
    monkeypatch.setenv("PRUNETOOL_PROCESSES", f"1:{tmp_path / 'gone'}")
    assert is_first_to_fail()
