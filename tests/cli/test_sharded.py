"""The commands that read checkpoints, on a sharded folder."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import pytest
import saved
import sharded
import torch
from commandline import invoke
from safetensors.torch import load_file

WEIGHT = torch.tensor([[1.0, 2.0, 0.0], [0.0, 5.0, 6.0]])
KEPT = torch.tensor([[1, 0, 0], [0, 0, 1]])
ADAM = {
    "state": {"fc.weight": {"exp_avg": torch.ones(2, 3)}},
    "param_groups": [{"lr": 0.5, "params": ["fc.bias", "fc.weight"]}],
}


@pytest.fixture
def prunetool(monkeypatch, capsys):
    return lambda *arguments: invoke(monkeypatch, capsys, *arguments)


@pytest.fixture
def path(tmp_path):
    """A run folder's last checkpoint: a mask, a ticket beside the weights, an optimizer."""
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    return save(folder / "last.ckpt")


def save(path, optimizer=ADAM, **weights):
    return sharded.save_folder(
        path,
        {
            "fc.weight": WEIGHT,
            "fc.bias": torch.tensor([0.0, 1.0]),
            "norm.running_mean": torch.zeros(2),
            "prunetool.early.fc.weight": WEIGHT,
            **weights,
        },
        entries={"optimizer_0": optimizer},
        callbacks={"ModelPruning": saved.mask_state(fc__weight=KEPT), "Other": {"n": 1}},
        prunetool={"schema": 1, "version": "0.1.0", "parameters": ["fc.weight", "fc.bias"]},
    )


def test_report(prunetool, path, tmp_path):
    result = prunetool("report", path, "--format", "json")

    content = json.loads(result.out)
    assert content["source"] == {"path": str(path), "format": "sharded", "masks": "prunetool"}
    assert [it["name"] for it in content["layers"]] == ["fc.weight", "fc.bias"]
    pruned_set = content["total"]["prunable"].items()
    assert pruned_set >= {"parameters": 6, "zeros": 4, "sparsity": 4 / 6}.items()
    assert prunetool("report", tmp_path / "run", "--format", "json").out == result.out
    assert prunetool("report", path, "--require", "sparsity>=0.9").code == 1


def test_finalize(prunetool, path, tmp_path):
    result = prunetool("finalize", tmp_path / "run")

    target = path.parent / "last.final.ckpt"
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "folded 1 masks of prunetool: fc.weight",
        "sparsity 0.666667 pruned 4 of 6",
        f"wrote {target} ({target.stat().st_size} bytes)",
    ]
    content = torch.load(target, weights_only=True)
    assert list(content["state_dict"]) == ["fc.weight", "fc.bias", "norm.running_mean"]
    assert torch.equal(content["state_dict"]["fc.weight"], saved.FOLDED_WEIGHT)
    assert content["callbacks"] == {"Other": {"n": 1}}
    (optimizer,) = content["optimizer_states"]
    assert optimizer["param_groups"] == [{"lr": 0.5, "params": [0, 1]}]
    assert torch.equal(optimizer["state"][1]["exp_avg"], torch.ones(2, 3))


def test_finalize_of_weights_only(prunetool, path, tmp_path):
    assert prunetool("finalize", path, "-o", tmp_path / "b.ckpt", "--weights-only").code == 0

    content = torch.load(tmp_path / "b.ckpt", weights_only=True)
    assert not {"optimizer_states", "callbacks"} & content.keys()


def test_an_optimizer_that_no_file_has_is_left_out(prunetool, tmp_path):
    path = save(tmp_path / "odd.ckpt", optimizer={"state": {"a": {"b": {"c": torch.ones(1)}}}})

    result = prunetool("finalize", path)

    assert result.code == 0
    assert result.out.splitlines()[2] == (
        "left out the state of the optimizers: optimizer_0.state.a.b.c is nested otherwise than "
        "torch's optimizers nest"
    )
    assert "optimizer_states" not in torch.load(tmp_path / "odd.final.ckpt", weights_only=True)


def test_export(prunetool, path):
    result = prunetool("export", path)

    target = path.parent / "last.safetensors"
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == f"wrote {target} ({target.stat().st_size} bytes)"
    found = load_file(target)
    assert sorted(found) == ["fc.bias", "fc.weight", "norm.running_mean"]
    assert torch.equal(found["fc.weight"], saved.FOLDED_WEIGHT)


@pytest.mark.parametrize("command", ["finalize", "export"])
def test_the_output_may_not_lie_in_the_input(command, prunetool, path):
    before = sorted(path.iterdir())

    result = prunetool(command, path, "-o", path / "new.ckpt")

    assert (result.code, result.out) == (2, "")
    assert "new.ckpt: would lie in the input folder" in result.err
    assert sorted(path.iterdir()) == before


class Attack:
    def __reduce__(self):
        return os.system, ("touch canary",)


@pytest.mark.parametrize("command", ["report", "finalize", "export"])
@pytest.mark.parametrize("where", ["index", "entry", "optimizer", "meta"])
def test_nothing_is_run(where, command, prunetool, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group = {"params": ["fc.weight"], "lr": Attack()}
    path = save(
        tmp_path / "evil.ckpt",
        optimizer={"param_groups": [group]} if where == "optimizer" else ADAM,
        **({"x._extra_state": Attack()} if where == "entry" else {}),
    )
    if where == "index":
        (path / ".metadata").write_bytes(pickle.dumps(Attack()))
    if where == "meta":
        torch.save({"hyper_parameters": Attack()}, path / "meta.pt")

    result = prunetool(command, path)

    assert result.code == (2 if where == "index" else 0), result
    is_named = where == "index" or (where == "entry" and command != "finalize")
    assert result.err.count("\n") == (1 if is_named else 0)
    assert not (tmp_path / "canary").exists()


def test_reading_imports_nothing_of_torchs_reader(path):
    listing = (
        "import sys; from prunetool.cli.app import app; from prunetool.cli.boundary import run; "
        "code = run(app); "
        "print([it for it in sys.modules if it.startswith(('torch.distributed.checkpoint', "
        "'lightning'))], file=sys.stderr); sys.exit(code)"
    )

    done = subprocess.run(
        [sys.executable, "-c", listing, "report", str(path)], capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "[]\n")
