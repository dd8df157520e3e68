"""Runtime: what runs here, by name."""

import asyncio
from datetime import UTC, datetime

import pytest

import nborch
from nborch import flow, runtime, tags, task
from nborch.context import FlowRunContext, TaskRunContext, get_run_context
from nborch.exceptions import MissingContextError
from nborch.task_runners import ProcessPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")


def flow_facts():
    return {name: getattr(runtime.flow_run, name) for name in dir(runtime.flow_run)}


def task_facts():
    return {name: getattr(runtime.task_run, name) for name in dir(runtime.task_run)}


@task(task_run_name="load-{day}", tags=["nightly"])
def load(day):
    return task_facts(), flow_facts()


def test_a_task_knows_its_run_and_its_flows(home):
    """In a task, `task_run` has the facts of its run, and `flow_run` those of the flow's."""

    @flow(name="report", version="7", flow_run_name="july")
    def report(month):
        return load(31)

    of_task, of_flow = report(7)

    (flow_record,) = [r for r in home.store.records() if r.run.kind == "flow"]
    assert of_task.pop("id") != flow_record.run.id
    assert of_task == {
        "name": "load-31",
        "task_name": "load",
        "tags": ["nightly"],
        "parameters": {"day": 31},
        "run_count": 1,
        "api_url": None,
        "ui_url": None,
    }
    assert of_flow == {
        "id": flow_record.run.id,
        "name": "july",
        "flow_name": "report",
        "flow_version": "7",
        "tags": [],
        "parameters": {"month": 7},
        "run_count": 1,
        "scheduled_start_time": flow_record.run.created,
        "parent_flow_run_id": None,
        "root_flow_run_id": flow_record.run.id,
        "parent_deployment_id": None,
        "job_variables": {},
        "api_url": None,
        "ui_url": None,
    }


def test_a_subflow_knows_the_flows_above():
    """In a subflow, the parent is the flow that called it, and the root the first one."""

    @flow
    def inner():
        return flow_facts()

    @task
    def between():
        return inner()

    @flow
    def middle():
        return runtime.flow_run.id, between()

    @flow
    def outer():
        return runtime.flow_run.id, middle()

    root, (parent, facts) = outer()

    assert facts["parent_flow_run_id"] == parent
    assert facts["root_flow_run_id"] == root
    assert len({root, parent, facts["id"]}) == 3


@pytest.mark.parametrize("runner", [None, ProcessPoolTaskRunner(max_workers=1)])
def test_a_submitted_task_knows_the_same(runner):
    """Threads and processes make no difference to what a task knows of its run."""

    @flow(task_runner=runner)
    def report(month):
        with tags("eu"):
            of_task, of_flow = load.submit(31).result()
        return of_task, of_flow, runtime.flow_run.id

    of_task, of_flow, flow_id = report(7)

    assert of_task["name"] == "load-31"
    assert of_task["tags"] == ["eu", "nightly"]
    assert of_task["parameters"] == {"day": 31}
    assert of_task["run_count"] == 1
    assert of_flow["id"] == flow_id
    assert of_flow["parameters"] == {"month": 7}


def test_async_code_knows_the_same():
    """In coroutines that run at the same time each knows its own run."""

    @task
    async def wait(n):
        await asyncio.sleep(0)
        return runtime.task_run.parameters["n"], runtime.task_run.name

    @flow
    async def together():
        return await asyncio.gather(*(wait(n) for n in range(3)))

    told = asyncio.run(together())

    assert [n for n, _ in told] == [0, 1, 2]
    assert len({name for _, name in told}) == 3


def test_the_run_count_counts_attempts():
    """`run_count` is 1 in the first attempt and one more in each retry."""
    counts = []

    @task(retries=1)
    def shaky():
        counts.append(runtime.task_run.run_count)
        if runtime.task_run.run_count == 1:
            raise OSError

    @flow(retries=1)
    def retried():
        counts.append(runtime.flow_run.run_count)
        if runtime.flow_run.run_count == 1:
            shaky()
            raise OSError

    retried()

    assert counts == [1, 1, 2, 2]


