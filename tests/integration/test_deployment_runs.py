"""Workers and the processes of runs: real ones, on a real store."""

import asyncio
import importlib
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import nborch
from nborch import flow, task
from nborch.control.local import LocalControl
from nborch.deploy import tenures
from nborch.deploy.entrypoints import find_flow, load_file
from nborch.deploy.orders import Order
from nborch.deploy.outputs import folder_of
from nborch.deploy.triggering import trigger
from nborch.deploy.worker import Watcher, Worker
from nborch.deployments import DeploymentRun, arun_deployment, run_deployment
from nborch.exceptions import (
    CancelledRun,
    InvalidDeclaration,
    NotFound,
    ParameterBindError,
    ParameterTypeError,
)
from nborch.runs import RunKind
from nborch.work import WorkPool

PROGRAM = """
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from nborch import flow, get_run_logger, task
import neighbour


def say(path, text):
    # At once, for who waits for the file.
    Path(path + ".new").write_text(text)
    os.replace(path + ".new", path)


@task
def double(n):
    print("doubling")
    return 2 * n


@flow
def report(n: int = 1):
    print("prints", n)
    get_run_logger().info("logs")
    sys.stderr.write("writes to stderr\\n")
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
    return {"doubled": double(n), "folder": os.getcwd(), "seen": neighbour.VALUE}


@flow(retries=2)
def flaky():
    from nborch import runtime

    if runtime.flow_run.run_count < 3:
        raise ValueError("again")
    return runtime.flow_run.run_count


@flow
def failing():
    raise ValueError("no rows")


def tell(flow, run, state):
    say("hooked", f"{flow.name} {run.name} {state!r}")


@flow(on_crashed=[tell])
def dying():
    os._exit(3)


@flow
def sleepy(started: str, seconds: float = 60.0):
    say(started, str(os.getpid()))
    time.sleep(seconds)
    return "slept"


@flow
def patient(started: str, enough: str):
    say(started, str(os.getpid()))
    while not Path(enough).exists():
        time.sleep(0.02)
    return "slept"


@flow(log_prints=True)
def talkative(started: str, told: str):
    say(started, str(os.getpid()))
    try:
        for number in range(600):
            print("still here", os.getpid())
            time.sleep(0.05)
            if Path(told).exists():
                return "the second"
    except BaseException as error:
        say(told, f"{type(error).__name__}: {error}")
        raise


@flow
def stubborn(started: str):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    say(started, f"{os.getpid()} {child.pid}")
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            pass


@flow
async def waiting():
    return "awaited"


@flow
def facts():
    from nborch import runtime

    told = runtime.deployment
    return told.name, told.version, told.id, os.environ["NBORCH_RUN_ID"]


@flow
def giving():
    yield 1
    yield 2


if True:
    # It is not meant while a run loads it.
    assert report.serve(name="at the top of the file") is None
"""


WORKER = """
import sys, time
from nborch.deploy.worker import Worker
from nborch.home import current_home
Worker(current_home(), sys.argv[1:]).start()
print("started", flush=True)
time.sleep(60)
"""


