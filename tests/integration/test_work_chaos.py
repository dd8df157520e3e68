"""Chaos: schedulers and workers die and stop at random, and nothing is lost or doubled."""

import sqlite3
from collections import Counter
from datetime import timedelta
from itertools import pairwise

from nborch.schedules import IntervalSchedule, Policy
from nborch.work import Deployment, DeploymentSchedule

SCHEDULES, TIMES = 6, 50
EVERY = timedelta(seconds=0.1)

CHAOS = """
    import os, random, signal, sys, time
    from datetime import UTC, datetime
    from nborch import context  # children of a fork draw anew
    from nborch.deploy.scheduler import Scheduler
    from nborch.events import state_entered
    from nborch.home import current_home
    from nborch.states import Completed, Running
    from nborch.store.sqlite import SQLiteStore
    from nborch.store.terms import Terms

    RUNS = int(sys.argv[1])
    home = current_home()
    home.workers.terms = Terms(0.5)
    lane = home.deployments.list()[0].lane

    def schedule():
        Scheduler(home).run()

    def work():
        worker = home.workers.register("w", [lane])
        while True:
            if not home.workers.renew(worker.id):
                worker = home.workers.register("w", [lane])
            for claim in home.queue.claim([lane], worker.id):
                execute(claim)
            time.sleep(0.005)

    def execute(claim):
        # As the process of a run does: with a store that knows whom it answers for.
        store = SQLiteStore(home.store.path)
        store.answer_for(claim.run_id, claim.attempt, claim.worker_id)
        def enter(state):
            state = state.stamped(datetime.now(UTC))
            return store.append([state_entered(claim.run_id, state, claim.attempt)])
        enter(Running())
        time.sleep(0.005)
        accepted = enter(Completed(message=str(claim.attempt)))
        os.write(1, b"accepted\\n" if accepted else b"refused\\n")
        store.close()

    def start(role):
        child = os.fork()
        if child == 0:
            signal.alarm(120)
            try:
                role()
            finally:
                os._exit(1)
        return child

    # The parent holds nothing of the store while it makes children.
    home.close()
    children = {start(role): role for role in [schedule] * 2 + [work] * 3}
    stopped = {}
    draw = random.Random(int(sys.argv[2]))
    end = time.monotonic() + float(sys.argv[3])
    os.write(2, b"")
    while time.monotonic() < end or stopped:
        time.sleep(0.05)
        now = time.monotonic()
        for child in [c for c, until in stopped.items() if until < now]:
            os.kill(child, signal.SIGCONT)
            del stopped[child]
        child = draw.choice(sorted(children))
        if now > end or child in stopped:
            continue
        if draw.random() < 0.6:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            role = children.pop(child)
            children[start(role)] = role
        elif len(stopped) < 2:
            os.kill(child, signal.SIGSTOP)
            stopped[child] = now + 0.9
    while True:
        records = home.store.records(limit=RUNS + 1)
        if len(records) == RUNS and all(r.state.is_over() for r in records):
            break
        home.close()
        time.sleep(0.05)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.write(1, b"done\\n")
"""


def test_nothing_is_lost_or_doubled_in_chaos(script, home):
    """Whatever dies or stops: each time is fired once, each run ends once, and well."""
    schedules = [
        DeploymentSchedule(
            schedule=IntervalSchedule(EVERY),
            policy=Policy(overlap="allow", catchup="all", max_runs=TIMES),
            parameters={"number": number},
        )
        for number in range(SCHEDULES)
    ]
    deployment = home.deployments.put(
        Deployment(
            name="n", flow_name="f", schedules=tuple(schedules), max_crashes=1_000
        )
    )
    home.close()

    process = script(CHAOS, SCHEDULES * TIMES, 7, 6)
    out, err = process.communicate(timeout=110)

    told = Counter(out.split())
    assert told.pop("done", 0) == 1, err
    runs = []
    for record in home.deployments.schedules(deployment):
        outcomes = home.deployments.outcomes(record.id, 1_000)[::-1]
        assert len(outcomes) == TIMES
        assert {str(each.kind) for each in outcomes} == {"fired"}
        assert {two.nominal - one.nominal for one, two in pairwise(outcomes)} == {EVERY}
        runs += [each.run_id for each in outcomes]
    records = home.store.records(limit=1_000)
    assert sorted(runs) == sorted(record.run.id for record in records)
    assert {record.state.name for record in records} == {"Completed"}
    ends = Counter(
        event.run_id
        for event in home.store.events()
        if event.kind == "state" and event.data["type"] == "COMPLETED"
    )
    assert set(ends.values()) == {1}
    assert home.queue.unfinished() == []
    # A process may be killed between its last word and telling us of it.
    assert 0 < told["accepted"] <= SCHEDULES * TIMES
    with sqlite3.connect(home.store.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    connection.close()
