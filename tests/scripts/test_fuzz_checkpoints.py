"""``scripts/fuzz_checkpoints.py`` at a small size; and that it would notice what it looks for."""

from __future__ import annotations

import json
import random
import re
import struct
import zipfile

import pytest
import torch
from benches import run_script
from forked import Ran
from safetensors.torch import save

CORPUS = (
    "lightning-mixed", "prune-global", "prune-tied", "torch-legacy", "torch-strides",
    "hf-gpt2-sharded", "safetensors-file", "sharded-objects", "own-permanent",
)  # fmt: skip


@pytest.mark.slow
def test_sixty_damaged_files():
    names = [part for name in CORPUS for part in ("--corpus", name)]
    done = run_script("fuzz_checkpoints.py", "--cases", 60, "--seed", 5, *names)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"cases 60, seed 5, \d+ s", lines[0])
    assert lines[1] == "checkpoints 11"
    assert lines[-1] == "failures 0"
    counts = {
        text: int(number)
        for text, number in re.findall(r"^(.*: exit \d) (\d+)$", done.stdout, re.M)
    }
    for command in ("report", "finalize", "export", "export --format sparse"):
        codes = [counts.get(f"{command}: exit {code}", 0) for code in (0, 2)]
        assert sum(codes) == 60
        assert min(codes) > 2, "damage that is always noticed, or never, tests little"


def test_a_case_is_the_same_again(load_script, tmp_path):
    cases = load_script("fuzz_cases")
    file = tmp_path / "a.pt"
    torch.save({"w": torch.ones(3)}, file)
    corpus = {"a": file}
    for number in range(20):
        made = []
        for name in (f"first-{number}", f"second-{number}"):
            (tmp_path / name).mkdir()
            case = cases.make_case(number, 1, corpus, tmp_path / name)
            made.append((case.mutation, case.path.read_bytes()))
        assert made[0] == made[1]
    assert file.read_bytes() != made[0][1]


def test_damage_keeps_the_outer_form(load_script):
    formats = load_script("fuzz_formats")
    file = save({"w": torch.ones(3)})
    for seed in range(30):
        changed = formats.change_header(file, file, random.Random(seed))
        length = struct.unpack("<Q", changed[:8])[0]
        json.loads(changed[8 : 8 + length])
        assert changed[8 + length :] == file[-12:]


def test_archives_are_whole_again(load_script, tmp_path):
    formats = load_script("fuzz_formats")
    torch.save({"w": torch.ones(3)}, tmp_path / "a.pt")
    data = (tmp_path / "a.pt").read_bytes()
    for seed in range(30):
        (tmp_path / "b.zip").write_bytes(formats.change_archive(data, data, random.Random(seed)))
        with zipfile.ZipFile(tmp_path / "b.zip") as archive:
            assert archive.testzip() is None


GOOD = {"code": 2, "out": "", "err": "error: no\n", "seconds": 1.0, "peak": 10**8, "events": ()}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"code": 0, "err": ""}, None),
        ({"code": -11}, "ended by signal 11"),
        ({"code": 70, "err": "Traceback\nKeyError: 1\n"}, "exit code 70: KeyError: 1"),
        ({"code": 1, "err": "Traceback\nKeyError: 1\n"}, "a traceback: KeyError: 1"),
        ({"err": "error: a\nerror: b\n"}, "not one line of an error"),
        ({"err": "no\n"}, "not one line of an error"),
        ({"code": 0, "err": "UserWarning: x\n"}, "a warning"),
        ({"seconds": 10.5}, "10.5 s"),
        ({"peak": 2 * 10**9}, "2000 MB"),
        ({"events": ("os.system ('ls',)",)}, "did os.system"),
    ],
)
def test_problems_are_noticed(load_script, changes, problem):
    trial = load_script("fuzz_trial")
    found = list(trial._problems(Ran(**{**GOOD, **changes})))
    assert len(found) == (problem is not None)
    assert problem is None or found[0].startswith(problem)


@pytest.mark.parametrize("arguments", [("--cases", "0"), ("--jobs", "x")])
def test_bad_arguments_are_named(load_script, monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["fuzz_checkpoints.py", *arguments])
    with pytest.raises(SystemExit) as end:
        load_script("fuzz_checkpoints").main()
    assert end.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err
