from __future__ import annotations

import csv
import json
import os
import warnings
from pathlib import Path

import lightning.pytorch as pl
import pytest
import torch
import yaml
from commandline import invoke
from project import fresh_imports, write_project

from prunetool.checkpoints.reader import open_checkpoint

DONE = "sparsity asked 0.500000 achieved 0.500000 pruned 36 of 72"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(write_project(tmp_path))
    with fresh_imports():
        yield tmp_path


@pytest.fixture
def train(project, monkeypatch, capsys):
    """Run ``prunetool train`` on the CPU, quietly, into the folder ``out``."""

    def run(*arguments, epochs=2, output="out"):
        more = [] if epochs is None else ["--max-epochs", epochs]
        more += [] if output is None else ["--output", output]
        own_place = {"--resume", "--accelerator"} & set(arguments)
        place = [] if own_place else ["--accelerator", "cpu"]
        return invoke(monkeypatch, capsys, "train", *arguments, *more, *place)

    return run


def metrics(folder="out"):
    with open(f"{folder}/metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    ["net:Net", "net.Net", "net.py:Net", "package/models.py:Net", "older:Net"],
)
def test_classes(train, target):
    result = train(target)
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == DONE
    content = torch.load("out/checkpoints/last.ckpt", weights_only=True)
    assert content["prunetool"]["model"] == {"target": target, "args": {}}
    assert (
        sum(int((content["state_dict"][f"{n}.weight"] == 0).sum()) for n in ("first", "last")) == 36
    )


def test_a_factory_with_an_argument_and_data(train):
    (result) = train("net.py:make", "--model-arg", "hidden=10", "--data", "net:Data")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == (
        "sparsity asked 0.500000 achieved 0.500000 pruned 45 of 90"
    )


def test_a_checkpoint_of_prunetool(train):
    assert train("net:Net", "--sparsity", "0.75").code == 0
    first = open_checkpoint(Path("out/checkpoints/last.ckpt"))
    masked = first.tensors["first.weight"].read() == 0
    result = train("out/checkpoints/last.ckpt", "--sparsity", "0.875", output="next")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1].startswith("sparsity asked 0.875000 achieved 0.875000")
    assert "goes on with its masks: 54 of 72 elements pruned" in result.err
    after = open_checkpoint(Path("next/checkpoints/last.ckpt")).tensors["first.weight"].read() == 0
    assert bool(after[masked].all())


@pytest.mark.parametrize("extra", [[], ["--model-arg", "hidden=6"]])
def test_a_checkpoint_of_a_plain_trainer(project, train, extra):
    torch.save(
        {
            "pytorch-lightning_version": "2.6.6",
            "hyper_parameters": {"hidden": 6 if not extra else 99},
            "state_dict": plain_weights(),
        },
        "plain.ckpt",
    )
    result = train("plain.ckpt", "--model", "net:Net", *extra, "--sparsity", "0", epochs=1)
    assert result.code == 0, result.err
    # One epoch of Adam at 0.01 stays near where it began.
    weight = open_checkpoint(Path("out/checkpoints/last.ckpt")).tensors["first.weight"].read()
    assert torch.allclose(weight, torch.full((6, 8), 0.25), atol=0.1)


def plain_weights():
    return {
        "first.weight": torch.full((6, 8), 0.25),
        "first.bias": torch.zeros(6),
        "last.weight": torch.full((1, 6), 0.25),
        "last.bias": torch.zeros(1),
    }


def test_zeros_become_masks_where_asked(train):
    weights = plain_weights()
    weights["first.weight"][:, :4] = 0
    torch.save({"pytorch-lightning_version": "2.6.6", "state_dict": weights}, "zeros.ckpt")
    arguments = ("zeros.ckpt", "--model", "net:Net", "--model-arg", "hidden=6")

    kept = train(*arguments, "--masks-from-zeros", "--sparsity", "0.5", output="kept")
    assert "24 zeros in 1 tensors are taken for masks" in kept.err
    first = open_checkpoint(Path("kept/checkpoints/last.ckpt")).tensors["first.weight"].read()
    assert bool((first[:, :4] == 0).all())

    filled = train(*arguments, "--sparsity", "0", output="filled")
    assert "no masks, but 24 zeros in 1 tensors" in filled.err
    first = open_checkpoint(Path("filled/checkpoints/last.ckpt")).tensors["first.weight"].read()
    assert not bool((first == 0).any())


