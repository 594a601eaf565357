from __future__ import annotations

import os

import pytest
import torch
from tiny import batches, seeded, trainer

from prunetool.errors import OutputError
from prunetool.training.building.trees import Tree
from prunetool.training.recording.checkpoint_files import keep_as, save, writes_one_file
from prunetool.training.recording.checkpoint_io import checkpoint_io, with_checkpoint_io

TREES = [Tree("lightning.pytorch"), Tree("pytorch_lightning")]


def fitted(**arguments):
    run = trainer(**arguments)
    run.fit(seeded(), batches(), batches())
    return run


def names(folder):
    return sorted(it.name for it in folder.iterdir())


def test_it_is_saved_at_once(tmp_path):
    save(fitted(), tmp_path / "last.ckpt")
    assert names(tmp_path) == ["last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] > 0


def test_the_file_system_refuses(tmp_path):
    run = fitted()
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    expected = r"last\.ckpt: cannot be written: the folder \S+checkpoints is gone; start the run"
    with pytest.raises(OutputError, match=expected):
        save(run, path)
    path.mkdir(parents=True)  # something is there, and it is no checkpoint: it steps aside
    (path / "file").write_text("")
    save(run, path)
    assert path.is_file()
    assert names(path.parent) == ["last.ckpt"]


def test_a_plugin_of_the_users_is_left_out_of_it(tmp_path):
    class Slow(checkpoint_io(TREES[0]).__class__.__mro__[2]):
        def save_checkpoint(self, *args, **kwargs):
            raise AssertionError("not for our files")

    run = fitted(plugins=[Slow()])
    assert type(run.strategy.checkpoint_io) is Slow
    save(run, tmp_path / "last.ckpt")
    assert type(run.strategy.checkpoint_io) is Slow
    with pytest.raises(AssertionError, match="not for our files"):
        run.save_checkpoint(tmp_path / "mine.ckpt")


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.package)
def test_the_plugin_belongs_to_the_models_lightning(tree, tmp_path):
    (plugin,) = with_checkpoint_io(tree, {})
    plugin.save_checkpoint({"a": torch.ones(2)}, tmp_path / "new" / "mine.ckpt")
    assert names(tmp_path / "new") == ["mine.ckpt"]
    assert plugin.load_checkpoint(tmp_path / "new" / "mine.ckpt")["a"].tolist() == [1, 1]
    assert with_checkpoint_io(tree, {"plugins": plugin}) == [plugin]
    assert with_checkpoint_io(tree, {"plugins": [plugin]}) == [plugin]
    with pytest.raises(OutputError, match=r"mine\.ckpt/x\.ckpt: cannot be written: "):
        plugin.save_checkpoint({}, tmp_path / "new" / "mine.ckpt" / "x.ckpt")
    with pytest.raises(TypeError, match="storage_options"):
        plugin.save_checkpoint({}, tmp_path / "x.ckpt", storage_options={})


def test_who_writes_what(tmp_path):
    strategies = TREES[0].load("strategies")
    assert writes_one_file(fitted().strategy)
    assert writes_one_file(strategies.DDPStrategy())
    assert not writes_one_file(strategies.ModelParallelStrategy())


def test_kept_under_a_second_name(tmp_path):
    last, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    last.write_text("one")
    for _ in range(2):  # a second time changes nothing, and leaves nothing
        keep_as(last, best)
        assert names(tmp_path) == ["best.ckpt", "last.ckpt"]
    assert os.stat(last).st_ino == os.stat(best).st_ino
