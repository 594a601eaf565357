"""What a kill leaves in a run folder, and what the next start makes of it.

The moments are made by hand here: files as they are between two steps of a write.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from midway import SIGTERM, Midway
from midway_runs import here, quiet, resume  # noqa: F401

from prunetool.errors import CheckpointError, OptionError
from prunetool.training.options.command_line import options_from, place_from
from prunetool.training.processes.interrupts import Terminated
from prunetool.training.run import Manners, train

STEPS = 5


pytestmark = pytest.mark.usefixtures("here")


def run(*flags, notes=None, folder="out", **typed):
    typed = {
        "target": "midway:Midway", "accelerator": "cpu", "output": Path(folder), "max_epochs": 3,
        "monitor": "val_loss:min", **dict.fromkeys(flags, True), **typed,
    }  # fmt: skip
    return train(options_from(typed), place_from(typed), quiet(notes))


def stopped_in(step, start=run, **values):
    Midway.forget()
    Midway.signals = {step: [SIGTERM]}
    with pytest.raises(Terminated):
        start(**values)
    Midway.forget()


def contents(folder):
    return {
        str(it.relative_to(folder)): it.read_bytes()
        for it in Path(folder).rglob("*")
        if it.is_file()
    }


def test_what_follows_a_checkpoint_is_done_if_the_process_died_right_after_it():
    stopped_in(2 * STEPS)  # at the end of the second epoch
    out = Path("out")
    table = (out / "metrics.csv").read_text()
    (out / "metrics.csv").write_text((out / "metrics.csv").read_text().rsplit("\n", 2)[0] + "\n")
    best = (out / "checkpoints/best.ckpt").read_bytes()
    (out / "checkpoints/best.ckpt").unlink()
    stopped_in(2, resume)
    assert (out / "checkpoints/best.ckpt").read_bytes() == best
    assert (out / "metrics.csv").read_text() == table


def test_leftovers_are_removed_and_never_read():
    stopped_in(2 * STEPS)
    expected = contents("out")
    for name in (
        "checkpoints/.last.ckpt.tmp", "checkpoints/.best.ckpt.tmp", "checkpoints/.mine.ckpt.old",
        ".prunetool-00112233.tmp", "checkpoints/.prunetool-00112233.tmp",
    ):  # fmt: skip
        Path("out", name).write_text("half of it")
    mine = {"out/.notes.tmp": "mine", "out/checkpoints/.keep": ""}
    for name, text in mine.items():
        Path(name).write_text(text)
    place_from({"target": "out", "resume": True})
    found = contents("out")
    # It had no other place: what stood aside of a name that nothing has is whole.
    assert found.pop("checkpoints/mine.ckpt") == b"half of it"
    for name in mine:
        assert found.pop(name.removeprefix("out/")) is not None
    assert found == expected


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_without_the_last_checkpoint_the_newest_other_one_is_gone_on_from(damage):
    whole = run(folder="whole")
    stopped_in(2 * STEPS + 2)
    last = Path("out/checkpoints/last.ckpt")
    if damage == "missing":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:5000])
    notes = []
    parts = resume(notes=notes)
    assert notes[1].endswith("; goes on from out/checkpoints/best.ckpt")
    assert notes[1].startswith("out/checkpoints/last.ckpt: ")
    assert parts.folder.metrics.read_text() == whole.folder.metrics.read_text()


def test_a_torn_checkpoint_and_no_other_is_said_to_be_one():
    stopped_in(2)
    Path("out/checkpoints/last.ckpt").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(CheckpointError, match=r"out/checkpoints/last\.ckpt: "):
        place_from({"target": "out", "resume": True})


def test_stopped_before_the_first_checkpoint():
    stopped_in(2)
    Path("out/checkpoints/last.ckpt").unlink()
    with pytest.raises(OptionError) as error:
        place_from({"target": "out", "resume": True})
    assert str(error.value) == (
        "out: was stopped before its first checkpoint, so there is nothing to go on from; start it "
        "again: prunetool train --config out/config.yaml --output out --force"
    )
    typed = {"config": [Path("out/config.yaml")], "output": Path("out"), "force": True}
    options = options_from(typed)
    assert (
        train(options, place_from(typed), Manners(note=lambda line: None, quiet=True)).rounds == ()
    )


def test_stopped_before_the_training_began():
    Path("out/checkpoints").mkdir(parents=True)
    with pytest.raises(OptionError, match="out: was stopped before its training began; start it"):
        place_from({"target": "out", "resume": True})
    run()  # and so it can be, without --force


def test_the_run_to_be_replaced_is_not_lost_before_the_new_one_has_proved_itself():
    run(max_epochs=1)
    old = contents("out")
    stopped_in(2, lambda: run("force"))
    # As SIGKILL would have left it: what is stopped by SIGTERM settles things.
    Path("out/.replaced/checkpoints").mkdir(parents=True)
    for name, content in old.items():
        Path("out/.replaced", name).write_bytes(content)
    with pytest.raises(OptionError, match="the model does not log it"):
        run("force", monitor="nothing:min")
    assert contents("out") == old


def test_the_replaced_run_goes_when_a_resumed_one_has_proved_itself():
    stopped_in(2)
    Path("out/.replaced").mkdir()
    Path("out/.replaced/metrics.csv").write_text("old")
    resume()
    assert not Path("out/.replaced").exists()


def test_a_new_run_in_the_folder_of_one_that_was_killed_leaves_nothing_of_it():
    Path("out/checkpoints").mkdir(parents=True)
    Path("out/.prunetool-0badcafe.tmp").write_text("target: ne")
    run(force=True)
    assert not list(Path("out").glob(".*"))


def test_what_may_change_is_listed_and_what_may_not_is_refused():
    run(max_epochs=2)
    notes = []
    resume(notes=notes, max_epochs=3, app_dir=".")
    assert notes[1] == "goes on with --max-epochs 3 (it was 2)"
    with pytest.raises(OptionError, match=r"which differ: --sparsity 0.9 \(it was 0.5\); leave "):
        resume(sparsity="0.9", max_epochs=4)
    with pytest.raises(OptionError, match=r"which differ: --pattern 2:4 \(it was None\); leave "):
        resume(pattern="2:4", max_epochs=4)  # 2:4 could not remove so much either
    with pytest.raises(OptionError, match=r"--trainer \{'log_every_n_steps': 3\} \(it was \{\}\);"):
        resume(trainer=["log_every_n_steps=3"], max_epochs=4)