def test_a_checkpoint_that_does_not_fit(train):
    torch.save({"state_dict": plain_weights()}, "six.ckpt")
    result = train("six.ckpt", "--model", "net:Net")
    assert result.code == 2
    assert "error: six.ckpt: does not fit Net: size mismatch for first.weight" in result.err
    assert len(result.err.splitlines()) == 2  # the run folder, and the error


# --- wrong spellings ----------------------------------------------------------------------------

WRONG = [
    (["nett:Net"], "no module named 'nett'; did you mean 'net'?"),
    (["nett.py:Net"], "nett.py: no such file in the current folder"),
    (["nowhere.ckpt"], "nowhere.ckpt: no such file or folder"),
    (["net:Nett"], "net has no attribute 'Nett'; did you mean 'Net'?"),
    (["net:NotAModel"], "expected a LightningModule, got the class NotAModel"),
    (["net:make_nothing"], "make_nothing() returned None; expected a LightningModule"),
    (["net:Needy"], "Needy needs the argument width: add --model-arg width=VALUE"),
    (["net:Net", "--model-arg", "hiden=3"], "Net has no such argument; did you mean 'hidden'?"),
    (["net:Net", "--model-arg", "hidden"], "--model-arg hidden: expected KEY=VALUE"),
    (["net:Plain"], "Plain has no train_dataloader; add one, or give"),
    (["net:Net", "--data", "net:Dta"], "did you mean 'Data'?"),
    (["net:Net", "--data-arg", "seed=1"], "--data-arg seed: only together with --data"),
    (["net:Net", "--model", "net:Net"], "--model net:Net: only for a checkpoint"),
    (["net:Net", "--app-dir", "nowhere"], "--app-dir nowhere: no such folder"),
    (["net:Net", "--masks-from-zeros"], "--masks-from-zeros: only where TARGET is a checkpoint"),
    (["net:Net", "--include", "firts.*"], "'firts.*' matches no parameter; the closest names are"),
    (["net:Net", "--exclude", "x"], "'x' matches no parameter"),
    (["net:Net", "--parameter-names", "wieght"], "--parameter-names wieght: expected weight"),
    (["net:Net", "--pruning-fn", "l2"], "--pruning-fn l2: expected l1_unstructured"),
    (["net:Net", "--pruning-fn", "net:Net"], "BasePruningMethod"),
    (["net:Net", "--pruning-fn", "ln_structured"], "needs --dim"),
    (["net:Net", "--pruning-fn", "ln_structured", "--dim", "0"], "needs --norm"),
    (["net:Net", "--norm", "x", "--pruning-fn", "ln_structured", "--dim", "0"], "'nuc'"),
    (["net:Net", "--pattern", "4:2"], "--pattern 4:2: keeps 4 of each 2"),
    (["net:Net", "--pattern", "3:5"], "3:5"),
    (["net:Net", "--schedule", "net:number"], "--schedule net:number: expected one-shot"),
    (["net:Net", "--sparsity", "1.5"], "--sparsity 1.5: expected a fraction in [0, 1)"),
    (["net:Net", "--sparsity", "0.5", "--amount", "0.1"], "--amount and --sparsity exclude"),
    (["net:Net", "--amount", "lots"], "--amount lots: expected a number, or the import path"),
    (["net:Net", "--amount", "net:number"], "--amount net:number: expected a number, or"),
    (["net:Net", "--schedule", "cubik"], "did you mean 'cubic'?"),
    (["net:Net", "--start", "soon"], "expected epochs like 3 or steps like '500s'"),
    (["net:Net", "--start", "2", "--end", "1"], "expected a moment after the start"),
    (["net:Net", "--apply-pruning", "5-2"], "the range ends before it begins"),
    (["net:Net", "--apply-pruning", "maybe"], "--apply-pruning maybe: expected true, false"),
    (["net:Net", "--lottery-epochs", "1", "--no-lottery-ticket"], "exclude each other"),
    (["net:Net", "--trainer", "acumulate=2"], "the Trainer has no such argument"),
    (["net:Net", "--trainer", "max_epochs=2"], "has an option of its own, --max-epochs"),
    (["net:Net", "--trainer", "callbacks=[]"], "is set by prunetool itself"),
    (["net:Net", "--trainer", "val_check_interval=3.5"], "the Trainer refuses its options"),
    (["net:Net", "--accelerator", "gpuu"], "`accelerator='gpuu'`"),
    (["net:Net", "--monitor", "val_acc"], "--monitor val_acc: expected NAME:min or NAME:max"),
    (["net:Net", "--monitor", "val_los:min"], "it logs train_loss, val_loss; did you mean"),
    (["net:Net", "--config", "no.yaml"], "--config no.yaml: No such file"),
    (["net:Net", "--resume"], "net:Net: no such run folder or checkpoint to resume"),
    (["net:Net", "--sparsty", "0.5"], "No such option"),
    ([], "TARGET is missing"),
]