class Seen(Watcher):
    """Remembers what it is told."""

    def __init__(self):
        self.fates = []
        self.lines = []

    def ended(self, claim, record, fate):
        self.fates.append((record.run.name, record.state.name, fate))

    def line(self, text):
        self.lines.append(text)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program with flows, which lies beside a module that it imports."""
    (tmp_path / "neighbour.py").write_text("VALUE = 'the neighbour'\n")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield load_file(path)
    for name in ("program", "neighbour"):
        sys.modules.pop(name, None)


@pytest.fixture
def work(home):
    """Start workers in this process, for all that is deployed."""
    started = []

    def start(**options):
        home.pools.put(WorkPool(name="pool")) if not home.pools.list() else None
        lanes = [home.pools.get("pool").lane]
        worker = Worker(home, lanes, watcher=Seen(), **options)
        worker.start()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        worker.stop(0)
        assert worker.join(20)


@pytest.fixture
def deployed(home):
    """Deploy a flow to the pool that all workers here work for."""
    home.pools.put(WorkPool(name="pool"))

    def deploy(of, name="deployed", **options):
        made = of.to_deployment(name, work_pool_name="pool", **options)
        return home.deployments.put(made)

    return deploy


@pytest.fixture
def yard(home, program, deployed, work):
    """All of them."""
    return home, program, deployed, work


def ask(home, deployment, **parameters):
    """Have a deployment run; return the run."""
    record = trigger(home, deployment, parameters, wants_result=True)
    return DeploymentRun(LocalControl(home), record.run.id, deployment.full_name)


def messages(home, run):
    return [event.data["message"] for event in home.store.logs(run.id)]


def test_a_run_has_a_process_its_values_and_its_log(
    home, program, deployed, work, until
):
    """A run is done in a process of its own; all it prints and returns is kept."""
    deployment = deployed(program.report)
    work()

    run = ask(home, deployment, n=4)
    result = run.result(30)

    assert result == {
        "doubled": 8,
        "folder": str(Path.cwd()),
        "seen": "the neighbour",
    }
    assert until(lambda: not list((home.folder / "runs").iterdir()))
    told = messages(home, run)
    for line in ("prints 4", "logs", "doubling", "writes to stderr", "child"):
        assert told.count(line) == 1, told
    record = home.store.record(run.id)
    assert record.attempt == 1
    assert record.run.parameters["n"] == 4
    (within,) = home.store.children(run.id)
    assert within.run.kind is RunKind.TASK
    assert within.run.process != home.process


def test_runs_begin_soon_after_they_are_asked_for(home, program, deployed, work, until):
    """With a worker at hand, a run begins in a fraction of a second."""
    deployment = deployed(program.waiting)
    work()
    ask(home, deployment).result(30)

    waits = []
    for _ in range(3):
        asked = time.time()
        run = ask(home, deployment)
        assert run.result(30) == "awaited"
        waits.append(run.record.started.timestamp() - asked)

    # Measured on an idle machine: 0.03 to 0.06 s.
    assert min(waits) < 2


def test_a_run_begins_when_it_is_due(home, program, deployed, work):
    """A run that is asked for a later time does not begin before it, and then does."""
    deployment = deployed(program.giving)
    work()
    due = datetime.now(UTC) + timedelta(seconds=1)

    run = run_deployment(deployment.full_name, scheduled_time=due)

    assert run.result() == [1, 2]
    assert run.record.started >= due


def test_a_run_knows_its_deployment(home, program, deployed, work):
    """The code of a run can ask which deployment it is of."""
    deployment = deployed(program.facts)
    work()

    run = ask(home, deployment)

    told = (deployment.name, deployment.version, deployment.id, run.id)
    assert run.result(30) == told


def test_a_failure_is_the_runs_state(home, program, deployed, work, until):
    """A run that fails is Failed with its error, and its worker goes on."""
    deployment = deployed(program.failing)
    worker = work()

    run = ask(home, deployment).wait(30)

    assert run.state_name == "Failed"
    assert "ValueError: no rows" in run.state.message
    with pytest.raises(Exception, match="no rows"):
        run.result()
    assert ask(home, deployed(program.waiting)).result(30) == "awaited"
    assert until(lambda: not worker.held)


def test_retries_count_on_from_the_attempt(yard):
    """A flow's own retries are attempts of the run, whoever it was handed to before."""
    home, program, deployed, work = yard
    deployment = deployed(program.flaky)
    run = ask(home, deployment)
    home.workers.register("dead", [deployment.lane])
    (worker,) = home.workers.list()
    (claim,) = home.queue.claim([deployment.lane], worker.id)
    home.queue.release(run.id, claim.attempt)
    work()

    assert run.result(30) == 3

    assert claim.attempt == 1
    assert run.record.attempt == 4


def test_a_program_that_is_gone_fails_the_run(home, program, deployed, work):
    """A run whose code is not there any more fails with what to do."""
    deployment = deployed(program.report)
    Path("program.py").unlink()
    work()

    run = ask(home, deployment).wait(30)

    assert run.state_name == "Failed"
    assert "There is no file" in run.state.message


