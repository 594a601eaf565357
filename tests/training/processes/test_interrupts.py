from __future__ import annotations

import os
import signal
import sys

import pytest

from prunetool.training.processes.interrupts import (
    StopRequest,
    Terminated,
    interrupt_behind,
    interruptible,
)


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


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture
def request_to_stop():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop = StopRequest()
    yield stop
    stop.disarm()
    assert before == {number: signal.getsignal(number) for number in before}


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_the_first_signal_is_noted_and_leads_out_when_asked_for(request_to_stop, number, kind):
    request_to_stop.arm()
    assert (request_to_stop.name, request_to_stop.announces()) == (None, False)
    send(number)
    assert request_to_stop.name == number.name
    assert [request_to_stop.announces() for _ in range(2)] == [True, False]
    with pytest.raises(kind):
        request_to_stop.leave()


def test_the_second_signal_leads_out_at_once(request_to_stop):
    request_to_stop.arm()
    send(signal.SIGINT)
    with pytest.raises(Terminated):
        send(signal.SIGTERM)


def test_disarmed_signals_mean_what_they_did(request_to_stop):
    request_to_stop.arm()
    request_to_stop.disarm()
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_an_ignored_signal_stays_ignored(request_to_stop):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background job
    request_to_stop.arm()
    send(signal.SIGINT)
    request_to_stop.disarm()
    assert signal.signal(signal.SIGINT, before) is signal.SIG_IGN
    assert request_to_stop.name is None


@pytest.mark.parametrize("signal_class", [KeyboardInterrupt, Terminated])
def test_a_signal_is_found_behind_what_was_made_of_it(signal_class):
    def leave():
        try:
            raise signal_class
        finally:
            raise RuntimeError("unexpected pos")

    with pytest.raises(RuntimeError, match="unexpected") as caught:
        leave()
    assert type(interrupt_behind(caught.value)) is signal_class
    assert interrupt_behind(RuntimeError("alone")) is None