@pytest.mark.parametrize(("arguments", "fragment"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_bad_input_is_one_line_and_exit_2(train, arguments, fragment):
    limits = {"output": None, "epochs": None} if "--resume" in arguments else {}
    result = train(*arguments, **limits)
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert (result.code, len(errors)) == (2, 1), result.err
    assert fragment in errors[0]
    assert "Traceback" not in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("broken:Net", "ModuleNotFoundError: No module named 'there_is_no_such_module'"),
        ("net:BreaksInInit", "ValueError: a mistake in __init__"),
        ("net:BreaksInTraining", "RuntimeError: a mistake in training_step"),
    ],
)
def test_an_error_in_the_users_code_keeps_its_traceback(train, target, line):
    result = train(target)
    assert result.code == 2
    assert "Traceback (most recent call last):" in result.err
    assert line in result.err.splitlines()
    assert result.err.splitlines()[-1].startswith("error: your code raised")


# --- what to prune, how much and when -----------------------------------------------------------

COUNTS = [
    (["--include", "first.*"], 32, 64),
    (["--exclude", "last.weight"], 32, 64),
    (["--include", "first.bias"], 4, 8),
    (["--parameter-names", "bias", "--include", "*.bias"], 4, 9),
    (["--local", "--sparsity", "0.25"], 18, 72),
    (["--sparsity", "0.9", "--schedule", "one-shot"], 65, 72),
    (["--amount", "0.5"], 54, 72),
    (["--amount", "10"], 20, 72),
    (["--amount", "net:half"], 54, 72),
    (["--amount", "0.5", "--apply-pruning", "1"], 36, 72),
    (["--amount", "0.5", "--apply-pruning", "false"], 0, 72),
    (["--pruning-fn", "random_unstructured"], 36, 72),
    (["--pruning-fn", "ln_structured", "--dim", "0", "--norm", "inf", "--include", "first.*",
      "--amount", "2"], 32, 64),
    (["--pruning-fn", "torch.nn.utils.prune.L1Unstructured"], 36, 72),
    (["--start", "2s", "--end", "6s", "--every", "2s"], 36, 72),
    (["--lottery-epochs", "all", "--amount", "0.5"], 54, 72),
    (["--lottery-ticket", "--amount", "0.5", "--rounds", "2"], 36, 72),
    (["--schedule", "net:at_once"], 36, 72),
    (["--criterion", "random", "--allocation", "erk"], 36, 72),
    (["--criterion", "saliency", "--allocation", "lamp"], 36, 72),
    (["--criterion", "movement", "--max-layer-sparsity", "0.5"], 36, 72),
    (["--pattern", "2:4"], 36, 72),
    (["--pattern", "1:4"], 54, 72),
    (["--pattern", "3:5", "--skip-unfit", "--model-arg", "hidden=5"], 2, 5),
    (["--pattern", "channels", "--dim", "0", "--include", "first.*"], 32, 64),
    (["--pattern", "channels", "--dim", "1", "--norm", "-inf", "--global",
      "--include", "first.*"], 32, 64),
    (["--allocation", "uniform", "--min-layer-density", "0.5"], 36, 72),
    (["--lottery-epochs", "0", "--amount", "0.5", "--rewind-step", "2"], 54, 72),
    (["--keep-masks"], 36, 72),
    (["--sparsity", "0"], 0, 72),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:ModelPruning.*compounds", "ignore:ModelPruning.*rising")
@pytest.mark.parametrize(
    ("arguments", "pruned", "of"), COUNTS, ids=[" ".join(c[0]) for c in COUNTS]
)
def test_what_is_pruned(train, arguments, pruned, of):
    result = train("net:Net", *arguments)
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1].endswith(f"pruned {pruned} of {of}")
    prunable = json.loads(Path("out/report.json").read_text())["total"]["prunable"]
    assert prunable["zeros"] >= pruned


