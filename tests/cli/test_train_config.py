"""A LightningCLI project and its config: under its own command, and under ours."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from cli_project import write_cli_project
from commandline import invoke

import prunetool

ROOT = Path(prunetool.__file__).parent.parent
FIT = """fit --model cli_main.Model --model.backbone cli_main.Backbone --model.backbone.depth 2
--data cli_main.Data --data.rows 48 --optimizer torch.optim.AdamW --optimizer.lr 0.02
--lr_scheduler torch.optim.lr_scheduler.StepLR --lr_scheduler.step_size 1 --lr_scheduler.gamma 0.5
--seed_everything 7 --trainer.max_epochs 3 --trainer.accelerator cpu
--trainer.enable_progress_bar false --trainer.log_every_n_steps 1
--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor=val_loss
--trainer.callbacks.patience=7 --trainer.callbacks+=prunetool.ModelPruning
--trainer.callbacks.sparsity=0.75 --trainer.callbacks.end=2
--trainer.callbacks.parameters_to_prune=[first.weight,backbone.layers.1.weight]
--trainer.callbacks.use_lottery_ticket_hypothesis=false"""
LOGS = Path("lightning_logs")


def own_command(folder, *arguments):
    """Run the project's own ``main.py``."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    result = subprocess.run(
        [sys.executable, "cli_main.py", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr


def weights(path):
    return torch.load(path, weights_only=True, map_location="cpu")["state_dict"]


def equal(one, other):
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project after two runs of its own: with our callback, and dense from a config file."""
    folder = write_cli_project(tmp_path_factory.mktemp("project"))
    own_command(folder, *FIT.split())
    config = yaml.safe_load((folder / LOGS / "version_0/config.yaml").read_text())
    config["trainer"]["callbacks"] = config["trainer"]["callbacks"][:1]
    (folder / "dense.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    own_command(folder, "fit", "--config", "dense.yaml")
    return folder


@pytest.fixture
def train(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setattr("sys.path", list(sys.path))

    def run(*arguments):
        return invoke(monkeypatch, capsys, "train", *arguments)

    yield run
    sys.modules.pop("cli_main", None)


@pytest.fixture(scope="module")
def saved(project):
    """The config that LightningCLI wrote, every default in it."""
    return yaml.safe_load((project / LOGS / "version_1/config.yaml").read_text())


@pytest.fixture
def write(project, saved):
    """Write the config with a pruning section and changes, by path."""

    def to(name, changes, pruning):
        config = {**copy.deepcopy(saved), "pruning": pruning}
        for path, value in changes.items():
            *above, last = path.split(".")
            place = config
            for key in above:
                place = place[int(key) if key.isdigit() else key]
            place[last] = value
        (project / name).write_text(yaml.safe_dump(config, sort_keys=False))
        return name

    return to


def test_our_callback_under_the_projects_own_command(project):
    (file,) = (project / LOGS / "version_0/checkpoints").iterdir()
    pruned = weights(file)
    zeros = {name: int((tensor == 0).sum()) for name, tensor in pruned.items()}
    assert sum(zeros.values()) == round(0.75 * (4 * 8 + 8 * 8))
    assert {name for name, count in zeros.items() if count} == {
        "first.weight", "backbone.layers.1.weight"
    }  # fmt: skip


def test_the_projects_config_runs_as_it_is_and_repeats(train, write):
    """Trained dense it gives the very weights of the project's own run."""
    result = train("--config", write("dense.yaml", {}, {"sparsity": 0}), "--output", "dense")
    assert result.code == 0, result.err
    assert "takes the place of Model.configure_optimizers" in result.err
    (own,) = (LOGS / "version_1/checkpoints").iterdir()
    assert equal(weights("dense/checkpoints/last.ckpt"), weights(own))

    pruning = {"sparsity": 0.5, "exclude": ["last.*"], "every": "2s", "end": "8s"}
    result = train("--config", write("mine.yaml", {}, pruning), "--output", "one")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == (
        "sparsity asked 0.500000 achieved 0.500000 pruned 80 of 160"
    )
    content = torch.load("one/checkpoints/last.ckpt", weights_only=True)
    assert content["hyper_parameters"]["backbone"] == {
        "class_path": "cli_main.Backbone", "init_args": {"width": 8, "depth": 2}
    }  # fmt: skip
    assert content["lr_schedulers"][0]["_last_lr"] == [0.02 * 0.5**3]
    assert any("EarlyStopping" in key for key in content["callbacks"])

    again = train("--config", "one/config.yaml", "--output", "two")
    assert again.code == 0, again.err
    assert equal(weights("one/checkpoints/last.ckpt"), weights("two/checkpoints/last.ckpt"))
    both = [Path(run, "config.yaml").read_text().splitlines()[1:] for run in ("one", "two")]
    assert both[0] == both[1]

    longer = train("one", "--resume", "--max-epochs", "4")
    assert longer.code == 0, longer.err
    shutil.copy("one/checkpoints/last.ckpt", "start.ckpt")
    changes = {"ckpt_path": "start.ckpt", "trainer.max_epochs": 4}
    over = train("--config", write("on.yaml", changes, pruning), "--output", "on")
    assert (over.code, "ckpt_path start.ckpt: is of 4 epochs already" in over.err) == (2, True)
    on = train("--config", "on.yaml", "--max-epochs", "5", "--output", "on")
    assert on.code == 0, on.err
    steps = [torch.load(f"{it}/checkpoints/last.ckpt")["global_step"] for it in ("one", "on")]
    assert steps == [24, 30]
    on = train("one/checkpoints/last.ckpt", "--data", "cli_main.Data", "--output", "three",
               "--max-epochs", "1", "--accelerator", "cpu")  # fmt: skip
    assert on.code == 0, on.err  # the model and its backbone are built from the checkpoint


def test_what_is_printed_is_a_config(train, write, project):
    arguments = {"backbone": {"class_path": "cli_main.py:Backbone"}}
    pruning = {"sparsity": 0.5, "pattern": "2:4"}
    file = write("own.yaml", {"model.init_args": arguments}, pruning)
    result = train("--config", file, "--seed", "3", "--print-config")
    assert (result.code, result.err) == (0, "")
    printed = yaml.safe_load(result.out)
    assert printed["seed_everything"] == 3
    assert printed["model"]["init_args"] == {
        "backbone": {"class_path": "cli_main.py:Backbone"}, "hidden": 4, "scale": 1.0
    }  # fmt: skip
    assert "    # units.\n    hidden: 4\n" in result.out
    assert "  # What goes together: elements, channels (of --dim), or N:M" in result.out
    assert printed["trainer"]["gradient_clip_val"] is None
    (project / "printed.yaml").write_text(result.out)
    result = train("--config", "printed.yaml", "--max-epochs", "1", "--output", "printed")
    assert result.code == 0, result.err
    assert yaml.safe_load(Path("printed/config.yaml").read_text())["seed_everything"] == 3


def test_print_config_without_a_target(train):
    result = train("--print-config", "--amount", "0.2")
    assert result.code == 0, result.err
    printed = yaml.safe_load(result.out)
    assert (printed["model"], printed["pruning"]["amount"]) == (None, 0.2)


BAD = [
    ({"model.init_args.hidden": "many"}, [], "model.init_args.hidden: expected int, got 'many'"),
    ({"model.init_args.hiden": 3}, [], "model.init_args.hiden: Model has no such argument; did"),
    ({"model.init_args.backbone.init_args.depth": "x"}, [],
     "model.init_args.backbone.init_args.depth: expected int, got 'x'"),
    ({"model.init_args.backbone.init_args": {"deep": 3}}, [],
     "model.init_args.backbone: there is no argument 'deep'"),
    ({"model.init_args.backbone": {"class_path": "cli_main.Backbon"}}, [],
     "model.init_args.backbone: class_path cli_main.Backbon: cli_main has no attribute 'Backbon'"),
    ({"model.init_args.backbone": {"class_path": "cli_main.Data"}}, [],
     "model.init_args.backbone: cli_main.Data is not a subclass of Module"),
    ({"data.init_args.rows": "all"}, [], "data.init_args.rows: expected int, got 'all'"),
    ({"trainer.log_every_n_steps": "x"}, [],
     "trainer.log_every_n_steps: expected int or null, got 'x'"),
    ({"trainer.max_epoch": 3}, [], "trainer.max_epoch: the Trainer has no such argument; did you"),
    ({"trainer.callbacks.0.init_args.patience": "x"}, [],
     "trainer.callbacks[0].init_args.patience: expected int, got 'x'"),
    ({"trainer.callbacks": {"class_path": "prunetool.ModelPruning"}}, [],
     "trainer.callbacks: ModelPruning would prune beside train"),
    ({"trainer.callbacks": [{"class_path": "lightning.pytorch.callbacks.ModelPruning",
                             "init_args": {"pruning_fn": "l1_unstructured"}}]}, [],
     "trainer.callbacks[0]: ModelPruning would prune beside train"),
    ({"trainer.enable_checkpointing": False}, [], "a run keeps its checkpoints"),
    ({"trainer.logger": 3}, [], "trainer.logger: expected class_path and init_args, got 3"),
    ({"optimizer.init_args.lr": "x"}, [], "optimizer.init_args.lr: expected float"),
    ({"optimizer": {"class_path": "cli_main.Data"}}, [], "cli_main.Data is not a subclass of"),
    ({"optimizer": None}, [], "lr_scheduler: schedules an optimizer, and there is no such section"),
    ({"lr_scheduler": {"class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau"}}, [],
     "lr_scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau does not say what it watches; take"),
    ({"model.init_args": {1: 3}}, [], "model.init_args: expected the name of an argument, got 1"),
    ({"model.init_args.backbone.init_args": {1: 3}}, [],
     "model.init_args.backbone: expected the name of an argument, got 1"),
    ({"trainer": {5: 3}}, [], "trainer: expected the name of an argument, got 5"),
    ({"seed_everything": 2**32}, [], "seed_everything 4294967296: expected 4294967295 or less"),
    ({"model.class_path": "cli_main.Modell"}, [], "model.class_path: cli_main has no attribute"),
    ({}, ["--seed", 2**32], "error: --seed 4294967296: expected 4294967295 or less"),
    ({}, ["--model-arg", "hidden=many"], "error: --model-arg hidden: expected int, got 'many'"),
    ({}, ["--trainer", "limit_val_batches=x"], "error: --trainer limit_val_batches: expected"),
    ({}, ["--trainer", "logger=csv"], "--trainer logger: expected a class, got 'csv'; take --log"),
    ({}, ["--trainer", "callbacks=x"], "callbacks of your own go into a --config FILE"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "arguments", "fragment"), BAD)
def test_bad_values_are_one_line(train, write, changes, arguments, fragment):
    file = write("bad.yaml", changes, {"sparsity": 0.5})
    result = train("--config", file, *arguments, "--output", "bad", "-q")
    assert (result.code, result.out) == (2, ""), result.err
    (line,) = result.err.splitlines()
    assert fragment in line
    assert line.startswith("error: --" if arguments else "error: --config bad.yaml: ")


def test_a_mistake_in_a_constructor_keeps_its_traceback(train, write):
    backbone = {"class_path": "cli_main.Breaks"}
    file = write("bad.yaml", {"model.init_args.backbone": backbone}, {})
    result = train("--config", file, "--output", "bad", "-q")
    assert result.code == 2
    assert "Traceback" in result.err
    assert "RuntimeError: a mistake in a backbone" in result.err


def test_the_projects_checkpoints_and_logger_beside_ours(train, write):
    changes = {
        "trainer.callbacks": [{"class_path": "ModelCheckpoint",
                               "init_args": {"monitor": "val_loss", "save_last": True}}],
        "trainer.max_epochs": 1,
    }  # fmt: skip
    assert train("--config", write("a.yaml", changes, {}), "--output", "a").code == 0
    assert {file.name for file in Path("a/checkpoints").iterdir()} == {"last.ckpt"}
    assert (Path("a/model-checkpoints/last.ckpt")).exists()
    changes["trainer.logger"] = {"class_path": "CSVLogger", "init_args": {"save_dir": "logs"}}
    assert train("--config", write("b.yaml", changes, {}), "--output", "b").code == 0
    assert (Path("logs/lightning_logs/version_0/metrics.csv")).exists()


def test_a_mistake_that_only_a_callback_finds_is_one_line(train, write):
    callbacks = [{"class_path": "EarlyStopping", "init_args": {"monitor": "nope"}}]
    result = train("--config", write("e.yaml", {"trainer.callbacks": callbacks}, {}), "-q")
    assert result.code == 2
    assert result.err.startswith("error: Early stopping conditioned on metric `nope` which is not")
    assert result.err.count("\n") == 1


def test_a_callback_that_needs_a_logger_gets_one(train, write):
    changes = {"trainer.callbacks": [{"class_path": "LearningRateMonitor"}],
               "trainer.max_epochs": 1}  # fmt: skip
    file = write("lr.yaml", changes, {})
    assert train("--config", file, "--output", "lr").code == 0
    assert Path("lr/logs/metrics.csv").read_text().startswith("epoch,lr-AdamW,")
    assert yaml.safe_load(Path("lr/config.yaml").read_text())["prunetool"]["logger"] == "csv"
    result = train("--config", file, "--logger", "none", "--output", "none", "-q")
    assert (result.code, "has no logger.; add --logger csv" in result.err) == (2, True), result.err


def test_loggers_of_a_file_log_beside_the_runs_own(train, write):
    csv = {"class_path": "CSVLogger", "init_args": {"save_dir": "beside"}}
    file = write("b.yaml", {"trainer.logger": csv, "trainer.max_epochs": 1}, {})
    assert train("--config", file, "--logger", "csv", "--output", "both").code == 0
    theirs, ours = Path("beside/lightning_logs/version_0"), Path("both/logs")
    assert (theirs / "metrics.csv").read_text() == (ours / "metrics.csv").read_text()
    assert train("--config", file, "--logger", "none", "--output", "none").code == 0
    assert len(list(theirs.parent.iterdir())) == 1


def test_files_are_laid_over_each_other(train, write):
    base = write("base.yaml", {"trainer.max_epochs": 1}, {"sparsity": 0.5, "end": 1})
    Path("over.yaml").write_text("seed_everything: 3\npruning: {sparsity: 0.25}\n")
    result = train("--config", base, "--config", "over.yaml", "--output", "over")
    assert (result.code, result.out.splitlines()[-1].split()[2]) == (0, "0.250000"), result.err
    found = yaml.safe_load(Path("over/config.yaml").read_text())
    assert (found["seed_everything"], found["pruning"]["end"]) == (3, 1)

    Path("over.yaml").write_text("pruning: {start: 3x}\n")
    result = train("--config", base, "--config", "over.yaml", "-q")
    assert result.err.startswith("error: --config over.yaml: pruning.start: expected epochs")
    Path("over.yaml").write_text("model: {class_path: cli_main.Other}\n")
    result = train("--config", base, "--config", "over.yaml", "--print-config")
    assert result.err.startswith("error: --config over.yaml: model.class_path: cli_main has no")


def test_a_class_from_the_command_line_for_arguments_without_one(train, write):
    changes = {
        "model": {"backbone": {"class_path": "cli_main.Backbone"}, "hidden": 5},
        "data": {"rows": 16},
        "trainer.max_epochs": 1,
    }
    file = write("plain.yaml", changes, {})
    result = train("--config", file, "--output", "plain")
    assert (result.code, "TARGET is missing" in result.err) == (2, True)
    result = train("cli_main:Model", "--data", "cli_main:Data", "--config", file, "-o", "plain")
    assert result.code == 0, result.err
    assert weights("plain/checkpoints/last.ckpt")["first.weight"].shape == (5, 8)
