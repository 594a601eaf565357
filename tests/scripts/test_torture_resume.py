"""``scripts/torture_resume.py`` at a small size; and that it would notice what it looks for."""

from __future__ import annotations

import re
import signal

import pytest
import torch
from benches import run_script


@pytest.mark.slow
def test_a_few_kills_lose_nothing():
    done = run_script("torture_resume.py", "--kills", 4, "--seed", 3, "--signal", "mixed")
    assert done.returncode == 0, done.stdout + done.stderr
    first, *lines = done.stdout.splitlines()
    found = re.fullmatch(r"kills 4 \((.*)\)", first)
    assert found, first
    kinds = [
        re.fullmatch(r"SIG(?:KILL exit -9|TERM exit (?:143|-15)|INT exit (?:130|-2)) (\d)", it)
        for it in found[1].split(", ")
    ]
    assert sum(int(it[1]) for it in kinds) == 4
    _, _, resumes, restarts, finished, steps, losses = (
        [int(number) for number in re.findall(r"\b\d+\b", line)] for line in lines
    )
    assert resumes[0] + restarts[0] == 4
    assert finished[0] == finished[1] >= 1
    assert steps[0] >= 128
    assert losses == [0]


@pytest.mark.slow
def test_processes_with_their_own_start_up(load_script, tmp_path):
    """Killed once, resumed once, and the same as a forked one that nobody killed."""
    blows, cases = load_script("torture_blows"), load_script("torture_cases")
    running, compare = load_script("torture_run"), load_script("torture_compare")
    small = ("--model-arg", "width=64", "--model-arg", "examples=160", "--max-epochs", "4")
    case = cases.Configuration("small", small)
    whole, _ = running.undisturbed(case, tmp_path / "whole", fork=True)
    run = running.Run(case, tmp_path / "run", fork=False)
    blow = blows.Blow((signal.SIGKILL,), blows.Aim.REPLACEMENT, turn=2)
    process = run.start()
    blows.strike(process, blow, run=run.folder.path, temporary=run.temporary)
    assert process.wait(60) == -9
    assert compare.damage_in(run.folder.path) == []
    assert compare.differences(run.folder.path, whole.folder.path) != []
    assert run.start().wait(60) == 0
    assert compare.differences(run.folder.path, whole.folder.path) == []
    assert whole.steps == 20 <= run.steps


# --- what it would notice -----------------------------------------------------------------------


def test_differences_are_found_to_the_bit(load_script):
    unequal = load_script("torture_compare").unequal
    mine = {
        "weights": {"a": torch.tensor([0.0, 1.0]), "b": torch.tensor([float("nan")])},
        "list": [1, 2.0, None],
        "same": torch.ones(2, 3).t(),
    }
    assert list(unequal(mine, mine)) == []
    theirs = {
        "weights": {"a": torch.tensor([-0.0, 1.0]), "b": torch.tensor([float("nan")])},
        "list": [1, 2, None, 4],
        "same": torch.ones(3, 2),
        "more": 0,
    }
    assert list(unequal(mine, theirs)) == [
        "weights.a",
        "list has 3 items instead of 4",
        "list[1]",
        "more is missing",
    ]
    assert list(unequal(torch.ones(2), torch.ones(2, dtype=torch.float64), "x")) == ["x"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("a,b\n1,2\n", True),
        ("a,b\n1,\n", True),
        ("a,b\n1,2", False),
        ("a,b\n1\n", False),
        ("", False),
    ],
)
def test_whole_tables(load_script, text, whole):
    assert load_script("torture_compare").is_whole_table(text) == whole


def test_damage_and_leftovers(load_script, tmp_path):
    compare, blows = load_script("torture_compare"), load_script("torture_blows")
    checkpoints = tmp_path / "run/checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save({"state_dict": {"a": torch.ones(100)}}, checkpoints / "last.ckpt")
    assert compare.damage_in(tmp_path / "run") == []
    whole = (checkpoints / "last.ckpt").read_bytes()
    (checkpoints / "last.ckpt").write_bytes(whole[: len(whole) // 2])
    (checkpoints / ".best.ckpt.tmp").touch()
    (tmp_path / "run/metrics.csv").write_text("epoch,step\n1")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/torn").touch()
    checkpoint, table = compare.damage_in(tmp_path / "run")
    assert checkpoint.startswith("last.ckpt cannot be read: ")
    assert table == "metrics.csv is not whole"
    left = blows.unfinished(tmp_path / "run", tmp_path / "tmp")
    assert [it.name for it in left] == [".best.ckpt.tmp", "torn"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--kills", "0"), "expected at least 1, got 0"),
        (("--signal", "HUP"), "invalid choice: 'HUP'"),
    ],
)
def test_bad_arguments_are_named(load_script, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr("sys.argv", ["torture_resume.py", *arguments])
    with pytest.raises(SystemExit) as end:
        load_script("torture_resume").main()
    shown = capsys.readouterr()
    assert (end.value.code, shown.out) == (2, "")
    assert message in shown.err