def test_kept_masks_have_torchs_layout(train):
    assert train("net:Net", "--keep-masks").code == 0
    weights = torch.load("out/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert {"first.weight_orig", "first.weight_mask"} <= weights.keys()
    assert "first.weight" not in weights


def test_too_few_events_are_exit_1_with_the_achieved_figure(train):
    result = train("net:Net", "--start", "5")
    assert result.code == 1
    assert result.out.splitlines()[-1] == (
        "sparsity asked 0.500000 achieved 0.000000 pruned 0 of 72"
    )
    assert "the sparsity asked for was not reached: 0 of 36 elements, 0.000000" in result.err


# --- the run folder -----------------------------------------------------------------------------


def test_what_a_run_leaves(train):
    result = train("net:Net", "--monitor", "val_loss:min", epochs=3)
    assert result.code == 0, result.err
    files = sorted(
        os.path.relpath(os.path.join(d, f), "out") for d, _, fs in os.walk("out") for f in fs
    )
    assert files == [
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "config.yaml",
        "events.csv",
        "histograms.json",
        "metrics.csv",
        "report.json",
    ]
    rows = metrics()
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "4"), ("2", "8"), ("3", "12")]
    assert list(rows[0]) == ["epoch", "step", "sparsity", "val_loss", "train_loss"]
    assert rows[2]["sparsity"] == "0.500000"
    config = yaml.safe_load(Path("out/config.yaml").read_text())
    assert config["model"] == {"class_path": "net:Net", "init_args": {}}
    assert (config["pruning"]["sparsity"], config["seed_everything"]) == (0.5, 0)
    assert json.loads(Path("out/report.json").read_text())["schema"] == 1
    assert "run folder out, seed 0" in result.err
    assert "next: prunetool finalize out/checkpoints/last.ckpt" in result.err


def test_quiet_leaves_the_results_only(train):
    result = train("net:Net", "--quiet")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == DONE


def test_plain_lines_where_there_is_no_terminal(train):
    lines = train("net:Net", epochs=1).err.splitlines()
    (epoch,) = [line for line in lines if line.startswith("epoch")]
    row = metrics()[0]
    assert epoch == (
        f"epoch 1/1  step 4  val_loss {float(row['val_loss']):.4g}  "
        f"train_loss {float(row['train_loss']):.4g}  sparsity 0.5000 of 0.5000"
    )
    assert not [line for line in lines if "available" in line or "Tip" in line]
    assert any("`max_epochs=1` reached" in line for line in lines)


