"""The control plane: the same answers here and through a server."""

import itertools
import json
import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from serving import Served

from nborch.control import remote
from nborch.control.base import Control
from nborch.control.choosing import current_control, gathered, home_here
from nborch.control.local import LocalControl
from nborch.control.pages import place_of, told_place
from nborch.control.remote import RemoteControl
from nborch.control.routes import ROUTES
from nborch.control.telling import record_of
from nborch.events import log_written, noted, run_created, state_entered
from nborch.exceptions import (
    AlreadyExists,
    InvalidDeclaration,
    MissingResult,
    NotFound,
    ParameterBindError,
    ParameterTypeError,
    ServerError,
    UnfinishedRun,
)
from nborch.home import Home
from nborch.leasing import leave_note
from nborch.runs import Run, RunKind, flow_run_name, new_id
from nborch.schedules import CronSchedule, IntervalSchedule
from nborch.settings import Settings
from nborch.states import (
    Cancelled,
    Completed,
    Failed,
    Pending,
    Running,
    State,
    StateType,
)
from nborch.work import Deployment, DeploymentSchedule, WorkPool

pytestmark = pytest.mark.timeout(120)

SCHEMA = {
    "type": "object",
    "properties": {
        "month": {"type": "integer"},
        "region": {"type": "string", "default": "eu"},
    },
    "required": ["month"],
    "additionalProperties": False,
}


def moment(seconds):
    return datetime.fromtimestamp(seconds, UTC)


