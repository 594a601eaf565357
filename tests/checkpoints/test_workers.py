"""Work that threads share: all of it is done, or all of it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from prunetool.checkpoints.workers import share_out

LONG = 10_000  # steps of a millisecond; no test may take them all


def steps(done, number, count, advance):
    for _ in range(count):
        time.sleep(0.001)
        advance(1)
    done.append(number)


@pytest.mark.parametrize("threads", [1, 2])
def test_everything_is_done_and_told_in_the_thread_that_asked(threads):
    done, told, tellers = [], [], set()

    def advance(count):
        told.append(count)
        tellers.add(threading.current_thread())

    share_out([partial(steps, done, it, it) for it in range(9)], advance, threads=threads)

    assert sorted(done) == list(range(9))
    assert sum(told) == sum(range(9))
    assert tellers == {threading.current_thread()}


def test_nothing_to_do():
    share_out([])


def test_two_at_once():
    meeting = threading.Barrier(2, timeout=10)
    share_out([lambda advance: meeting.wait()] * 2)


def failing(advance):
    time.sleep(0.01)
    raise OSError(28, "No space left on device")


def stops(error, tasks, advance=lambda count: None):
    before, start = threading.active_count(), time.monotonic()
    with pytest.raises(error) as raised:
        share_out(tasks, advance)
    assert time.monotonic() - start < LONG / 1000 / 2
    assert threading.active_count() == before
    return raised.value


def test_an_error_in_one_stops_the_other():
    done = []
    long = partial(steps, done, 0, LONG)

    error = stops(OSError, [long, failing, long])

    assert error.errno == 28
    assert done == []


def test_of_two_errors_the_earlier_task_s_is_raised():
    meeting = threading.Barrier(2, timeout=10)

    def fail(number, advance):
        meeting.wait()
        if number == 0:
            time.sleep(0.05)
        raise ValueError(number)

    assert stops(ValueError, [partial(fail, 0), partial(fail, 1)]).args == (0,)


def test_who_is_told_may_stop_it():
    def interrupt(count):
        raise KeyboardInterrupt

    done = []
    stops(KeyboardInterrupt, [partial(steps, done, it, LONG) for it in range(3)], interrupt)
    assert done == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it(number):
    code = """
import signal, sys, time
from prunetool.checkpoints.terminating import cleaning_up_at_sigterm
from prunetool.checkpoints.workers import share_out
signal.signal(signal.SIGINT, signal.default_int_handler)

def slow(advance):
    print("begun", flush=True)
    while True:
        time.sleep(0.001)
        advance(0)

try:
    with cleaning_up_at_sigterm():
        share_out([slow])
except BaseException as error:
    print(type(error).__name__)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        os.kill(process.pid, number)
        found = process.communicate(timeout=20)[0]
    assert found == {signal.SIGINT: "KeyboardInterrupt\n", signal.SIGTERM: "SystemExit\n"}[number]
