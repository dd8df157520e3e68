"""Concurrency limits: never more at once, nobody waits for ever, nothing leaks."""

import asyncio
import gc
import os
import signal
import sqlite3
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from nborch import flow, task
from nborch.concurrency import asking
from nborch.concurrency.asyncio import concurrency as aconcurrency
from nborch.concurrency.asyncio import rate_limit as arate_limit
from nborch.concurrency.sync import concurrency, rate_limit
from nborch.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    LimitWarning,
)
from nborch.limits import Limits
from nborch.store.limits import SQLiteLimits
from nborch.store.sqlite import SQLiteStore


@pytest.fixture
def limits(home):
    """The limits of this test's home, with one called 'api' of two slots."""
    home.limits.store.put("api", 2)
    return home.limits


@pytest.fixture
def held(limits):
    """How many slots of a limit are in use."""
    return lambda name="api": limits.store.limit(name).held


@pytest.fixture
def others_have(limits):
    """Let somebody else, who is not the thread of the test, hold slots for a block."""

    @contextmanager
    def hold(occupy, name="api"):
        lease = limits.acquire(limits.claim([name], occupy))
        assert lease is not None
        try:
            yield
        finally:
            lease.release()

    return hold


class Gauge:
    """Count how many are inside at once."""

    def __init__(self):
        self.now = self.most = self.all = 0
        self.lock = threading.Lock()

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.all += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_):
        with self.lock:
            self.now -= 1


def elsewhere(limits, name="elsewhere:1:a", clock=time.time):
    """The limits as a process on another machine has them, with the same file."""
    store = SQLiteLimits(SQLiteStore(limits.store._path))
    return Limits(store, limits._processes, lambda: name, clock)


# --- threads -------------------------------------------------------------------------


def test_never_more_threads_than_slots(limits, held):
    """Of forty threads at most two are inside at once, and all get in."""
    gauge = Gauge()

    def work(_):
        with concurrency("api"), gauge:
            time.sleep(0.002)

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(work, range(40)))

    assert (gauge.most, gauge.all, held()) == (2, 40, 0)


def test_waiting_costs_next_to_nothing(limits):
    """Forty waits of 50 ms through five slots take little more than the ideal 0.4 s."""
    limits.store.put("api", 5)

    def work(_):
        with concurrency("api"):
            time.sleep(0.05)

    with ThreadPoolExecutor(40) as pool:
        begun = time.perf_counter()
        list(pool.map(work, range(40)))
        took = time.perf_counter() - begun

    # The aim is 0.44; a busy machine is no defect.
    assert 0.4 <= took < 1.2


def test_first_come_first_served(limits, until):
    """Those who wait are let in in the order in which they came."""
    limits.store.put("api", 1)
    order = []

    def work(number):
        with concurrency("api"):
            order.append(number)

    with concurrency("api"):
        threads = []
        for number in range(6):
            threads.append(threading.Thread(target=work, args=(number,)))
            threads[-1].start()
            queue = limits._keeper._queues._queues
            assert until(
                lambda n=number, q=queue: q and len(next(iter(q.values())).waiting) > n
            )
    for thread in threads:
        thread.join()

    assert order == list(range(6))


def test_one_who_wants_much_is_not_overtaken_for_ever(limits):
    """A claim for all slots gets them though others keep asking for one."""
    stop = threading.Event()

    def nibble():
        while not stop.is_set():
            with concurrency("api"):
                time.sleep(0.001)

    threads = [threading.Thread(target=nibble) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            with concurrency("api", occupy=2, timeout_seconds=10):
                pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_several_limits_are_got_together(limits, held):
    """Threads that ask for two limits in either order do not wait for each other."""
    limits.store.put("a", 1)
    limits.store.put("b", 1)
    gauge = Gauge()

    def work(number):
        names = ["a", "b"] if number % 2 else ["b", "a"]
        with concurrency(names, timeout_seconds=30), gauge:
            time.sleep(0.001)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(work, range(30)))

    assert (gauge.most, gauge.all, held("a"), held("b")) == (1, 30, 0, 0)