def test_a_config_repeats_a_run_to_the_bit(train):
    assert train("net:Net", "--seed", "5", "--model-arg", "hidden=6").code == 0
    result = train("--config", "out/config.yaml", output="again", epochs=None)
    assert result.code == 0, result.err
    first, again = (
        torch.load(f"{f}/checkpoints/last.ckpt")["state_dict"] for f in ("out", "again")
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert Path("out/metrics.csv").read_text() == Path("again/metrics.csv").read_text()
    changed = train("--config", "out/config.yaml", "--seed", "6", output="other", epochs=None)
    assert changed.code == 0
    assert Path("out/metrics.csv").read_text() != Path("other/metrics.csv").read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--trainer", "nonsense=1"],
        ["--include", "nomatch"],
        ["--trainer", "gradient_clip_val=abc"],
        ["--monitor", "nope:min"],
        ["--monitor", "nope:min", "--trainer", "check_val_every_n_epoch=2"],
        ["--trainer", "limit_train_batches=0"],
        ["--trainer", "max_time=00:00:00:00"],
    ],
)
def test_force_loses_nothing_to_a_run_that_cannot_start(train, wrong):
    assert train("net:Net").code == 0
    before = Path("out/checkpoints/last.ckpt").read_bytes()
    refused = train("net:Net", "--force", *wrong)
    assert refused.code == 2, refused.err
    assert Path("out/checkpoints/last.ckpt").read_bytes() == before
    assert Path("out/report.json").exists()
    assert not Path("out/.replaced").exists()


def test_nothing_to_train_on_is_said_and_leaves_nothing(train):
    result = train("net:Net", "--trainer", "limit_train_batches=0", "-q")
    assert (result.code, result.out) == (2, "")
    assert "error: nothing was trained: there is no batch to train on" in result.err
    assert not any(Path("out").rglob("*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dim", "1"], "--dim 1: only channels have one; add --pattern channels"),
        (["--norm", "x"], "--norm x: only channels have one"),
        (["--rewind-step", "5"], "--rewind-step: belongs to lottery tickets; add --lottery-ticket"),
        (["--resample"], "--resample: belongs to lottery tickets"),
        (["--end", "0"], "--end: expected a moment after the start"),
        (["--every", "0"], "--every: expected at least one"),
        (["--sparsity", "90%"], "--sparsity 90%: expected a fraction in [0, 1), such as 0.9"),
        (["--include", "nomatch"], "--include 'nomatch' matches no parameter"),
    ],
)
def test_options_without_effect_or_meaning_are_refused_by_name(train, options, message):
    refused = train("net:Net", *options)
    assert refused.code == 2
    assert f"error: {message}" in refused.err


@pytest.mark.parametrize(
    "options",
    [["--lottery-ticket=0-3/2"], ["--lottery-ticket", "0-3/2"], ["--lottery-epochs", "0-3/2"]],
)
def test_tickets_at_chosen_epochs(train, options):
    assert train(*options, "net:Net", "--quiet").code == 0
    pruning = yaml.safe_load(Path("out/config.yaml").read_text())["pruning"]
    assert pruning["lottery_ticket"] == "0-3/2"


def test_a_ticket_without_a_value_leaves_the_target_alone(train):
    assert train("--lottery-ticket", "net:Net", "--quiet").code == 0
    assert yaml.safe_load(Path("out/config.yaml").read_text())["pruning"]["lottery_ticket"] is True


