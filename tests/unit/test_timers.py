"""Timers: calls at a later time, all from one thread."""

import threading
import time

import pytest

from nborch.timers import call_later, interrupt


@pytest.fixture
def calls():
    """Notes what is called when, and waits for so many calls."""

    class Calls(list):
        def __init__(self):
            self.changed = threading.Condition()

        def note(self, name):
            def call():
                with self.changed:
                    self.append((name, time.monotonic(), threading.current_thread()))
                    self.changed.notify_all()

            return call

        def wait(self, count):
            with self.changed:
                assert self.changed.wait_for(lambda: len(self) >= count, 20)
            return [name for name, _, _ in self]

    return Calls()


def test_a_call_comes_when_it_is_due(calls):
    """The function is called after so many seconds, and not before."""
    start = time.monotonic()

    call_later(0.05, calls.note("late"))

    assert calls.wait(1) == ["late"]
    assert calls[0][1] - start >= 0.05


def test_calls_come_in_the_order_of_their_times(calls):
    """A call that is due sooner overtakes one that was asked for before."""
    call_later(0.12, calls.note("third"))
    call_later(0.06, calls.note("second"))
    call_later(0.0, calls.note("first"))

    assert calls.wait(3) == ["first", "second", "third"]


def test_all_calls_need_one_thread_that_ends(calls, until):
    """However many calls wait, one thread calls them, and it ends with the last."""
    for _ in range(100):
        call_later(0.02, calls.note("each"))

    calls.wait(100)

    threads = {thread for _, _, thread in calls}
    assert len(threads) == 1
    assert until(lambda: not any(thread.is_alive() for thread in threads))


def test_a_call_that_raises_does_not_stop_the_others(calls, monkeypatch):
    """What a function raises is printed, and the next one is called on time."""
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def broken():
        raise ValueError("broken")

    call_later(0.0, broken)
    call_later(0.01, calls.note("after"))

    assert calls.wait(1) == ["after"]
    assert [args.exc_type for args in told] == [ValueError]


def test_a_call_may_ask_for_another(calls):
    """A function that is called may itself call_later()."""
    call_later(0.0, lambda: call_later(0.01, calls.note("again")))

    assert calls.wait(1) == ["again"]


def test_a_thread_is_interrupted_at_its_next_line():
    """An exception that is set in a thread is raised in the code that runs there."""
    ended, begun = [], threading.Event()

    def work():
        try:
            while True:
                begun.set()
                time.sleep(0.001)
        except KeyError as error:
            ended.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(20)

    interrupt(thread.ident, KeyError)
    thread.join(20)

    assert ended == [KeyError]