def test_none_of_several_is_kept_while_another_is_waited_for(limits, held, others_have):
    """Who waits for one of two limits does not hold the other meanwhile."""
    limits.store.put("full", 1)

    with (
        others_have(1, "full"),
        pytest.raises(TimeoutError),
        concurrency(["api", "full"], timeout_seconds=0.05),
    ):
        pass

    assert (held("api"), held("full")) == (0, 0)


# --- ends of a block -----------------------------------------------------------------


def test_an_exception_frees_the_slots(limits, held):
    """Slots are free again after an exception inside, which reaches the caller."""
    with pytest.raises(LookupError), concurrency("api", occupy=2):
        raise LookupError(held())

    assert held() == 0


def test_nothing_to_limit(limits):
    """Without names the block just runs."""
    with concurrency([]):
        rate_limit([])


def test_slots_can_be_taken_within_each_other(limits, held):
    """A block may take a second slot; one more than there are would wait for itself."""
    with concurrency("api"), concurrency("api"):
        assert held() == 2

        with (
            pytest.raises(ConcurrencySlotAcquisitionError, match="wait for itself"),
            concurrency("api"),
        ):
            pass

    assert held() == 0


def test_an_interrupt_while_waiting_frees_everything(script, limits, held, until):
    """After Ctrl-C in the queue the process goes on, and waits no longer."""
    process = script("""
        import time
        from nborch.concurrency.sync import concurrency
        try:
            with concurrency("api"):
                pass
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        time.sleep(60)
    """)
    with concurrency("api", occupy=2):
        # Whoever waits is seen in the store.
        assert until(lambda: waiters(limits) == 1)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"

        assert until(lambda: waiters(limits) == 0)
    assert held() == 0


def waiters(limits):
    """How many processes wait, as the store says."""
    with limits.store._held() as connection:
        return connection.execute("SELECT count(*) FROM slot_waiter").fetchone()[0]


def test_a_lost_lease_is_released_by_itself(limits, held, until):
    """Slots whose lease nobody refers to any more are free again."""
    lease = limits.acquire(limits.claim(["api"]))
    assert held() == 1

    del lease
    gc.collect()

    assert until(lambda: held() == 0)


# --- time ----------------------------------------------------------------------------


def test_time_runs_out(limits, held, others_have):
    """Who waits too long gets an error that says who has the slots, a TimeoutError."""
    with (
        others_have(2),
        pytest.raises(
            AcquireConcurrencySlotTimeoutError,
            match=r"No 1 slot of the concurrency limit 'api' came free within 0\.05 "
            r"seconds\. See who holds them with: nborch concurrency-limit inspect api",
        ) as caught,
        concurrency("api", timeout_seconds=0.05),
    ):
        pass

    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, ConcurrencySlotAcquisitionError)
    assert held() == 0


def test_no_time_and_no_retries_do_not_wait(limits, others_have):
    """A timeout of 0 takes what is free and waits for nothing, as do no retries."""
    with concurrency("api", timeout_seconds=0), others_have(1):
        for patience in ({"timeout_seconds": 0}, {"max_retries": 0}):
            begun = time.perf_counter()
            with pytest.raises(TimeoutError), concurrency("api", **patience):
                pass
            assert time.perf_counter() - begun < 0.5


def test_a_body_that_times_out_is_not_taken_for_the_wait(limits):
    """A TimeoutError of the block itself reaches the caller as it is."""
    with pytest.raises(TimeoutError, match="mine") as caught, concurrency("api"):
        raise TimeoutError("mine")

    assert type(caught.value) is TimeoutError


