from __future__ import annotations

import pytest
import saved
import torch
from commandline import invoke


@pytest.fixture
def prunetool(monkeypatch, capsys):
    return lambda *arguments: invoke(monkeypatch, capsys, *arguments)


@pytest.fixture
def path(tmp_path):
    return saved.save_masked(tmp_path / "a.ckpt")


def test_what_was_done_is_printed(prunetool, path, tmp_path):
    result = prunetool("finalize", path)

    target = tmp_path / "a.final.ckpt"
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "folded 2 masks of prunetool: fc.weight, head.weight",
        "sparsity 0.666667 pruned 4 of 6",
        f"wrote {target} ({target.stat().st_size} bytes)",
    ]
    weights = torch.load(target)["state_dict"]
    assert torch.equal(weights["fc.weight"], saved.FOLDED_WEIGHT)


def test_quiet_prints_the_path(prunetool, path, tmp_path):
    result = prunetool("finalize", path, "-o", tmp_path / "b.ckpt", "--weights-only", "--quiet")

    assert (result.code, result.out, result.err) == (0, f"{tmp_path / 'b.ckpt'}\n", "")
    assert "optimizer_states" not in torch.load(tmp_path / "b.ckpt")


def test_a_checkpoint_without_masks(prunetool, tmp_path):
    path = saved.save_lightning(tmp_path / "a.ckpt", {"w": torch.ones(1)})

    result = prunetool("finalize", path)

    assert result.code == 0
    assert result.out.startswith("no masks in the checkpoint: nothing to fold\nwrote ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.ckpt"], "none.ckpt: no such file or folder; did you mean old.ckpt or a.ckpt?"),
        (["a.ckpt", "-o", "old.ckpt"], "old.ckpt: exists already; pass --force to replace it"),
        (["a.ckpt", "-o", "a.ckpt", "--force"], "a.ckpt: the output would replace the input"),
        (["a.ckpt", "-o", "none/b.ckpt"], "none/b.ckpt: the folder none does not exist"),
        (["a.ckpt", "--wieghts-only"], "No such option: --wieghts-only"),
        ([], "Missing argument 'CKPT'"),
    ],
)
def test_bad_usage(arguments, message, prunetool, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.ckpt").write_bytes(b"old")
    before = {it.name: it.read_bytes() for it in tmp_path.iterdir()}

    result = prunetool("finalize", *arguments)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert {it.name: it.read_bytes() for it in tmp_path.iterdir()} == before


def test_force_replaces_an_older_output(prunetool, path, tmp_path):
    (tmp_path / "a.final.ckpt").write_bytes(b"old")

    assert prunetool("finalize", path, "--force").code == 0
    assert "state_dict" in torch.load(tmp_path / "a.final.ckpt")


def test_masks_of_a_copy_alone_are_folded_and_named(prunetool, tmp_path):
    live = {"w_orig": torch.tensor([1.0, 2.0]), "w_mask": torch.tensor([0.0, 1.0])}
    content = {"pytorch-lightning_version": "2.6.6", "state_dict": {"w": torch.ones(2)}}
    torch.save({**content, "current_model_state": live}, tmp_path / "ema.ckpt")

    result = prunetool("finalize", tmp_path / "ema.ckpt")

    assert result.out.splitlines()[0] == "folded masks in current_model_state"
    again = torch.load(tmp_path / "ema.final.ckpt")
    assert again["current_model_state"]["w"].tolist() == [0.0, 2.0]
    assert again["state_dict"]["w"].tolist() == [1.0, 1.0]