def test_an_emptied_tensor_and_rounded_channels_are_said(train):
    options = ["--pruning-fn", "random_structured", "--dim", "0", "--sparsity", "0.6"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        run = train("net:Net", *options)
    assert "warning: ModelPruning: nothing is left of last.weight" in run.err
    assert "only whole channels, or elements of each tensor, are removed" in run.err


def test_a_run_is_not_overwritten(train):
    assert train("net:Net").code == 0
    before = Path("out/metrics.csv").read_text()
    refused = train("net:Net", "--seed", "1")
    assert refused.code == 2
    assert "error: --output out: not empty" in refused.err
    assert Path("out/metrics.csv").read_text() == before
    assert train("net:Net", "--seed", "1", "--force").code == 0
    assert Path("out/metrics.csv").read_text() != before


def test_the_folder_of_the_checkpoint_to_start_from_is_kept(train):
    assert train("net:Net").code == 0
    result = train("out/checkpoints/last.ckpt", "--force")
    assert result.code == 2
    assert "--output out: holds the checkpoint to start from" in result.err
    assert os.path.exists("out/checkpoints/last.ckpt")


# --- metrics and checkpoints --------------------------------------------------------------------


@pytest.mark.parametrize("file", ["last.ckpt", "best.ckpt"])
def test_the_metric_beside_a_checkpoint_is_that_of_its_weights(train, file):
    assert train("net:Net", "--monitor", "val_loss:min", "--sparsity", "0.9", epochs=4).code == 0
    content = torch.load(f"out/checkpoints/{file}", weights_only=True)
    from net import Net, loader

    model = Net()
    model.load_state_dict(content["state_dict"])
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    (found,) = trainer.validate(model, loader(seed=1, shuffle=False), verbose=False)
    assert content["prunetool"]["metrics"]["val_loss"] == pytest.approx(found["val_loss"], rel=1e-6)
    zeros = sum(int((content["state_dict"][f"{n}.weight"] == 0).sum()) for n in ("first", "last"))
    assert zeros == 65


def test_best_is_the_best_of_the_epochs_at_the_target(train):
    assert train("net:Net", "--monitor", "val_loss:max", "--end", "3", epochs=5).code == 0
    rows = metrics()
    assert [row["sparsity"] for row in rows].count("0.500000") == 3
    assert max(rows, key=lambda row: float(row["val_loss"]))["epoch"] == "1"
    best = torch.load("out/checkpoints/best.ckpt", weights_only=True)
    at_target = [row for row in rows if row["sparsity"] == "0.500000"]
    assert repr(best["prunetool"]["metrics"]["val_loss"]) == max(
        (row["val_loss"] for row in at_target), key=float
    )


# --- resuming -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--pruning-fn", "random_unstructured", "--keep-masks"],
        ["--lottery-epochs", "0-9", "--rewind-step", "1"],
    ],
)
def test_a_resumed_run_equals_one_in_one_go(train, options):
    fixed = [*options, "--end", "3", "--monitor", "val_loss:min"]
    assert train("net:Net", *fixed, epochs=4, output="whole").code == 0
    assert train("net:Net", *fixed, epochs=2, output="parts").code in (0, 1)
    resumed = train("parts", "--resume", epochs=4, output=None)
    assert resumed.code == 0, resumed.err
    for table in ("metrics.csv", "histograms.json"):
        assert Path("parts", table).read_text() == Path("whole", table).read_text()
    for file in ("last.ckpt", "best.ckpt"):
        whole, parts = (torch.load(f"{f}/checkpoints/{file}") for f in ("whole", "parts"))
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "prunetool", "loops"):
            assert_same(whole[key], parts[key], key)


def assert_same(first, second, where):
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first:
            assert_same(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple):
        assert len(first) == len(second), where
        for number, pair in enumerate(zip(first, second, strict=True)):
            assert_same(*pair, f"{where}.{number}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--sparsity", "0.9"], "which differ: --sparsity 0.9 (it was 0.5); leave that out"),
        (
            ["--seed", "1", "--schedule", "linear"],
            "which differ: --schedule linear (it was None), --seed 1 (it",
        ),
        (["--output", "x"], "--output and --resume"),
        (["--max-epochs", "2"], "out: finished already, with 2 of 2 epochs; to train on"),
    ],
)
def test_what_a_resumed_run_may_not_change(train, arguments, fragment):
    assert train("net:Net").code == 0
    result = train("out", "--resume", *arguments, epochs=None, output=None)
    assert result.code == 2
    assert fragment in result.err


def test_a_plateau_scheduler_is_stepped_once_an_epoch_across_a_resume(train):
    """Lightning alone loses the step of the epoch that the checkpoint was saved in."""
    assert train("net:Net", epochs=2).code == 0
    assert train("out", "--resume", epochs=3, output=None).code == 0
    (scheduler,) = torch.load("out/checkpoints/last.ckpt")["lr_schedulers"]
    assert scheduler["last_epoch"] == 2  # the third step follows the save