class Made:
    """Makes what a control plane is asked about, in a home."""

    def __init__(self, home):
        self.home = home
        self._numbers = itertools.count(1)
        #: Long ago, and each a second after the other.
        self._clock = itertools.count(1_700_000_000)

    def name(self, word="thing"):
        """Return a name that nothing else has."""
        return f"{word}-{next(self._numbers)}"

    def run(
        self, *states, of="etl", parent=None, lines=(), kind=RunKind.FLOW, **details
    ):
        """Store a run that has entered states; return it."""
        at = float(next(self._clock))
        run = Run(
            new_id(at),
            kind,
            of,
            details.pop("name", None) or flow_run_name(),
            moment(at),
            details.pop("process", "elsewhere:1:a"),
            None if parent is None else parent.id,
            details,
        )
        events = [run_created(run)]
        entered = [Pending(), Running(), *states]
        for number, state in enumerate(entered):
            events += [log_written(run.id, at, *line) for line in lines if number == 2]
            stamped = state.stamped(moment(at + number / 10))
            events.append(state_entered(run.id, stamped, min(number, 1)))
        self.home.store.append(events)
        return run

    def deployment(self, *schedules, **declared):
        """Put a deployment; return it."""
        times = [DeploymentSchedule(schedule=each) for each in schedules]
        options = {
            "name": "nightly",
            "flow_name": self.name("report"),
            "parameter_schema": SCHEMA,
            "entrypoint": {"kind": "module", "module": "reports", "name": "report"},
        }
        return self.home.deployments.put(
            Deployment(**options | declared | {"schedules": tuple(times)})
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server in a process of its own."""
    with Served(tmp_path_factory.mktemp("there") / "home") as server:
        yield server


@pytest.fixture(scope="module")
def there(served):
    """The home that the server works on."""
    home = Home(Settings(served.home, served.home / "secret.key"))
    yield home
    home.close()


@pytest.fixture(params=["local", "remote"])
def control(request, served, there):
    """A control plane of one home: in this process, and through a server."""
    if request.param == "local":
        yield LocalControl(there)
        return
    asking = RemoteControl(served.base, served.token)
    yield asking
    asking.close()


@pytest.fixture(autouse=True)
def no_conversation_goes_on(monkeypatch):
    """What is asked by the environment is asked anew in each test."""
    asked = []
    made_once = remote.remote_control.__wrapped__

    def remote_control(*given):
        asked.append(made_once(*given))
        return asked[-1]

    monkeypatch.setattr(remote, "remote_control", remote_control)
    yield
    for each in asked:
        each.close()


@pytest.fixture(scope="module")
def made(there):
    return Made(there)


def test_each_method_has_an_address():
    """Whatever a control plane does can be asked for over HTTP, and nothing else."""
    methods = {
        name
        for each in Control.__mro__
        for name, value in vars(each).items()
        if callable(value) and not name.startswith("_")
    }

    assert methods - {"record"} == {route.name for route in ROUTES}
    assert all(hasattr(RemoteControl, name) for name in methods)
    assert all(hasattr(LocalControl, name) for name in methods)


# Runs.


def test_a_run_is_told(control, made):
    """A run tells its state, its times, what is within it, and what ended it."""
    flow = made.name("etl")
    run = made.run(Failed(message="boom"), of=flow, tags=["eu"], parameters={"n": 4})
    for state in (Completed(), Completed(), Failed()):
        made.run(state, of="clean", parent=run, kind=RunKind.TASK)

    told = control.run(run.id)
    (listed,) = control.runs(flow=flow)["items"]

    assert listed["name"] == told["name"] == run.name
    assert told["state"] == {"type": "FAILED", "name": "Failed", "message": "boom"}
    assert told["tasks"] == listed["tasks"] == {"COMPLETED": 2, "FAILED": 1}
    assert told["parameters"] == {"n": 4}
    assert told["tags"] == ["eu"]
    assert told["error"]["message"] == "boom"
    assert told["created"] == run.created.timestamp()
    assert round(told["ended"] - told["started"], 3) == 0.1
    assert told["can"] == []


def test_a_whole_run_is_the_one_that_is_stored(control, made):
    """What is told of a whole run makes the same record again."""
    state = Failed(message="boom", details={"error": {"type": "E", "message": "m"}})
    run = made.run(state, tags=["eu"], parameters={"n": [1, None, "ü"]})

    told = control.run_called(run.id[:30])

    stored = made.home.store.record(run.id)
    assert record_of(told) == stored
    assert record_of(told).to_json() == stored.to_json()
    assert control.record(run.name).to_json() == stored.to_json()


def test_runs_are_narrowed(control, made):
    """Runs are found by state, flow, tag, text, kind, time and the run around them."""
    flow = made.name("narrowed")
    first = made.run(Completed(), of=flow, tags=["eu", "daily"], name="blue-heron")
    second = made.run(Failed(), of=flow, tags=["us"])
    within = made.run(Completed(), of=flow, parent=second)
    task = made.run(Completed(), of=flow, parent=second, kind=RunKind.TASK)

    def found(**narrowed):
        items = control.runs(**{"flow": flow} | narrowed)["items"]
        counts = control.run_counts(**{"flow": flow} | narrowed)
        assert sum(counts.values()) == len(items)
        return [each["id"] for each in items]

    assert found() == [within.id, second.id, first.id]
    assert found(state=["FAILED"]) == [second.id]
    assert found(state=["FAILED", "COMPLETED"]) == found()
    assert found(tag="eu") == [first.id]
    assert found(tag="e") == []
    assert found(q="LUE-her") == [first.id]
    assert found(q=flow[3:], flow=None) == found()
    assert found(q=second.id[:20]) == [second.id]
    assert found(q="%") == found(q="_") == []
    assert found(kind=["task"]) == [task.id]
    assert found(parent=second.id) == [within.id]
    assert found(parent=second.id, kind=["task", "flow"]) == [task.id, within.id]
    assert found(top=True) == [second.id, first.id]
    at = second.created.timestamp()
    assert found(since=at, until=at + 0.5) == [second.id]
    assert found(until=at) == [first.id]


def test_runs_of_deployments_are_narrowed(control, made):
    """Runs are found by their deployment, also once it is gone, and by their pool."""
    pool = made.name("pool")
    made.home.pools.put(WorkPool(name=pool))
    deployment = made.deployment(work_pool=pool)
    told = control.make_run(deployment.id, parameters={"month": 7}, at=4e9)

    by_name = control.runs(deployment=deployment.full_name)["items"]
    by_pool = control.runs(work_pool=pool)["items"]
    control.delete_deployment(deployment.id)
    gone = control.runs(deployment=deployment.id)["items"]

    assert [e["id"] for e in by_name] == [e["id"] for e in by_pool] == [told["id"]]
    assert by_pool[0]["work_pool"] == pool
    assert by_pool[0]["due"] == 4e9
    assert by_pool[0]["deployment"]["name"] == deployment.full_name
    assert [each["state"]["type"] for each in gone] == ["CANCELLED"]


def test_pages_stay_while_runs_are_added(control, made):
    """Who turns pages sees each run once, whatever is made meanwhile."""
    flow = made.name("paged")
    old = [made.run(Completed(), of=flow).id for _ in range(7)]

    seen, cursor = [], None
    while True:
        page = control.runs(flow=flow, limit=3, cursor=cursor)
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
        made.run(Completed(), of=flow)
        if cursor is None:
            break

    assert seen == old[::-1]


def test_all_pages_are_gathered(control, made):
    """A program gets all items of a list, however many pages they are on."""
    flow = made.name("many")
    ids = [made.run(Completed(), of=flow).id for _ in range(5)]
    control.at_once = 2

    found = gathered(control, control.runs, flow=flow)
    few = gathered(control, control.runs, flow=flow, most=3)

    assert [each["id"] for each in found] == ids[::-1]
    assert [each["id"] for each in few] == ids[:1:-1]


def test_runs_are_counted_over_time(control, made):
    """The history of a time tells in which part of it how many runs were made."""
    flow = made.name("history")
    states = Completed(), Failed(), Completed()
    first, *_ = [made.run(state, of=flow) for state in states]
    since = first.created.timestamp()

    told = control.run_history(flow=flow, since=since, until=since + 4, bins=4)

    assert [each["states"] for each in told["bins"]] == [
        {"COMPLETED": 1},
        {"FAILED": 1},
        {"COMPLETED": 1},
        {},
    ]
    assert [each["start"] for each in told["bins"]] == [since + n for n in range(4)]
    with pytest.raises(InvalidDeclaration, match="no history from"):
        control.run_history(since=5.0, until=5.0)


def test_states_are_told(control, made):
    """The states that a run has entered are told in order."""
    run = made.run(Failed(message="boom"))

    told = control.run_states(run.id)["items"]

    assert [each["type"] for each in told] == ["PENDING", "RUNNING", "FAILED"]
    assert told[-1]["message"] == "boom"


def test_the_log_is_read_in_pages(control, made):
    """A log is read from its end, backwards, forwards, by level and by text."""
    lines = [("INFO", "here", f"line {n}") for n in range(4)]
    run = made.run(Completed(), lines=[*lines, ("ERROR", "here", "Oh No")])
    made.run(
        Completed(), parent=run, lines=[("DEBUG", "there", "deep")], kind=RunKind.TASK
    )
    whole = [e.data["message"] for e in made.home.store.logs(run.id)]

    def told(**asked):
        page = control.run_log(run.id, **asked)
        return page, [each["message"] for each in page["lines"]]

    assert told()[1] == whole
    assert told(after=0)[1] == whole
    assert told(level="ERROR")[1] == ["Oh No"]
    assert "deep" not in told(level="INFO")[1]
    assert told(q="oh no")[1] == ["Oh No"]
    last, texts = told(limit=2)
    assert texts == whole[-2:]
    before, texts = told(limit=3, before=last["previous"])
    assert texts == whole[-5:-2]
    assert before["more"]
    first, texts = told(after=0, limit=3)
    assert (texts, first["more"]) == (whole[:3], True)
    assert told(after=first["next"])[1] == whole[3:]
    assert told(after=last["next"])[1] == []


def test_a_log_far_back_is_the_same(made, monkeypatch):
    """Lines are the same, be the place they come after near the end or far from it."""
    control = LocalControl(made.home)
    run = made.run(Completed(), lines=[("INFO", "x", f"{n}") for n in range(30)])
    for _ in range(3):
        made.run(Completed(), parent=run, kind=RunKind.TASK, lines=[("INFO", "x", "y")])
    made.run(Completed(), lines=[("INFO", "x", "of another")])
    near = [control.run_log(run.id, after=n, limit=7) for n in range(0, 60, 7)]

    monkeypatch.setattr("nborch.store.logbook.NEAR", -1)
    far = [control.run_log(run.id, after=n, limit=7) for n in range(0, 60, 7)]

    assert [each["lines"] for each in near] == [each["lines"] for each in far]
    assert [each["more"] for each in near] == [each["more"] for each in far]


def test_what_was_reused_is_told(control, made):
    """A run tells how many of its tasks were not called, and the time that saved."""
    run = made.run(Completed(), of=made.name())
    task = made.name("task")
    cached = State(StateType.COMPLETED, "Cached", details={"saved_seconds": 2.5})
    for _ in range(2):
        made.run(cached, of=task, parent=run, kind=RunKind.TASK)

    told = control.run(run.id)["cache"]

    assert told == {"hits": 2, "seconds_saved": 5.0}


def test_results_of_a_notebook_are_its_artifacts(control, made):
    """What a notebook gave as its results is listed with a preview."""
    run = made.run(Completed(), notebook="/work/report.ipynb", output="/work/out.ipynb")
    cell = made.run(Completed(), parent=run, kind=RunKind.TASK)
    handle = {"type": "int", "value": [42], "key": None, "reason": None, "size": 0}
    large = {"type": "DataFrame", "value": [], "key": "k", "reason": None, "size": 900}
    results = {"answer": handle, "rows": large}
    made.home.store.append([noted(cell.id, time.time(), {"results": results})])

    told = control.run(run.id)

    assert told["artifacts"] == [
        {"name": "answer", "kind": "int", "preview": "42", "size": None},
        {"name": "rows", "kind": "DataFrame", "preview": None, "size": 900},
    ]
    assert told["result"] == "answer, rows"
    assert told["output"] == "/work/out.ipynb"


@pytest.mark.parametrize(
    "reference", ["nope", "", "../../etc/passwd", "a/b", "\0", "é%2f"]
)
def test_a_run_that_is_not_there(control, reference):
    """An id that no run has is an error in words, whatever is in it."""
    with pytest.raises(NotFound, match=r"No run (has the id|is called)|address"):
        control.run(reference)


def test_only_the_whole_id_is_the_run(control, made):
    """A part of an id, or a name, leads to a run only where that is asked for."""
    run = made.run(Completed(), name=made.name("called"))

    assert control.run_called(run.name)["id"] == run.id
    assert control.run_called(run.id[:-2])["id"] == run.id
    for other in (run.name, run.id[:-1], run.id + "0", run.id.upper()):
        with pytest.raises(NotFound, match="No run has the id"):
            control.run(other)
        with pytest.raises(NotFound):
            control.cancel_run(other)


@pytest.mark.parametrize("cursor", ["x", "====", "é", told_place("x") + "="])
def test_a_strange_cursor_is_refused(control, cursor):
    """A cursor that is none of ours is refused, and names the remedy."""
    with pytest.raises(InvalidDeclaration, match=r"is no cursor\. Take the 'next'"):
        control.runs(cursor=cursor)


def test_a_cursor_is_any_text():
    """A cursor leads back to its place, whatever characters that has."""
    assert place_of(told_place("a/ü %2F\n")) == "a/ü %2F\n"


# Changing how runs go on.


def test_a_run_that_waits_is_cancelled(control, made):
    """A run that waits is cancelled at once; a second time it was over before."""
    deployment = made.deployment()
    run = control.make_run(deployment.id, parameters={"month": 1})
    assert control.run(run["id"])["can"] == ["cancel"]

    told = control.cancel_run(run["id"])
    again = control.cancel_run(run["id"])

    assert (told["told"], again["told"]) == ("cancelled", "over")
    assert told["run"]["state"]["type"] == "CANCELLED"
    assert control.run(run["id"])["can"] == ["retry"]


def test_a_run_is_made_again(control, made):
    """A run of a deployment that is over is made again, with its parameters."""
    deployment = made.deployment()
    run = control.make_run(deployment.id, parameters={"month": 5})
    with pytest.raises(UnfinishedRun, match="is not over"):
        control.retry_run(run["id"])
    control.cancel_run(run["id"])

    again = control.retry_run(run["id"])["run"]

    assert again["id"] != run["id"]
    assert control.run(again["id"])["parameters"] == {"month": 5}


def test_what_cannot_be_done_is_said(control, made):
    """A run of no deployment is neither made again nor cancelled from elsewhere."""
    over, on = made.run(Completed()), made.run()

    with pytest.raises(InvalidDeclaration, match="was made by no deployment"):
        control.retry_run(over.id)
    with pytest.raises(InvalidDeclaration, match="cannot be resumed"):
        control.resume_run(over.id)
    with pytest.raises(NotFound, match="End it where it was started"):
        control.cancel_run(on.id)
    assert control.cancel_run(over.id)["told"] == "over"
    assert control.run(on.id)["can"] == []


PROGRAM = """
    import os, sys, time
    from pathlib import Path
    from nborch import flow, task

    @task
    def wait():
        Path(sys.argv[1]).touch()
        while True:
            time.sleep(0.01)

    @flow
    def endless():
        wait()

    endless()
"""

AWAITS = """
    import asyncio, sys
    from pathlib import Path
    from nborch import flow, task

    @task
    async def wait():
        Path(sys.argv[1]).touch()
        await asyncio.sleep(600)

    @flow
    async def endless():
        await wait()

    asyncio.run(endless())
"""


@pytest.fixture
def program(request, there, script, tmp_path, until):
    """A program in which a run goes on."""
    begun, text = tmp_path / "begun", getattr(request, "param", PROGRAM)
    started = script(text, begun, NBORCH_HOME=str(there.folder))
    assert until(begun.exists)
    return started


def run_in(program, control, until):
    """Return the run that goes on in a program."""

    def found():
        going_on = control.runs(flow="endless", state=["RUNNING"], whole=True)["items"]
        return [e for e in going_on if f":{program.pid}:" in e["stored"]["process"]]

    (run,) = until(found)
    return run


@pytest.mark.parametrize("program", [PROGRAM, AWAITS], indirect=True)
def test_a_program_is_cancelled(control, program, until):
    """A program that does nothing but one run ends as by Ctrl-C, its run Cancelled."""
    run = run_in(program, control, until)
    assert control.run(run["id"])["can"] == ["cancel"]

    told = control.cancel_run(run["id"])["told"]

    assert told == "cancelling"
    program.wait(20)
    assert program.returncode != 0
    assert control.run(run["id"])["state"]["type"] == "CANCELLED"
    assert control.run(run["id"])["state"]["message"].endswith("Cancelled on request.")
    (within,) = control.runs(parent=run["id"], kind=["task"])["items"]
    assert within["state"]["type"] == "CANCELLED"


@pytest.mark.parametrize("program", [PROGRAM, AWAITS], indirect=True)
def test_ctrl_c_is_no_request(control, program, until):
    """A run that somebody ends by Ctrl-C where it goes on was not cancelled."""
    run = run_in(program, control, until)

    program.send_signal(signal.SIGINT)

    program.wait(20)
    assert control.run(run["id"])["state"]["type"] == "CRASHED"


def test_a_request_is_about_one_run(there, control, program, until):
    """What was asked of a run says nothing about another one, nor about its program."""
    run = run_in(program, control, until)
    process = run["stored"]["process"]
    leave_note(there.folder / "processes", process, "another run\nNobody wants it.")

    program.send_signal(signal.SIGINT)

    program.wait(20)
    assert control.run(run["id"])["state"]["type"] == "CRASHED"
    # Who is gone is left no notes.
    there.reap()
    assert not list((there.folder / "processes").glob(f"{process}*"))


def test_a_program_that_does_more_is_left_alone(control, made, program, until):
    """A process in which anything else goes on is not ended for the sake of one run."""
    told = run_in(program, control, until)
    other = made.run(process=told["stored"]["process"])

    assert control.run(told["id"])["can"] == []
    for run_id in (told["id"], other.id):
        with pytest.raises(NotFound, match="End it where it was started"):
            control.cancel_run(run_id)


# Deployments.


def test_only_the_whole_id_is_the_deployment(control, made):
    """A deployment's name leads to it only where that is asked for."""
    deployment = made.deployment()

    for name in (deployment.full_name, deployment.id[:-1], deployment.id.upper()):
        for ask in (control.deployment, control.outcomes, control.delete_deployment):
            with pytest.raises(NotFound):
                ask(name)
    assert control.deployment_called(deployment.full_name)["id"] == deployment.id


def test_a_deployment_is_told(control, made):
    """A deployment tells its schedules in words, its next times and its last runs."""
    deployment = made.deployment(
        CronSchedule("0 8 * * *", "Europe/Berlin"), description="Daily.", tags={"a"}
    )
    runs = [control.make_run(deployment.id, parameters={"month": n}) for n in (1, 2)]

    told = control.deployment_called(deployment.full_name)

    (schedule,) = told["schedules"]
    assert (told["id"], told["name"]) == (deployment.id, "nightly")
    assert told["entrypoint"] == "reports:report"
    assert told["parameter_schema"] == SCHEMA
    assert "08:00" in schedule["words"]
    times = schedule["next"]
    assert len(times) == 10
    assert times == sorted(times)
    assert times[0] > time.time()
    assert [each["id"] for each in told["last"]] == [runs[1]["id"], runs[0]["id"]]
    assert control.deployment(deployment.id) == told
    listed = control.deployments(flow=deployment.flow_name)["items"]
    assert [each["full_name"] for each in listed] == [deployment.full_name]
    assert control.deployments(q="NO SUCH")["items"] == []


def test_deployments_come_in_pages(control, made):
    """Deployments are listed by name, page by page."""
    flow = made.name("paged")
    names = [made.deployment(flow_name=flow, name=each).full_name for each in "cab"]

    first = control.deployments(flow=flow, limit=2)
    second = control.deployments(flow=flow, limit=2, cursor=first["next"])

    found = [each["full_name"] for each in first["items"] + second["items"]]
    assert found == sorted(names)
    assert second["next"] is None


def test_a_run_is_asked_for(control, made):
    """A run is made with parameters, a time, a name and tags, once for each key."""
    deployment = made.deployment(tags={"own"})
    asked = {
        "parameters": {"month": 7},
        "at": 4_000_000_000.5,
        "name": "july",
        "tags": ["more"],
        "priority": 3,
        "idempotency_key": made.name("key"),
    }

    run = control.make_run(deployment.id, **asked)
    again = control.make_run(deployment.id, **asked)

    assert run["id"] == again["id"]
    assert (run["name"], run["due"]) == ("july", 4_000_000_000.5)
    assert run["tags"] == ["more", "own"]
    assert run["state"]["name"] == "Scheduled"


@pytest.mark.parametrize(
    ("parameters", "error", "name"),
    [
        ({"month": "x"}, ParameterTypeError, "month"),
        ({}, ParameterBindError, "month"),
        ({"month": 1, "moth": 2}, ParameterBindError, "moth"),
        ({"month": 1, "a\nimport os": 2}, ParameterBindError, "a\nimport os"),
    ],
)
def test_parameters_that_do_not_fit(control, made, parameters, error, name):
    """Parameters that do not fit make no run, and it is told which."""
    deployment = made.deployment()

    with pytest.raises(error) as raised:
        control.make_run(deployment.id, parameters=parameters)

    assert control.runs(deployment=deployment.id)["items"] == []
    if isinstance(control, LocalControl):
        assert list(raised.value.by_name) == [name]


def test_schedules_are_paused(control, made):
    """A deployment, or one of its schedules, rests until it is resumed."""
    each = timedelta(hours=1), timedelta(hours=2)
    deployment = made.deployment(*map(IntervalSchedule, each))
    first, second = control.deployment(deployment.id)["schedules"]

    paused = control.pause_deployment(deployment.id)
    resumed = control.resume_deployment(deployment.id)
    one = control.pause_schedule(deployment.id, first["id"])
    both = control.resume_schedule(deployment.id, first["id"])

    assert paused["paused"]
    assert [s["next"] for s in paused["schedules"]] == [[], []]
    assert not resumed["paused"]
    assert [s["active"] for s in one["schedules"]] == [False, True]
    assert [s["active"] for s in both["schedules"]] == [True, True]
    other = made.deployment(IntervalSchedule(timedelta(hours=3)))
    with pytest.raises(NotFound, match="has no schedule with the id"):
        control.pause_schedule(other.id, second["id"])


def test_times_are_made_up_for(control, made):
    """A backfill makes a run for each nominal time that had none, and counts first."""
    deployment = made.deployment(
        CronSchedule("0 * * * *"), parameters={"month": 1}, flow_name=made.name("fill")
    )
    when = {"start": 1_700_000_000.0, "end": 1_700_000_000.0 + 3 * 3600}

    dry = control.backfill(deployment.id, **when, dry_run=True)
    done = control.backfill(deployment.id, **when)
    again = control.backfill(deployment.id, **when)
    outcomes = control.outcomes(deployment.id)["items"]

    assert (dry["made"], dry["times"], dry["runs"]) == (0, 3, [])
    assert (done["made"], len(done["runs"]), again["made"]) == (3, 3, 0)
    assert [each["kind"] for each in outcomes] == ["backfilled"] * 3
    assert {each["run"]["id"] for each in outcomes} == set(done["runs"])
    with pytest.raises(InvalidDeclaration, match="ends before it begins"):
        control.backfill(deployment.id, start=2e9, end=1e9)
    with pytest.raises(InvalidDeclaration, match="has no schedule"):
        control.backfill(made.deployment().id, start=1e9)


def test_a_backfill_has_bounds(control, made):
    """A backfill of more times than anybody can mean is refused, and soon."""
    deployment = made.deployment(CronSchedule("* * * * *"), parameters={"month": 1})
    began = time.monotonic()

    with pytest.raises(InvalidDeclaration, match="more than 10000 times"):
        control.backfill(deployment.id, start=0.0, end=4e9)

    assert time.monotonic() - began < 20


def test_a_deployment_is_removed(control, made):
    """A deployment that was removed is not there any more."""
    deployment = made.deployment()

    assert control.delete_deployment(deployment.id) is None

    for ask in (control.deployment, control.delete_deployment):
        with pytest.raises(NotFound):
            ask(deployment.id)
    with pytest.raises(NotFound, match="No deployment is called"):
        control.deployment_called(deployment.full_name)


# Pools, workers, limits.


def test_a_work_pool_lives(control, made):
    """A work pool is created, changed, looked at and removed."""
    name = made.name("pool")
    created = control.create_work_pool(name=name, limit=3, description="Mine.")
    with pytest.raises(AlreadyExists, match="exists"):
        control.create_work_pool(name=name)
    deployment = made.deployment(work_pool=name)
    run = control.make_run(deployment.id, parameters={"month": 1})

    changed = control.change_work_pool(name, limit=None, paused=True)
    (queued,) = control.work_pool_queue(name)["items"]

    assert (created["limit"], created["description"]) == (3, "Mine.")
    assert (changed["limit"], changed["paused"]) == (None, True)
    assert changed["description"] == "Mine."
    assert (changed["waiting"], changed["running"]) == (1, 0)
    assert changed["deployments"] == [deployment.full_name]
    assert (queued["run"]["id"], queued["status"]) == (run["id"], "waiting")
    with pytest.raises(InvalidDeclaration, match="is used by"):
        control.delete_work_pool(name)
    control.delete_deployment(deployment.id)
    control.delete_work_pool(name)
    with pytest.raises(NotFound, match="No work pool is called"):
        control.work_pool(name)
    assert name not in [each["name"] for each in control.work_pools(limit=200)["items"]]


def test_workers_are_told(control, made):
    """Workers tell for what they work, and are found by their pool."""
    pool = made.name("pool")
    made.home.pools.put(WorkPool(name=pool))
    worker = made.home.workers.register("busy", [f"pool/{pool}"], limit=2)

    (told,) = control.workers(work_pool=pool)["items"]
    made.home.workers.leave(worker.id)
    (gone,) = control.workers(work_pool=pool, status=["left"])["items"]

    assert (told["name"], told["status"], told["limit"]) == ("busy", "online", 2)
    assert told["works_for"] == [pool]
    assert gone["id"] == worker.id
    assert control.workers(work_pool=pool, status=["online"])["items"] == []


@pytest.mark.parametrize("word", ["api", "a/b c", "ünï", "..", "x?y#z", "tag\n", "%2F"])
def test_a_limit_lives(control, made, word):
    """A limit of any name is created, changed, looked at, reset and removed."""
    name = made.name(word)

    created = control.create_limit(name=name, slots=2)
    with pytest.raises(AlreadyExists, match="exists"):
        control.create_limit(name=name, slots=2)
    changed = control.put_limit(name, slots=5, slot_decay_per_second=0.5)
    lease = made.home.limits.acquire(made.home.limits.claim([name]))
    held = control.limit(name)
    before = control.reset_limit(name)
    after = control.limit(name)
    lease.release()
    control.delete_limit(name)

    assert (created["slots"], changed["slots"]) == (2, 5)
    assert changed["slot_decay_per_second"] == 0.5
    assert held["in_use"] == before["in_use"] == 1
    assert [each["slots"] for each in held["holders"]] == [1]
    assert (after["in_use"], after["holders"]) == (0, [])
    with pytest.raises(NotFound, match="No concurrency limit is called"):
        control.limit(name)


def test_who_holds_slots_is_a_run(control, made):
    """A limit tells the names of the runs that hold its slots."""
    name, run = made.name("limit"), made.run()
    control.put_limit(name, slots=2)
    holder = {"type": "flow_run", "id": run.id}
    lease = made.home.limits.acquire(made.home.limits.claim([name], holder=holder))

    (told,) = control.limit(name)["holders"]
    lease.release()

    assert (told["name"], told["run"]) == (run.name, run.id)


# The rest.


def test_the_cache_is_told_and_cleared(control, made):
    """The cache tells what it holds of each task, and is cleared by task and age."""
    cache, task = made.home.cache, made.name("task")
    for n in range(3):
        cache.keep(f"{task}-{n}", {"result": n}, seconds=2.0, label=task)
    cache.keep(f"other-{task}", {"result": 1}, seconds=1.0, label="other")

    told = control.cache()
    listed = gathered(control, control.cache_results)
    old = control.clear_cache(task=task, older_than=3600.0)
    cleared = control.clear_cache(task=task)

    (of_task,) = [each for each in told["by_task"] if each["task"] == task]
    assert (of_task["entries"], of_task["seconds"]) == (3, 6.0)
    assert told["entries"] == len(listed) >= 4
    assert (old["removed"], cleared["removed"]) == (0, 3)
    assert cache.lookup(f"other-{task}") is not None
    assert control.collect_cache(max_bytes=0)["removed"] >= 1
    assert control.cache()["entries"] == 0


def test_settings_have_no_secret(control, made, monkeypatch):
    """Settings are told with where they come from, and addresses without secrets."""
    told = {each["name"]: each for each in control.settings()["items"]}

    assert told["home"]["value"] == str(made.home.folder)
    assert told["log_level"] == {
        "name": "log_level",
        "value": "INFO",
        "source": "default",
    }
    secret = Settings(made.home.folder, made.home.folder / "x")
    from dataclasses import replace

    from nborch.control.preferences import told_settings
    from nborch.settings import NotifySettings

    masked = told_settings(replace(secret, notify=NotifySettings(("mail://me:pw@x",))))
    assert "pw" not in json.dumps(masked)


def test_who_answers_is_told(control):
    """A control plane tells that it is there, and which version."""
    assert control.health() == {"status": "ok"}
    assert control.version()["name"] == "nborch"


# Which one is meant.


def test_a_server_is_asked_where_the_environment_says_so(served, home, monkeypatch):
    """NBORCH_API_URL makes a server the one that is asked; its token comes along."""
    assert current_control().home is home

    monkeypatch.setenv("NBORCH_API_URL", served.way_in)
    with_token_in_it = current_control()
    monkeypatch.setenv("NBORCH_API_URL", f"{served.base}/")
    monkeypatch.setenv("NBORCH_API_TOKEN", served.token)
    with_its_own = current_control()

    for control in (with_token_in_it, with_its_own):
        assert control.home is None
        assert control.where == served.base
        assert control.runs(limit=1)["items"] is not None
        with pytest.raises(ServerError, match="A value needs the files of the home"):
            home_here(control, "A value")


@pytest.mark.parametrize(
    ("url", "token", "told"),
    [
        ("{base}", None, "does not know who asks. Set NBORCH_API_TOKEN"),
        ("{base}", "wrong", "does not know who asks"),
        ("http://127.0.0.1:9", "x", "cannot be reached: .* Start it with"),
        ("ftp://x", "x", "is no address of a server"),
        ("nonsense", "x", "is no address of a server"),
    ],
)
def test_a_server_that_cannot_be_asked(served, url, token, told):
    """A server that is not there, or does not know who asks, is an error in words."""
    with (
        pytest.raises(ServerError, match=told) as raised,
        closing(RemoteControl(url.format(base=served.base), token)) as control,
    ):
        control.runs()

    assert isinstance(raised.value, ConnectionError)


def test_a_conversation_is_taken_up_again(tmp_path):
    """Who has asked a server before goes on once it has been started again."""
    server = Served(tmp_path / "home").start()
    control = RemoteControl(server.base, server.token)
    try:
        control.put_limit("api", slots=1)
        server.kill()
        with pytest.raises(ServerError, match="cannot be reached"):
            control.limit("api")
        server.start()

        assert control.limit("api")["slots"] == 1
    finally:
        control.close()
        server.kill()


def test_a_run_is_asked_for_elsewhere(served, there, made, monkeypatch):
    """run_deployment() asks the server; a value stays where the server is."""
    from nborch import run_deployment

    monkeypatch.setenv("NBORCH_API_URL", served.way_in)
    deployment = made.deployment()

    run = run_deployment(
        deployment.full_name,
        parameters={"month": 3},
        tags=["remote"],
        flow_run_name="asked",
        timeout=0,
    )
    assert (run.name, run.parameters["month"], run.done()) == ("asked", 3, False)
    assert there.store.record(run.id).run.tags == {"remote"}
    worker = there.workers.register("one", [deployment.lane])
    (claimed,) = there.queue.claim([deployment.lane], worker.id)
    there.queue.finish(run.id, claimed.attempt, Cancelled())
    assert run.state.is_cancelled()

    other = run_deployment(deployment.full_name, {"month": 4}, timeout=0)
    other.cancel()
    assert other.state_name == "Cancelled"

    third = run_deployment(deployment.full_name, {"month": 4}, timeout=0)
    (claimed,) = there.queue.claim([deployment.lane], worker.id)
    there.store.append(
        [
            state_entered(third.id, state.stamped(moment(time.time())), claimed.attempt)
            for state in (Running(), Completed())
        ]
    )
    with pytest.raises(MissingResult, match="stays where the server at"):
        third.result()