def test_who_gave_up_is_not_waited_for(limits, others_have):
    """One who left the queue does not keep those behind him waiting."""
    with others_have(1):
        with pytest.raises(TimeoutError), concurrency("api", 2, timeout_seconds=0.02):
            pass
        with concurrency("api", timeout_seconds=10):
            pass


# --- limits --------------------------------------------------------------------------


def test_an_unknown_name_limits_nothing_and_is_told_once(home, monkeypatch):
    """A name that is no limit gives one warning, with the command that makes it one."""
    monkeypatch.setattr(asking, "_told", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            with concurrency("nope"):
                pass
            rate_limit("nope")

    (warning,) = caught
    assert warning.category is LimitWarning
    assert "nborch concurrency-limit create nope 5" in str(warning.message)
    assert warning.filename == __file__


def test_strict_needs_the_limit(home):
    """With `strict`, a name that is no limit is an error."""
    with pytest.raises(ConcurrencySlotAcquisitionError, match="called 'nope'"):
        rate_limit("nope", strict=True)
    with (
        pytest.raises(ConcurrencySlotAcquisitionError, match="called 'nope'"),
        concurrency("nope", strict=True),
    ):
        pass


def test_known_names_limit_beside_unknown_ones(limits, held, monkeypatch):
    """Of several names, those that are limits are held."""
    monkeypatch.setattr(asking, "_told", {"nope"})
    with concurrency(["api", "nope"]):
        assert held() == 1
    assert held() == 0


def test_a_changed_limit_holds_for_those_who_wait(limits, monkeypatch):
    """Raising a limit lets in who waits, deleting it lets in everybody."""
    monkeypatch.setattr(asking, "_told", {"api"})
    with concurrency("api", occupy=2), ThreadPoolExecutor(1) as pool:
        turn = pool.submit(enter, "api")
        assert not turn.done()
        limits.store.put("api", 3)
        assert turn.result(10)

        turn = pool.submit(enter, ["api"], 2)
        limits.store.delete("api")
        assert turn.result(10)


def enter(*arguments):
    with concurrency(*arguments, timeout_seconds=30):
        return True


def test_a_limit_lowered_below_what_is_asked_ends_the_wait(limits):
    """Who waits for more slots than a limit now has gets an error."""
    with concurrency("api", occupy=2), ThreadPoolExecutor(1) as pool:
        turn = pool.submit(enter, "api", 2)
        limits.store.put("api", 1)

        with pytest.raises(ConcurrencySlotAcquisitionError, match="has 1 slots and 2"):
            turn.result(10)


def test_a_limit_of_none_is_closed_until_it_is_raised(limits):
    """With no slots everybody waits, until there are some."""
    limits.store.put("api", 0)
    with pytest.raises(TimeoutError), concurrency("api", timeout_seconds=0.05):
        pass

    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(enter, "api")
        limits.store.put("api", 1)
        assert turn.result(10)


def test_lost_slots_are_told_or_raised(limits):
    """If the limit was reset while the block ran, its end warns, or raises if asked to."""
    with pytest.warns(LimitWarning, match="given to others"), concurrency("api"):
        limits.store.reset("api")

    for asked in ({"strict": True}, {"raise_on_lease_renewal_failure": True}):
        with (
            pytest.raises(ConcurrencySlotAcquisitionError, match="given to others"),
            concurrency("api", **asked),
        ):
            limits.store.reset("api")


def test_an_error_inside_is_not_hidden_by_lost_slots(limits):
    """An exception in the block is what the caller sees, also if slots were lost."""
    with pytest.raises(LookupError), concurrency("api", strict=True):
        raise LookupError(limits.store.reset("api"))


# --- rates ---------------------------------------------------------------------------


def test_a_rate_is_kept(limits):
    """A limit of two with twenty per second lets two through, then one each 50 ms."""
    limits.store.put("api", 2, decay=20.0)
    begun = time.monotonic()

    times = []
    for _ in range(6):
        rate_limit("api")
        times.append(time.monotonic() - begun)

    assert times[1] < 0.045
    assert times[-1] >= 0.2 - 0.05
    assert times[-1] < 1.0


def test_a_rate_without_decay_is_refused(limits):
    """A limit whose slots never decay cannot limit a rate."""
    with pytest.raises(ConcurrencySlotAcquisitionError, match="slot-decay-per-second"):
        rate_limit("api")


def test_a_rate_and_a_block_share_a_limit(limits, held):
    """What `rate_limit` took is missing to `concurrency`, until it has decayed."""
    limits.store.put("api", 2, decay=20.0)
    rate_limit("api", occupy=2)
    with pytest.raises(TimeoutError), concurrency("api", timeout_seconds=0):
        pass

    with concurrency("api", timeout_seconds=10):
        assert held() == 1


def test_a_clock_set_back_does_not_stop_a_rate(limits):
    """After the clock was set back by an hour, slots decay from then on."""
    limits.store.put("api", 1, decay=1.0)
    times = iter([10_000.0, 6_400.0, 6_401.5])
    other = elsewhere(limits, clock=lambda: next(times))
    claim = other.claim(["api"], is_rate=True)

    got = [other.acquire(claim) for _ in range(3)]

    assert [lease is not None for lease in got] == [True, False, True]
    other.close()


# --- coroutines ----------------------------------------------------------------------


def test_never_more_coroutines_than_slots(limits, held):
    """Of many coroutines at most two are inside at once, and the loop goes on."""
    gauge, ticks = Gauge(), []

    async def work():
        async with aconcurrency("api"):
            with gauge:
                await asyncio.sleep(0.005)

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.001)

    async def main():
        ticking = asyncio.create_task(tick())
        await asyncio.gather(*(work() for _ in range(20)))
        ticking.cancel()

    asyncio.run(main())

    assert (gauge.most, gauge.all, held()) == (2, 20, 0)
    assert len(ticks) > 10