def test_a_poisoned_run_is_given_up(home, program, deployed, work, until):
    """A run that takes its process down is tried so often, and its hooks are told."""
    deployment = deployed(program.dying, max_crashes=2)
    work()

    run = ask(home, deployment).wait(30)

    assert run.state_name == "Crashed"
    assert "with code 3" in run.state.message
    assert home.queue.standing(run.id).crashes == 1
    assert run.record.attempt == 2
    hooked = Path("hooked")
    assert until(hooked.exists, 30)
    assert hooked.read_text().startswith(f"dying {run.name} Crashed(")


def test_a_run_that_goes_on_is_cancelled(yard, tmp_path, until):
    """Cancelling interrupts the run, and what is within it."""
    home, program, deployed, work = yard
    deployment = deployed(program.sleepy)
    work()
    started = tmp_path / "started"
    run = ask(home, deployment, started=str(started))
    assert until(started.exists, 30)

    run.cancel()

    with pytest.raises(CancelledRun, match="cancelled"):
        run.result(30)
    pid = int(started.read_text())
    assert until(lambda: not is_there(pid))


def test_a_run_that_will_not_end_is_killed(yard, tmp_path, until, monkeypatch):
    """A run that ignores all signals ends with all that it has started, Cancelled."""
    home, program, deployed, work = yard
    monkeypatch.setattr(tenures, "CANCEL_GRACE", 0.3)
    monkeypatch.setattr(tenures, "TERMINATE_GRACE", 0.3)
    deployment = deployed(program.stubborn)
    work()
    started = tmp_path / "started"
    run = ask(home, deployment, started=str(started))
    assert until(started.exists, 30)
    pids = [int(pid) for pid in started.read_text().split()]

    run.cancel()
    run.wait(30)

    assert run.state_name == "Cancelled"
    assert until(lambda: not any(map(is_there, pids)))


def test_a_run_that_waits_is_cancelled_at_once(home, program, deployed):
    """A run that no worker has taken yet needs none to be cancelled."""
    run = ask(home, deployed(program.waiting))

    run.cancel()

    assert run.state_name == "Cancelled"


def test_a_run_whose_worker_is_dead_is_cancelled(yard, script, tmp_path, until):
    """A run can be cancelled though the worker is dead that would have to do it."""
    home, program, deployed, _ = yard
    deployment = deployed(program.sleepy)
    worker = script(WORKER, deployment.lane)
    assert worker.stdout.readline() == "started\n"
    started = tmp_path / "started"
    run = ask(home, deployment, started=str(started))
    assert until(started.exists, 30)

    worker.kill()
    worker.wait()
    run.cancel()
    home.reap()

    assert run.state_name == "Cancelled"


def test_a_worker_that_stops_hands_its_runs_back(yard, tmp_path, until):
    """A run that does not end in time waits again, and another worker does it."""
    home, program, deployed, work = yard
    deployment = deployed(program.sleepy)
    first = work()
    started = tmp_path / "started"
    run = ask(home, deployment, started=str(started), seconds=1.0)
    assert until(started.exists, 30)
    pid = int(started.read_text())

    first.stop(0)
    assert first.join(20)

    assert not is_there(pid)
    assert home.queue.standing(run.id).status == "waiting"
    assert not run.done()
    assert first.watcher.fates[-1][2] == "waiting"

    work()

    assert run.result(30) == "slept"
    assert run.record.attempt == 2
    assert home.queue.standing(run.id).crashes == 0


def test_a_worker_that_is_killed_takes_its_runs_along(yard, script, tmp_path, until):
    """On the death of a worker its runs end, and another one does them, within a second."""
    home, program, deployed, work = yard
    deployment = deployed(program.patient)
    worker = script(WORKER, deployment.lane)
    assert worker.stdout.readline() == "started\n"
    started, enough = tmp_path / "started", tmp_path / "enough"
    run = ask(home, deployment, started=str(started), enough=str(enough))
    assert until(started.exists, 30)
    other = work()
    pid = int(started.read_text())
    started.unlink()

    worker.kill()
    killed = time.monotonic()

    assert until(started.exists, 30)
    # Measured on an idle machine: 0.3 to 0.6 s. By its lease alone it would be 30 s.
    assert time.monotonic() - killed < 20
    enough.touch()
    assert run.result(30) == "slept"
    assert until(lambda: not is_there(pid))
    assert run.record.attempt == 2
    assert until(lambda: [fate for *_, fate in other.watcher.fates] == ["over"])