def test_outside_a_run_there_is_nothing():
    """Outside a run all is None or empty, and it has been asked for now."""
    before = datetime.now(UTC)

    facts = {**flow_facts(), **task_facts()}

    assert before <= facts.pop("scheduled_start_time") <= datetime.now(UTC)
    assert facts.pop("run_count") == 0
    assert facts.pop("tags") == []
    assert facts.pop("parameters") == {}
    assert set(facts.values()) == {None}
    deployment = runtime.deployment
    assert (deployment.id, deployment.name, deployment.flow_run_id) == (None,) * 3


def test_a_deployments_facts_are_the_flow_runs():
    """Without a deployment its run and parameters are those of the flow run."""

    @flow
    def report(month):
        deployment = runtime.deployment
        return deployment.flow_run_id == runtime.flow_run.id, deployment.parameters

    assert report(7) == (True, {"month": 7})


@pytest.mark.parametrize(
    ("fact", "text", "value"),
    [
        ("FLOW_RUN__NAME", "july", "july"),
        ("FLOW_RUN__RUN_COUNT", "3", 3),
        ("FLOW_RUN__TAGS", "a,b", ["a", "b"]),
        ("FLOW_RUN__PARAMETERS", '{"month": 7}', {"month": 7}),
        ("TASK_RUN__ID", "abc", "abc"),
        ("DEPLOYMENT__NAME", "nightly", "nightly"),
        (
            "FLOW_RUN__SCHEDULED_START_TIME",
            "2024-01-31T06:00:00",
            datetime(2024, 1, 31, 6, tzinfo=UTC),
        ),
    ],
)
def test_the_environment_stands_in(monkeypatch, fact, text, value):
    """A test of code outside a run sets a fact by an environment variable."""
    monkeypatch.setenv(f"NBORCH__RUNTIME__{fact}", text)
    module, name = fact.lower().split("__")

    told = getattr(getattr(nborch.runtime, module), name)

    assert told == value


def test_a_mistyped_fact_is_an_error():
    """Asking for a fact that there is not names the nearest one."""
    with pytest.raises(
        AttributeError, match=r"no attribute 'nam'. Did you mean 'name'"
    ):
        runtime.flow_run.nam  # noqa: B018


def test_facts_can_be_imported():
    """`from nborch.runtime.flow_run import name` gives the fact of that moment."""

    @flow(flow_run_name="july")
    def report():
        from nborch.runtime.flow_run import name

        return name

    assert report() == "july"


# The contexts of runs.


def test_the_context_of_a_run():
    """`get_run_context()` is the task run's in a task, else the flow run's."""

    @task(tags=["nightly"])
    def inner(x):
        context = get_run_context()
        around = FlowRunContext.get()
        assert isinstance(context, TaskRunContext)
        return (
            context.task.name,
            context.task_run.name == runtime.task_run.name,
            context.task_run.run_count,
            sorted(context.task_run.tags),
            context.parameters,
            around.flow.name,
            around.flow_run.id == runtime.flow_run.id,
        )

    @flow(log_prints=True)
    def outer(y=2):
        context = get_run_context()
        assert isinstance(context, FlowRunContext)
        assert TaskRunContext.get() is None
        assert context.task_runner.name == "ThreadPoolTaskRunner"
        assert context.log_prints
        assert context.start_time == context.flow_run.created
        assert context.flow_run.state.is_running()
        return context.parameters, inner(1)

    assert outer() == (
        {"y": 2},
        ("inner", True, 1, ["nightly"], {"x": 1}, "outer", True),
    )


def test_outside_a_run_there_is_no_context():
    """Outside a run `get()` is None, and `get_run_context()` an error that says so."""
    assert FlowRunContext.get() is None
    assert TaskRunContext.get() is None
    with pytest.raises(MissingContextError, match="no active flow or task run"):
        get_run_context()