def test_a_cancelled_coroutine_frees_everything(limits, held):
    """A coroutine that is cancelled in the queue or inside leaves nothing behind."""

    async def main():
        inside = asyncio.create_task(stay())
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(stay())
        await asyncio.sleep(0.02)
        assert held() == 2
        for running in (waiting, inside):
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        async with aconcurrency("api", occupy=2, timeout_seconds=10):
            assert held() == 2

    async def stay():
        async with aconcurrency("api", occupy=2):
            await asyncio.sleep(60)

    asyncio.run(main())
    assert held() == 0


def test_the_async_twins_speak_alike(limits, held, others_have):
    """Timeouts, strictness and errors inside are the same for coroutines."""

    async def main():
        with (
            others_have(2),
            pytest.raises(AcquireConcurrencySlotTimeoutError, match="'api'"),
        ):
            async with aconcurrency("api", timeout_seconds=0.02):
                pass
        with pytest.raises(ConcurrencySlotAcquisitionError, match="do not decay"):
            await arate_limit("api")
        with pytest.raises(ConcurrencySlotAcquisitionError, match="called 'nope'"):
            await arate_limit("nope", strict=True)
        with pytest.raises(ZeroDivisionError):
            async with aconcurrency("api"):
                _ = 1 / 0
        async with aconcurrency("api"), aconcurrency("api"):
            with pytest.raises(ConcurrencySlotAcquisitionError, match="itself"):
                async with aconcurrency("api"):
                    pass
        async with aconcurrency([]):
            await arate_limit([])

    asyncio.run(main())
    assert held() == 0


def test_an_async_rate_is_kept(limits):
    """The rate of coroutines is that of the limit."""
    limits.store.put("api", 1, decay=20.0)

    async def main():
        await asyncio.gather(*(arate_limit("api") for _ in range(4)))

    begun = time.monotonic()
    asyncio.run(main())

    assert 0.1 <= time.monotonic() - begun < 1.0


# --- processes -----------------------------------------------------------------------

