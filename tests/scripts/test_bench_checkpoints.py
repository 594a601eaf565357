"""The benchmark of large checkpoints at a small size: its files, its columns, what it leaves."""

from __future__ import annotations

import json

import pytest
import torch
from benches import markdown_table, run_script
from safetensors.torch import load_file

from prunetool.checkpoints.reader import open_checkpoint
from prunetool.reports import report_on

MB = 10**6


@pytest.mark.slow
def test_report_stands_beside_numpy(tmp_path):
    folder = tmp_path / "new"
    done = run_script(
        "bench_checkpoints.py",
        *("--folder", folder, "--gigabytes", 0.02, "--only", "report", "--repeats", 1),
    )
    assert done.returncode == 0, done.stderr
    headings, rows = markdown_table(done.stdout)
    assert (headings[0], headings[-1]) == ("report of", "peak RssAnon, MB")
    assert [row[0] for row in rows] == ["float32, warm", "float32, cold"]
    assert all(len(row) == len(headings) for row in rows)
    assert all(20 < float(row[-1]) < 700 for row in rows), done.stdout
    assert not folder.exists()


@pytest.mark.slow
def test_export_and_finalize_stand_beside_a_copy(tmp_path):
    for command in ("export", "finalize"):
        done = run_script(
            "bench_checkpoints.py",
            *("--folder", tmp_path / "new", "--gigabytes", 0.02, "--repeats", 1),
            *("--only", command),
        )
        assert done.returncode == 0, done.stderr
        headings, [row] = markdown_table(done.stdout)
        assert (headings[0], row[0], len(row)) == ("command", command, len(headings))
        assert 20 < float(row[-1]) < 700
        assert not (tmp_path / "new").exists()


def test_the_shards_are_those_of_a_transformer(load_script, tmp_path):
    making = load_script("bench_making")
    total = making.make_safetensors(tmp_path / "model", 20 * MB, torch.bfloat16)

    assert 0.8 * 20 * MB < total <= 20 * MB
    index = json.loads((tmp_path / "model" / "model.safetensors.index.json").read_text())
    shards = sorted((tmp_path / "model").glob("*.safetensors"))
    assert (len(shards), index["metadata"]) == (making.SHARDS, {"total_size": total})
    tensors = {name: it for shard in shards for name, it in load_file(shard).items()}
    assert set(tensors) == set(index["weight_map"])
    assert sum(it.nbytes for it in tensors.values()) == total
    zeros = {name: float((it == 0).float().mean()) for name, it in tensors.items()}
    assert zeros["blocks.0.mlp.up.weight"] == 0
    assert zeros["blocks.1.mlp.up.weight"] == pytest.approx(making.SPARSITY, abs=0.01)
    assert tensors["embedding.weight"].nbytes == pytest.approx(total / 6, rel=0.1)


def test_the_lightning_checkpoint_has_masks_of_both_kinds(load_script, tmp_path):
    making = load_script("bench_making")
    weights = making.make_lightning(tmp_path / "a.ckpt", 4 * MB)

    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]
    content = torch.load(tmp_path / "a.ckpt")
    state = content["optimizer_states"][0]["state"]
    assert sum(it["exp_avg"].nbytes + it["exp_avg_sq"].nbytes for it in state.values()) == (
        2 * weights
    )
    kinds = [
        sorted(tensor.kinds) for tensor in open_checkpoint(tmp_path / "a.ckpt").tensors.values()
    ]
    assert kinds.count(["torch"]) == kinds.count(["prunetool"]) > 0
    report = report_on(tmp_path / "a.ckpt")
    assert report.total.parameters * 4 == weights
    assert report.prunable.sparsity == pytest.approx(making.SPARSITY, abs=0.01)


def test_a_folder_that_is_there_is_left_alone(load_script, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["bench_checkpoints.py", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        load_script("bench_checkpoints").main()
    assert end.value.code == 2
    assert "is there already" in capsys.readouterr().err
    assert tmp_path.exists()
