from __future__ import annotations

from pathlib import Path

import pytest

from prunetool.checkpoints.targets import default_target, leftovers


@pytest.mark.parametrize(
    ("source", "dense", "sparse"),
    [
        ("a.ckpt", "a.safetensors", "a.sparse.safetensors"),
        ("epoch=3.final.ckpt", "epoch=3.final.safetensors", "epoch=3.final.sparse.safetensors"),
        ("m.safetensors", "m.dense.safetensors", "m.sparse.safetensors"),
        ("m.sparse.safetensors", "m.dense.safetensors", "m.sparse.safetensors"),
        ("m.safetensors.index.json", "m.dense.safetensors", "m.sparse.safetensors"),
        ("pytorch_model.bin.index.json", "pytorch_model.safetensors", None),
        ("bert-v1.5/", "bert-v1.5.safetensors", "bert-v1.5.sparse.safetensors"),
        ("sharded.ckpt/", "sharded.safetensors", "sharded.sparse.safetensors"),
    ],
)
def test_the_name_of_the_output(source, dense, sparse, tmp_path):
    path = tmp_path / source
    if source.endswith("/"):
        path.mkdir()

    assert default_target(path) == tmp_path / dense
    if sparse is not None:
        assert default_target(path, sparse=True) == tmp_path / sparse


def test_a_folder_that_is_named_by_dots(tmp_path, monkeypatch):
    (tmp_path / "model" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "model" / "sub")

    assert default_target(Path(".")) == tmp_path / "model" / "sub.safetensors"
    assert default_target(Path("..")) == tmp_path / "model.safetensors"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', "[" * 100_000]
)
def test_an_index_that_is_none_names_nothing(content, tmp_path):
    index = tmp_path / "a.safetensors.index.json"
    index.write_text(content)
    (tmp_path / "a-00001-of-00002.safetensors").write_bytes(b"")

    assert leftovers(tmp_path / "a.safetensors", [tmp_path / "a.safetensors"]) == [index]