WORKER = """
    import os, sys, time
    from pathlib import Path
    from nborch.concurrency.sync import concurrency
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    most = 0
    for number in range(count):
        with concurrency("api"):
            mine = folder / f"{os.getpid()}-{number}"
            mine.touch()
            most = max(most, len(os.listdir(folder)))
            mine.unlink()
    print(most)
"""


def test_never_more_processes_than_slots(limits, held, script, tmp_path):
    """However many processes ask, at most two are inside at once, and all get in."""
    folder = tmp_path / "inside"
    folder.mkdir()

    workers = [script(WORKER, folder, 60) for _ in range(4)]
    told = [worker.communicate(timeout=60) for worker in workers]

    assert [worker.returncode for worker in workers] == [0] * 4, told
    assert {int(out) for out, _ in told} <= {1, 2}
    assert held() == 0
    assert waiters(limits) == 0


HOLDER = """
    import time
    from nborch.concurrency.sync import concurrency
    with concurrency("api", occupy=2, holder="the other one"):
        print("inside", flush=True)
        time.sleep(60)
"""


def test_a_killed_holder_gives_its_slots_back(limits, held, script):
    """After kill -9 of a holder, the next who asks gets its slots at once."""
    process = script(HOLDER)
    assert process.stdout.readline() == "inside\n"
    assert held() == 2
    process.kill()
    process.wait()

    begun = time.monotonic()
    with concurrency("api", timeout_seconds=10):
        took = time.monotonic() - begun

    assert took < 2


def test_a_killed_holder_lets_in_who_waits(limits, script, until):
    """After kill -9 of a holder, who waits for its slots gets them in less than 2 s."""
    process = script(HOLDER)
    assert process.stdout.readline() == "inside\n"

    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(enter, "api")
        assert until(lambda: waiters(limits) == 1)
        begun = time.monotonic()
        process.kill()
        assert turn.result(10)

    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_waiter_that_died_or_stopped_keeps_nobody_waiting(limits, script, until, how):
    """A process that cannot take its turn any more loses it."""
    waiter = script("""
        from nborch.concurrency.sync import concurrency
        with concurrency("api"):
            pass
    """)
    with concurrency("api", occupy=2):
        assert until(lambda: waiters(limits) == 1)
        waiter.send_signal(how)

    assert enter("api")


def test_a_stopped_holder_keeps_its_slots(limits, script):
    """A process of this machine that is only suspended still has its slots."""
    process = script(HOLDER.replace("occupy=2", "occupy=2, lease_duration=0.1"))
    assert process.stdout.readline() == "inside\n"
    process.send_signal(signal.SIGSTOP)

    with pytest.raises(TimeoutError), concurrency("api", timeout_seconds=0.5):
        pass


def test_a_forked_child_does_not_free_the_slots_of_its_parent(limits, held):
    """A child that leaves the block of its parent gives nothing back; its own it does."""
    block = concurrency("api")
    block.__enter__()

    def leave():
        with concurrency("api"):
            assert held() == 2
        block.__exit__(None, None, None)
        return held() == 1

    assert in_child(leave) == 0
    assert held() == 1
    block.__exit__(None, None, None)
    assert held() == 0


def test_a_child_forked_among_waiting_threads_can_wait_itself(
    limits, others_have, until
):
    """What waits in the parent is nothing to its child, which has its own turn."""
    with others_have(2), ThreadPoolExecutor(2) as pool:
        turns = [pool.submit(enter, "api") for _ in range(2)]
        assert until(lambda: waiters(limits) == 1)
        threading.Timer(0.1, limits.store.put, ("api", 5)).start()

        assert in_child(enter, "api") == 0
        assert all(turn.result(10) for turn in turns)


