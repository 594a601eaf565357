"""A torch file is only taken for written when every value in it reads back."""

from __future__ import annotations

import pytest
import torch

from prunetool.checkpoints.torch_files.checking import torch_file
from prunetool.checkpoints.torch_files.reading import read_torch
from prunetool.checkpoints.writing import write_atomically
from prunetool.errors import OutputError

CONTENT = {"state_dict": {"a": torch.arange(6.0), "b": torch.arange(4)}, "more": [torch.ones(3)]}


@pytest.fixture
def archive(tmp_path):
    torch.save(CONTENT, tmp_path / "in.ckpt")
    return read_torch(tmp_path / "in.ckpt")


def test_what_was_written_is_right(archive, tmp_path):
    write_atomically(torch_file(tmp_path / "out.ckpt", archive))

    again = torch.load(tmp_path / "out.ckpt")
    assert torch.equal(again["state_dict"]["a"], torch.arange(6.0))
    assert torch.equal(again["more"][0], torch.ones(3))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        pytest.param(torch.tensor(5.0), torch.tensor(4.0), "data/0", id="a value"),
        pytest.param(torch.tensor(3), torch.tensor(2), "data/1", id="an integer"),
    ],
)
def test_a_changed_value_is_found(old, new, named, archive, tmp_path):
    file = torch_file(tmp_path / "out.ckpt", archive)
    damaged = tmp_path / "written"
    with damaged.open("wb") as stream:
        file.write(stream)
    file.check(damaged)
    content = damaged.read_bytes()
    before, after = old.numpy().tobytes(), new.numpy().tobytes()
    assert content.count(before) == 1
    damaged.write_bytes(content.replace(before, after))

    with pytest.raises(OutputError, match=rf"out.ckpt: record {named} does not read back"):
        file.check(damaged)


def test_a_file_that_is_cut_off_is_found(archive, tmp_path):
    file = torch_file(tmp_path / "out.ckpt", archive)
    damaged = tmp_path / "written"
    with damaged.open("wb") as stream:
        file.write(stream)
    damaged.write_bytes(damaged.read_bytes()[:-30])

    with pytest.raises(OutputError, match=r"out.ckpt: does not read back: the end of its zip"):
        file.check(damaged)


def test_progress_is_told_in_bytes_twice(archive, tmp_path):
    told = []

    write_atomically(torch_file(tmp_path / "out.ckpt", archive, advance=told.append))

    values = 6 * 4 + 4 * 8 + 3 * 4
    assert sum(told) >= 2 * values
