from __future__ import annotations

import os
from pathlib import Path

import pytest

from prunetool.errors import OptionError, OutputError
from prunetool.training.recording.run_folder import (
    RunFolder,
    discard_unused,
    new_run_folder,
    run_folder_of,
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_layout():
    folder = RunFolder(Path("run"))
    assert (folder.last, folder.best, folder.config, folder.metrics, folder.report) == (
        Path("run/checkpoints/last.ckpt"),
        Path("run/checkpoints/best.ckpt"),
        Path("run/config.yaml"),
        Path("run/metrics.csv"),
        Path("run/report.json"),
    )


def test_runs_are_numbered():
    names = [new_run_folder(None, name="My_Net", force=False).path for _ in range(3)]
    assert names == [Path("runs/my-net-1"), Path("runs/my-net-2"), Path("runs/my-net-3")]
    assert [p.name for p in Path("runs/my-net-1").iterdir()] == ["checkpoints"]


def test_an_empty_folder_is_taken():
    Path("mine").mkdir()
    assert new_run_folder(Path("mine"), name="net", force=False).checkpoints.is_dir()


def test_a_folder_in_use_is_refused():
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep me")
    with pytest.raises(OptionError, match=r"--output mine: not empty; .*--force .*--resume"):
        new_run_folder(Path("mine"), name="net", force=False)
    assert [p.name for p in Path("mine").iterdir()] == ["notes.txt"]


def test_force_allows_a_folder_whose_run_stays():
    folder = new_run_folder(Path("mine"), name="net", force=False)
    folder.last.write_text("old")
    again = new_run_folder(Path("mine"), name="net", force=True)
    assert (again, folder.last.read_text()) == (folder, "old")


def test_the_files_of_a_run_are_known_by_name():
    folder = new_run_folder(Path("mine"), name="net", force=False)
    names = [
        "checkpoints/best.ckpt", "checkpoints/last.ckpt", "checkpoints/rewind.ckpt",
        "checkpoints/round-1.ckpt", "checkpoints/round-12.ckpt", "config.yaml", "events.csv",
        "histograms.json", "metrics.csv", "report.json",
    ]  # fmt: skip
    for name in [*names, "notes.txt", "checkpoints/round-one.ckpt", "checkpoints/mine.ckpt"]:
        (folder.path / name).write_text("")
    assert sorted(str(file.relative_to("mine")) for file in folder.files) == names


def test_a_file_is_no_folder():
    Path("mine").write_text("")
    with pytest.raises(OptionError, match="--output mine: is a file; expected a folder"):
        new_run_folder(Path("mine"), name="net", force=True)


def test_a_folder_below_a_file_cannot_be_made():
    Path("file").write_text("")
    with pytest.raises(OutputError, match=r"--output file/run: cannot be written \(.*: Not a dir"):
        new_run_folder(Path("file/run"), name="net", force=False)


def test_a_folder_without_permission_is_found_out_before_the_training():
    Path("mine").mkdir(mode=0o500)
    # Root may write into any folder but those that the kernel makes up.
    output = Path("/sys/mine") if os.geteuid() == 0 else Path("mine")
    with pytest.raises(OutputError, match=f"--output {output}: cannot be written"):
        new_run_folder(output, name="net", force=False)


@pytest.mark.parametrize("output", [None, Path("mine")])
def test_a_run_that_never_began_leaves_nothing(output):
    folder = new_run_folder(output, name="net", force=False)
    discard_unused(folder)
    assert [str(path) for path in Path().rglob("*")] == (["mine"] if output else ["runs"])


def test_a_run_with_a_checkpoint_is_kept():
    folder = new_run_folder(None, name="net", force=False)
    folder.config.write_text("")
    folder.last.write_text("")
    discard_unused(folder)
    assert folder.config.exists()
    assert folder.last.exists()


def test_the_run_of_a_checkpoint():
    folder = new_run_folder(Path("mine"), name="net", force=False)
    folder.config.write_text("")
    folder.last.write_text("")
    assert run_folder_of(Path("mine")) == folder
    assert run_folder_of(folder.last) == folder


@pytest.mark.parametrize("target", ["other", "other/checkpoints/last.ckpt"])
def test_what_is_no_run(target):
    with pytest.raises(OptionError, match=f"{target}: no such run folder or checkpoint"):
        run_folder_of(Path(target))
    Path(target).mkdir(parents=True)
    with pytest.raises(OptionError, match=f"{target}: not a run folder"):
        run_folder_of(Path(target))