def in_child(function, *arguments):
    """Call a function in a forked child; return 0 if it says that all is well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if function(*arguments) else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- other machines ------------------------------------------------------------------


def test_the_lease_of_another_machine_runs_out(limits, held):
    """Slots of a process that cannot be watched are free when its lease has run out."""
    now = time.time()
    other = elsewhere(limits, clock=lambda: now - 200)
    lease = other.acquire(other.claim(["api"], 2, lease_duration=210))
    assert lease is not None
    with pytest.raises(TimeoutError), concurrency("api", timeout_seconds=0.05):
        pass
    lease.release()

    late = other.acquire(other.claim(["api"], 2, lease_duration=190))
    with concurrency("api", timeout_seconds=10):
        assert held() == 1
        late.release()
    assert late.is_lost
    other.close()


def test_a_lease_is_renewed(limits, until):
    """A lease that is in use is renewed long before it runs out."""
    with concurrency("api", lease_duration=0.3):
        (before,) = limits.store.holdings("api")

        assert until(
            lambda: limits.store.holdings("api")[0].expires > before.expires + 0.2
        )


def test_renewing_finds_out_that_slots_were_lost(limits, until):
    """A holder learns of lost slots when it renews its lease, before its block ends."""
    lease = limits.acquire(limits.claim(["api"], lease_duration=0.1))
    limits.store.reset("api")

    assert until(lambda: lease.is_lost)


def test_nobody_overtakes_who_waits_in_another_process(limits, others_have, until):
    """A free slot is kept for the process that waits for two, until it gives up."""
    other = elsewhere(limits)
    with others_have(1):
        turn = other.ask(other.claim(["api"], 2))
        assert until(lambda: waiters(limits) == 1)

        with pytest.raises(TimeoutError), concurrency("api", timeout_seconds=0):
            pass
    turn.result(10).release()

    assert enter("api")
    other.close()


# --- the store -----------------------------------------------------------------------


def test_a_locked_store_does_not_lose_slots(limits, held, until, monkeypatch):
    """If the store cannot be written at the end of a block, that is made up for later."""
    lease = limits.acquire(limits.claim(["api"]))
    locker = sqlite3.connect(limits.store._path, isolation_level=None)
    with limits.store._held() as connection:
        connection.execute("PRAGMA busy_timeout = 10")
    locker.execute("BEGIN IMMEDIATE")

    lease.release()
    locker.execute("ROLLBACK")
    locker.close()

    assert until(lambda: held() == 0)


def test_closing_the_home_ends_every_wait(limits):
    """Who waits when the home is closed gets an error."""
    with concurrency("api", occupy=2), ThreadPoolExecutor(1) as pool:
        turn = limits.ask(limits.claim(["api"]))
        waited = pool.submit(turn.result, 30)
        limits.close()

        with pytest.raises(ConcurrencySlotAcquisitionError, match="was closed"):
            waited.result(10)


# --- tasks ---------------------------------------------------------------------------


def test_the_run_is_the_holder(limits):
    """Slots that a task takes are its run's."""

    @task
    def fetch():
        with concurrency("api"):
            return limits.store.holdings("api")[0].holder

    @flow
    def batch():
        return fetch()

    holder = batch()

    assert holder["type"] == "task_run"
    assert limits.for_tags(("api", "else")) == ("api",)


def test_tags_that_are_limits(home):
    """Which tags are limits is known at once after a change by this process."""
    assert home.limits.for_tags(()) == ()
    assert home.limits.for_tags(("api",)) == ()

    home.limits.store.put("api", 1)
    assert home.limits.for_tags({"api", "b"}) == ("api",)

    home.limits.store.delete("api")
    assert home.limits.for_tags(("api",)) == ()


def test_a_turn_calls_back(limits):
    """Who waits for slots need not hold a thread: it is called when they are taken."""
    came = threading.Event()
    with concurrency("api", occupy=2):
        turn = limits.ask(limits.claim(["api"]))
        turn.add_done_callback(lambda _: came.set())
        assert not came.wait(0.05)

    assert came.wait(10)
    turn.result().release()
