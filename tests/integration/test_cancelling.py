"""Cancelling: a flow run ends when another thread asks for it, wherever it is."""

import asyncio
import signal
import threading
import time

import pytest

from nborch import audience, flow, task
from nborch.cancelling import SIGNAL, Stopper, cancel, is_cancellable

pytestmark = pytest.mark.usefixtures("home")

WHY = "Nobody waits for it any more."


@pytest.fixture
def running():
    """The ids of the flow runs that go on, which can all be cancelled."""
    ids = []

    def onlooker(context):
        stopper = Stopper.of(context)
        ids.append(context.run.id)
        return stopper.close if stopper is not None else None

    before = audience._onlookers[:]
    audience.set_audience(onlooker)
    yield ids
    audience._onlookers[:] = before


def cancel_soon(running, until, event=None):
    """Cancel the run from another thread once it is where it waits."""

    def ask():
        assert until(lambda: running and (event is None or event.is_set()))
        cancel(running[-1], WHY)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_a_sleep_in_the_main_thread_ends(running, until):
    """A flow that sleeps in the main thread ends as Cancelled at once."""
    sleeps = threading.Event()

    @task
    def sleep():
        sleeps.set()
        time.sleep(60)

    @flow
    def plain():
        sleep()

    thread = cancel_soon(running, until, sleeps)
    began = time.monotonic()
    state = plain(return_state=True)
    thread.join()

    assert state.is_cancelled()
    assert WHY in state.message
    assert time.monotonic() - began < 20
    assert not is_cancellable(running[-1])


def test_a_signal_that_goes_unheard_is_sent_again(running, until):
    """Who does not hear the first signal hears the next: none is counted on."""
    deaf = threading.Event()

    @flow
    def plain():
        before = signal.signal(SIGNAL, signal.SIG_IGN)
        deaf.set()
        time.sleep(0.5)
        signal.signal(SIGNAL, before)
        time.sleep(60)

    thread = cancel_soon(running, until, deaf)
    began = time.monotonic()
    state = plain(return_state=True)
    thread.join()

    assert state.is_cancelled()
    assert time.monotonic() - began < 20


def test_a_wait_for_submitted_tasks_ends(running, until):
    """A flow that waits for task runs ends, and they are told to stop."""
    begun = threading.Event()

    @task
    def loop():
        begun.set()
        while True:
            time.sleep(0.01)

    @flow
    def submits():
        return [loop.submit() for _ in range(2)]

    thread = cancel_soon(running, until, begun)
    state = submits(return_state=True)
    thread.join()

    assert state.is_cancelled()


def test_a_coroutine_ends(running, until, home):
    """A flow that awaits ends as Cancelled, with the tasks that it awaits."""
    begun = threading.Event()

    @task
    async def doze(n):
        if n:
            begun.set()
        await asyncio.sleep(60)

    @flow
    async def awaits():
        await asyncio.gather(doze(0), doze(1))

    async def main():
        thread = cancel_soon(running, until, begun)
        state = await awaits(return_state=True)
        thread.join()
        # The task around it goes on as if nothing had happened.
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)
        return state

    state = asyncio.run(main())

    assert state.is_cancelled()
    tasks = home.store.children(running[-1])
    assert [each.state.is_cancelled() for each in tasks] == [True, True]


def test_a_flow_in_another_thread_ends(running, until):
    """A flow in a thread ends at its next line of Python."""
    begun, told = threading.Event(), []

    @flow
    def loops():
        begun.set()
        while True:
            time.sleep(0.01)

    thread = threading.Thread(target=lambda: told.append(loops(return_state=True)))
    thread.start()
    assert begun.wait(20)
    cancel(running[-1], WHY)
    thread.join(20)

    assert told[0].is_cancelled()


def test_code_that_catches_it_is_told_again(running, until):
    """Code that catches the exception and goes on does not go on for long."""
    begun, caught = threading.Event(), []

    @flow
    def stubborn():
        begun.set()
        while True:
            try:
                time.sleep(60)
            except RuntimeError as error:
                if caught:
                    raise
                caught.append(error)

    thread = cancel_soon(running, until, begun)
    state = stubborn(return_state=True)
    thread.join()

    assert len(caught) == 1
    assert state.is_cancelled()


def test_a_wait_for_a_retry_ends(running, until):
    """A flow run that waits for its next attempt is cancelled in its sleep."""

    @flow(retries=3, retry_delay_seconds=60)
    def fails():
        failed.set()
        raise ValueError("no")

    failed = threading.Event()
    thread = cancel_soon(running, until, failed)
    with pytest.raises(RuntimeError, match=WHY):
        fails()
    thread.join()


def test_a_run_that_is_over_is_left_alone(running):
    """Who comes too late changes nothing."""

    @flow
    def short():
        return 1

    assert short() == 1
    assert not cancel(running[-1], WHY)


def test_an_onlooker_that_fails_changes_nothing():
    """A fault of who looks on is none of the run's."""

    def broken(_context):
        raise ValueError("no eyes")

    before = audience._onlookers[:]
    audience.set_audience(broken)
    try:
        assert flow(name="f")(lambda: 1)() == 1
    finally:
        audience._onlookers[:] = before
