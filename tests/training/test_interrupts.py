from __future__ import annotations

import os
import signal
import sys

import pytest

from prunetool.training.interrupts import Terminated, interruptible


def test_sigterm_raises_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def exit_as_lightning_does():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        sys.exit(1)


def test_lightnings_exit_after_ctrl_c_becomes_ctrl_c_again():
    with pytest.raises(KeyboardInterrupt), interruptible():
        exit_as_lightning_does()


def test_any_other_exit_is_the_users():
    with pytest.raises(SystemExit) as stop, interruptible():
        sys.exit(3)
    assert stop.value.code == 3
