"""Completion as the shells ask for it: the words come from the environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from prunetool.checkpoints.export import export
from prunetool.checkpoints.reader import open_checkpoint
from prunetool.cli import completion
from prunetool.errors import OptionError
from prunetool.training.options.options import from_values


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    names = ["encoder.0.weight", "encoder.0.bias", "head.weight"]
    report = {"layers": [{"name": name} for name in names]}
    (tmp_path / "run" / "report.json").write_text(json.dumps(report))
    (tmp_path / "run" / "checkpoints" / "last.ckpt").write_bytes(b"no matter")
    save_file({"a.weight": torch.ones(2)}, "file.safetensors")
    return tmp_path


def offered(*words: str) -> list[str]:
    """Ask as bash does: the last word is the one that is being typed."""
    environment = os.environ | {
        "_PRUNETOOL_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "PYTHONPROFILEIMPORTTIME": "1",
    }
    command = os.path.join(os.path.dirname(sys.executable), "prunetool")
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=False)
    assert "prunetool.cli.completion" in done.stderr
    assert "| torch" not in done.stderr, "a Tab waits for torch"
    return done.stdout.split()


@pytest.mark.parametrize("path", ["run", "run/checkpoints/last.ckpt"])
def test_names_of_a_run(folder, path):
    assert offered("prunetool", "report", path, "--include", "enc") == [
        "encoder.*", "encoder.0.weight", "encoder.0.bias",
    ]  # fmt: skip


def test_names_of_a_safetensors_file(folder):
    assert offered("prunetool", "export", "file.safetensors", "--exclude", "") == [
        "a.*", "a.weight",
    ]  # fmt: skip


def test_names_of_a_sparse_file_and_of_buffers(folder):
    """Those that ``report`` knows: not the parts, and not what normalisation keeps."""
    weight = torch.zeros(20, 20)
    save_file(
        {"a.weight": weight + 1, "a.running_mean": weight[0] + 1}, folder / "full.safetensors"
    )
    torch.save({"b.weight": weight, "b.bias": weight[0] + 1}, folder / "b.pt")
    export(open_checkpoint(folder / "b.pt"), folder / "sparse.safetensors", sparse=True)

    assert offered("prunetool", "report", "full.safetensors", "--include", "a") == [
        "a.*", "a.weight",
    ]  # fmt: skip
    assert set(offered("prunetool", "report", "sparse.safetensors", "--include", "b")) == {
        "b.*", "b.bias", "b.weight",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path", ["nowhere", "run/other.ckpt", "broken.safetensors", "empty", "odd", "package.mod:Class"]
)
def test_what_cannot_be_known_at_once_offers_nothing(folder, path):
    (folder / "broken.safetensors").write_bytes(b"\x10" + bytes(7) + b"not JSON")
    (folder / "empty").mkdir()
    (folder / "odd").mkdir()
    (folder / "odd" / "report.json").write_text('{"layers": [1]}')
    assert list(completion._names(folder / path)) == []


def test_words_that_options_take():
    assert offered("prunetool", "train", "a:B", "--schedule", "") == list(completion.SCHEDULES)
    assert offered("prunetool", "report", "--for") == ["--format"]


@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("criterion", completion.CRITERIA),
        ("pattern", completion.PATTERNS),
        ("allocation", completion.ALLOCATIONS),
        ("schedule", completion.SCHEDULES),
        ("retrain", completion.RETRAIN),
        ("pruning_fn", completion.FUNCTIONS),
        ("strategy", completion.STRATEGIES),
    ],
)
def test_every_word_that_is_offered_is_taken(option, choices):
    beside = {
        "channels": {"dim": 0},
        "ln_structured": {"dim": 0, "norm": 2},
        "random_structured": {"dim": 0},
    }
    tickets = {"lottery_ticket": True} if option == "retrain" else {}
    for choice in choices:
        options = {"target": "a:B", option: choice, **beside.get(choice, {}), **tickets}
        assert getattr(from_values(options), option) == choice
    with pytest.raises(OptionError):
        from_values({"target": "a:B", option: "fsdp", **tickets})


SHELLS = {
    "bash": 'eval "$(_PRUNETOOL_COMPLETE=source_bash prunetool)"; '
    'COMP_WORDS=(prunetool report run --include head.); COMP_CWORD=4; '
    '_prunetool_completion prunetool; printf "%s\\n" "${COMPREPLY[@]}"',
    "fish": '_PRUNETOOL_COMPLETE=source_fish prunetool | source; '
    'complete -C "prunetool report run --include head."',
    "zsh": '_TYPER_COMPLETE_ARGS="prunetool report run --include head." '
    "_PRUNETOOL_COMPLETE=complete_zsh prunetool | tr '\"' '\\n'",
}  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS)
def test_shells(folder, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    scripts = os.path.dirname(sys.executable)
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [shell, "-c", SHELLS[shell]],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"head.*", "head.weight"} <= set(done.stdout.split("\n"))