def test_who_was_given_up_is_not_listened_to(yard, script, tmp_path, until):
    """An attempt that was given to another worker is refused, and told so."""
    home, program, deployed, work = yard
    deployment = deployed(program.talkative)
    worker = script(WORKER, deployment.lane)
    assert worker.stdout.readline() == "started\n"
    started, told = tmp_path / "started", tmp_path / "told"
    run = ask(home, deployment, started=str(started), told=str(told))
    assert until(started.exists, 30)
    first = f"still here {started.read_text()}"
    os.kill(worker.pid, signal.SIGSTOP)

    home.queue.crash(run.id, 1, "It was not heard of.")
    accepted = messages(home, run).count(first)
    work()

    assert run.result(60) == "the second"
    assert told.read_text() == (
        "CancelRequested: It was given to another worker meanwhile."
    )
    assert run.record.attempt == 2
    assert messages(home, run).count(first) == accepted
    worker.kill()


def test_a_flow_that_no_file_holds_is_deployed(home, deployed, work):
    """A flow goes by value if it cannot be imported, with what it refers to."""
    factor = 3

    @task
    def times(n):
        return n * factor

    @flow(log_prints=True)
    def local(n: int = 2):
        print("by value")  # noqa: T201  # it is logged
        return times(n)

    deployment = deployed(local)
    work()

    run = ask(home, deployment, n=5)

    assert run.result(30) == 15
    assert "by value" in messages(home, run)
    assert deployment.entrypoint["kind"] == "value"
    assert deployed(local).version == deployment.version


