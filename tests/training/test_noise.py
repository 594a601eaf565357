from __future__ import annotations

import logging
import warnings

from prunetool.training.noise import useful_messages_only


def say():
    log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    log.info("GPU available: False, used: False")
    log.info("💡 Tip: For seamless cloud uploads")
    log.info("`Trainer.fit` stopped: `max_epochs=1` reached.")
    log.warning("something matters")
    logging.getLogger("prunetool.x").info("Applied l1_unstructured")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("in two\n  lines", stacklevel=1)


def test_what_helps_is_kept(capsys):
    with useful_messages_only(quiet=False, verbose=0):
        say()
    assert capsys.readouterr().err.splitlines() == [
        "`Trainer.fit` stopped: `max_epochs=1` reached.",
        "something matters",
        "warning: in two lines",
    ]


def test_quiet_and_verbose(capsys):
    with useful_messages_only(quiet=True, verbose=1):
        say()
    assert capsys.readouterr().err.splitlines() == [
        "something matters",
        "Applied l1_unstructured",
        "warning: in two lines",
    ]


def test_everything_is_as_before_afterwards():
    names = ("lightning.pytorch", "pytorch_lightning", "prunetool")
    loggers = [logging.getLogger(name) for name in names]
    before = [(log.level, list(log.handlers), log.propagate) for log in loggers]
    shown = warnings.showwarning
    with useful_messages_only(quiet=True, verbose=0):
        assert [log.propagate for log in loggers] == [False] * 3
    assert [(log.level, list(log.handlers), log.propagate) for log in loggers] == before
    assert warnings.showwarning is shown