def test_a_flow_of_a_package_is_deployed(home, deployed, work, tmp_path, monkeypatch):
    """A flow in a package is found by the names of its modules."""
    package = tmp_path / "reports"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "units.py").write_text("UNIT = 1000\n")
    (package / "daily.py").write_text(
        "from nborch import flow\n"
        "from .units import UNIT\n"
        "@flow\n"
        "def report(n: int = 2):\n"
        "    return n * UNIT\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    daily = importlib.import_module("reports.daily")

    deployment = deployed(daily.report)
    monkeypatch.undo()
    work()

    assert deployment.entrypoint["kind"] == "module"
    assert ask(home, deployment).result(30) == 2000
    for name in ("reports.daily", "reports.units", "reports"):
        del sys.modules[name]


def test_what_a_dead_worker_has_not_read_is_kept(yard, until):
    """What a run has printed is in its log, though its worker died before it read it."""
    home, program, deployed, work = yard
    deployment = deployed(program.waiting)
    run = ask(home, deployment)
    dead = f"{home.process.partition(':')[0]}:1:ab"
    for attempt, process in ((7, dead), (8, home.process)):
        folder = folder_of(home, run.id, attempt)
        about = deployment.entrypoint, {}, str(home.folder), f"{process}/cd"
        Order(run.record.run, attempt, *about).write(folder)
        (folder / "output.log").write_text(f"the last words\nof {attempt}")
        (folder / "made.csv").write_text("1,2")

    work()

    assert until(lambda: "of 7" in messages(home, run))
    told = messages(home, run)
    assert told.count("the last words") == 1
    assert "of 8" not in told
    left = folder_of(home, run.id, 7)
    assert until(left.exists)
    assert [path.name for path in left.iterdir()] == ["made.csv"]


def test_a_pickle_that_was_changed_is_not_loaded(home, deployed, work):
    """Code by value is loaded only if this user has signed it."""

    @flow
    def local():
        return 1

    deployment = deployed(local)
    (parcel,) = (home.folder / "deployments").iterdir()
    parcel.write_bytes(parcel.read_bytes()[:-1] + b"x")
    work()

    run = ask(home, deployment).wait(30)

    assert run.state_name == "Failed"
    assert "is not loaded" in run.state.message


def test_no_more_runs_go_on_than_the_worker_takes(yard, tmp_path, until):
    """A worker has as many runs at once as its limit says."""
    home, program, deployed, work = yard
    deployment = deployed(program.sleepy)
    worker = work(limit=2)
    runs = [
        ask(home, deployment, started=str(tmp_path / f"{n}"), seconds=0.2)
        for n in range(4)
    ]

    most = 0
    while not all(run.done() for run in runs):
        most = max(most, len(worker.held))
        time.sleep(0.01)

    assert most == 2
    assert all(run.state_name == "Completed" for run in runs)


def test_parameters_are_checked_before_a_run_is_made(home, program, deployed):
    """A wrong parameter is refused where it is given, and no run is made."""
    deployment = deployed(program.report)

    with pytest.raises(ParameterBindError, match=r"no parameter 'm'\. It takes: n"):
        run_deployment(deployment.name, {"m": 1}, timeout=0)
    with pytest.raises(ParameterTypeError, match="'n' must be of the type integer"):
        run_deployment(deployment.name, {"n": "many"}, timeout=0)
    with pytest.raises(ParameterBindError, match="needs a value for 'started'"):
        run_deployment(deployed(program.sleepy).full_name, timeout=0)
    with pytest.raises(NotFound, match="Did you mean 'deployed'"):
        run_deployment("deploy")
    assert not home.queue.unfinished()


def test_several_are_deployed_and_run_as_in_prefect(yard, monkeypatch):
    """`deploy` takes several, the pool may be named by a variable, runs be awaited."""
    home, program, _, work = yard
    made = [program.waiting.to_deployment("first"), program.giving.to_deployment()]

    ids = nborch.deploy(*made, work_pool_name="pool")
    monkeypatch.setenv("NBORCH_DEFAULT_WORK_POOL_NAME", "pool")
    ids.append(program.facts.deploy("third"))
    work()

    @flow
    async def caller():
        run = await run_deployment("first", timeout=0)
        other = await arun_deployment("giving/giving")
        return run.wait().state.result(), other.result(), run.record.run.details

    awaited, given, details = asyncio.run(caller())
    assert [home.deployments.get(each).work_pool for each in ids] == ["pool"] * 3
    assert (awaited, given) == ("awaited", [1, 2])
    (calling,) = home.store.records(of="caller")
    assert details["asked_for_by"] == calling.run.id


def test_a_key_makes_one_run(home, program, deployed):
    """Asking twice by one key gives one run."""
    deployed(program.report)

    first, second = (
        run_deployment("deployed", timeout=0, idempotency_key="once") for _ in "ab"
    )

    assert first.id == second.id
    assert len(home.queue.unfinished()) == 1


def test_a_deployment_is_checked_when_it_is_declared(home, program):
    """What is wrong about a deployment is told at once, with what to do."""
    report = program.report

    with pytest.raises(InvalidDeclaration, match="has no parameter 'm'"):
        report.to_deployment("x", parameters={"m": 1})
    with pytest.raises(ParameterTypeError, match="must be of the type integer"):
        report.to_deployment("x", parameters={"n": "many"})
    with pytest.raises(InvalidDeclaration, match=r"no option 'corn'\. Did you mean"):
        report.to_deployment("x", corn="0 8 * * *")
    with pytest.raises(InvalidDeclaration, match="says nothing without cron"):
        report.to_deployment("x", timezone="Europe/Berlin")
    with pytest.raises(InvalidDeclaration, match="cannot be called 'a/b'"):
        report.to_deployment("a/b")
    with pytest.raises(InvalidDeclaration, match="needs a work pool"):
        report.deploy("x")


def test_a_flow_is_found_where_it_was_declared(program, tmp_path):
    """The entry point of a flow in a file leads back to it."""
    entrypoint = program.report.entrypoint()

    assert entrypoint["path"] == str(tmp_path / "program.py")
    assert find_flow(entrypoint).name == "report"
    with pytest.raises(NotFound, match=r"does not exist\. Did you mean 'report'"):
        find_flow({**entrypoint, "name": "repotr"})
    with pytest.raises(NotFound, match="is no flow"):
        find_flow({**entrypoint, "name": "double"})


def is_there(pid):
    """Tell whether a process is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().split()[2] == "Z")
