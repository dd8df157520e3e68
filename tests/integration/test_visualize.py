"""Visualizing: a flow's picture comes from its body, and its tasks do not run."""

import asyncio
import base64
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from nborch import flow, get_run_logger, task
from nborch.annotations import quote, unmapped
from nborch.exceptions import (
    FlowVisualizationError,
    ParameterBindError,
    VisualizationUnsupportedError,
)
from nborch.futures import as_completed, wait

pytestmark = pytest.mark.usefixtures("home")


def never():
    """Fail: a task must not run while its flow is visualized."""
    pytest.fail("the task ran")


@task
def load(path="a.csv"):
    never()


@task
def clean(*values, **named):
    never()


@task
def split() -> tuple[int, str]:
    never()


@task(viz_return_value=["a.csv", "b.csv"])
def paths():
    never()


@task
async def fetch(url):
    never()


def arrows(flow_, *args, **kwargs):
    """Return the arrows of the flow's picture."""
    return set(flow_.visualize(*args, **kwargs).diagram.arrows)


def labels(flow_, *args, **kwargs):
    """Return the labels of the flow's picture."""
    return [box.label for box in flow_.visualize(*args, **kwargs).diagram.boxes]


def test_the_text_is_that_of_a_flowchart():
    """The Mermaid text names each call, in order, with an arrow for each result."""

    @flow
    def etl():
        rows = load()
        clean(rows)
        clean(load())

    assert etl.generate_mermaid_graph().splitlines() == [
        "flowchart TD",
        '    load_0["load-0"]',
        '    clean_0["clean-0"]',
        '    load_1["load-1"]',
        '    clean_1["clean-1"]',
        "    load_0 --> clean_0",
        "    load_1 --> clean_1",
    ]
    assert str(etl.visualize()) == etl.generate_mermaid_graph()


def test_no_run_is_made(home):
    """A visualized flow leaves nothing in the store."""

    @flow
    def etl():
        clean(load.submit())

    etl.visualize()

    home.recorder.flush()
    assert home.store.records() == []


@dataclass
class Holder:
    """Something a value may be put into."""

    inner: Any


@pytest.mark.parametrize(
    "passed",
    [
        lambda x: x, lambda x: [x], lambda x: {"a": (1, [x])}, Holder, lambda x: x.total, lambda x: x["a"][0], lambda x: x.head(5),
        lambda x: x + 1, lambda x: 1 - x, lambda x: -x, lambda x: x == 1, list, lambda x: next(iter(x)), lambda x: x.sort(key=id),
    ],
)  # fmt: skip
def test_a_result_is_followed_wherever_it_goes(passed):
    """An arrow is drawn for a result that is passed on in anything, or made into something."""

    @flow
    def etl():
        clean(passed(load()))

    assert arrows(etl) == {("load-0", "clean-0")}


def test_every_way_to_wait_is_an_arrow():
    """Futures, states and ``wait_for`` are drawn as results are."""

    @flow
    def etl():
        future = load.submit()
        clean(future)
        clean(future.result())
        clean(future.state)
        clean(load(return_state=True).result())
        clean(wait_for=[future])
        wait([future])
        for done in as_completed([future]):
            clean.submit(done)

    found = arrows(etl)

    assert found == {("load-0", f"clean-{n}") for n in (0, 1, 2, 4, 5)} | {
        ("load-1", "clean-3")
    }


def test_what_is_quoted_is_not_followed():
    """A quoted result is no dependency, as in a run."""

    @flow
    def etl():
        clean(quote(load()))

    assert arrows(etl) == set()


def test_an_example_stands_for_the_result():
    """A flow may work with ``viz_return_value`` as with the result, item by item."""

    @flow
    def etl():
        found = paths()
        assert len(found) == 2
        rows = [load(path) for path in found if path.endswith(".csv")]
        load("a.csv")
        clean(rows)

    assert arrows(etl) == {
        ("paths-0", "load-0"),
        ("paths-0", "load-1"),
        ("load-0", "clean-0"),
        ("load-1", "clean-0"),
    }


def test_an_example_is_not_changed_by_the_flow():
    """What a flow does to an example, the next call does not see."""

    @flow
    def etl():
        paths().append("c.csv")
        assert len(paths()) == 2

    etl.visualize()


def test_a_mapped_task_is_one_box():
    """A `map` is drawn as one box with the number of its runs, as far as it is known."""

    @flow
    def etl():
        rows = load.map(["a", "b", "c"])
        cleaned = clean.map(rows, unmapped([1, 2]))
        clean.map(load())
        load.map(paths())
        assert len(cleaned) == 3
        clean(cleaned.result())

    assert labels(etl) == [
        "load-0 × 3", "clean-0 × 3", "load-1", "clean-1 × n", "paths-0", "load-2 × 2", "clean-2",  # noqa: RUF001  # as it is shown
    ]  # fmt: skip
    assert arrows(etl) >= {("load-0", "clean-0"), ("clean-0", "clean-2")}


def test_a_result_of_several_is_unpacked():
    """A task that says it returns ``tuple[int, str]`` may be unpacked into two."""

    @flow
    def etl():
        number, text = split()
        clean(number)
        clean(text)

    assert arrows(etl) == {("split-0", "clean-0"), ("split-0", "clean-1")}


def test_a_subflow_is_one_box():
    """A flow called by the flow is drawn as a flow, and its body does not run."""

    @flow
    def inner(rows):
        never()

    @flow
    def outer():
        clean(inner(load()))

    assert "    inner_0[[" in str(outer.visualize())
    assert arrows(outer) == {("load-0", "inner-0"), ("inner-0", "clean-0")}


async def gathered(*urls):
    return await asyncio.gather(*map(fetch, urls))


def test_an_async_flow_is_visualized_anywhere():
    """An async flow's picture is there without `await`, in a running loop too."""

    @flow
    async def crawl():
        first = await fetch("a")
        both = await gathered("b", first)
        clean(both, await fetch.submit("c"))

    async def within_a_loop():
        return arrows(crawl)

    expected = {("fetch-0", "fetch-2")} | {(f"fetch-{n}", "clean-0") for n in (1, 2, 3)}
    assert arrows(crawl) == expected
    assert asyncio.run(within_a_loop()) == expected


def test_flows_that_yield_are_visualized():
    """A flow that is a generator is run to its end."""

    @flow
    def plain():
        yield load()
        clean()

    @flow
    async def awaiting():
        async for row in load():
            yield row
        clean()

    assert labels(plain) == labels(awaiting) == ["load-0", "clean-0"]


def test_parameters_reach_the_flow():
    """The flow is called with the arguments given, which must fit."""

    @flow
    def etl(number: int, *, last: bool = False):
        for _ in range(number):
            load()
        if last:
            clean()

    assert labels(etl, 2, last=True) == ["load-0", "load-1", "clean-0"]
    with pytest.raises((ParameterBindError, TypeError)):
        etl.visualize()


def test_the_flow_may_log():
    """`get_run_logger` works in a visualized flow, and is silent."""

    @flow
    def etl():
        get_run_logger().info("loading")
        load()

    assert labels(etl) == ["load-0"]


@pytest.mark.parametrize(
    "uses",
    [len, bool, int, float, range, lambda x: 1 in x, lambda x: "a" if x > 1 else "b", lambda x: x.ok and 1],
)  # fmt: skip
def test_what_a_sketch_cannot_know_is_told(uses):
    """Code that needs a result gets an error that says how to give an example."""

    @flow
    def etl():
        uses(load())

    with pytest.raises(VisualizationUnsupportedError) as caught:
        etl.visualize()

    assert "Task 'load' does not run while its flow is visualized" in str(caught.value)
    assert "@task(viz_return_value=[1, 2, 3])" in str(caught.value)


def test_an_error_of_the_flow_keeps_its_type():
    """What the flow's own code raises arrives with a word on where it came up."""

    @flow
    def etl():
        _a, _b = load()

    with pytest.raises(ValueError, match="unpack") as caught:
        etl.visualize()

    assert "viz_return_value" in caught.value.__notes__[0]


def test_a_loop_without_end_is_stopped():
    """A flow that calls tasks for ever is stopped and told why."""

    @flow
    def etl():
        while True:
            load()

    with pytest.raises(FlowVisualizationError, match="called 10000 tasks"):
        etl.visualize()


def test_tasks_run_again_afterwards():
    """After a picture, even one that failed, tasks run as ever."""

    @task
    def double(n):
        return 2 * n

    @flow
    def doubled(*, fails=False):
        if double(2) > 3 and fails:
            raise ValueError

    with pytest.raises(VisualizationUnsupportedError):
        doubled.visualize()

    assert double(2) == 4


def test_the_picture_needs_no_program():
    """A notebook shows a picture that survives where HTML is not trusted."""

    @flow
    def etl():
        clean(load())

    shown = etl.visualize()._repr_mimebundle_()

    assert shown["text/vnd.mermaid"] == shown["text/plain"] == str(etl.visualize())
    head, _, encoded = shown["text/html"].partition("base64,")
    assert 'alt="etl"' in head
    picture = ET.fromstring(base64.b64decode(encoded.partition('"')[0]))
    assert [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")] == [
        "load-0",
        "clean-0",
    ]
    assert etl.visualize().svg == etl.visualize().svg


def test_a_notebook_shows_the_picture(kernel):
    """In a notebook a flow, async ones too, is drawn by the last line of a cell."""
    kernel("""
from nborch import flow, task
@task
async def load(): ...
@task
def clean(rows): ...
@flow
async def etl():
    clean(await load())
""")

    shown = kernel("etl.visualize()")

    assert shown.result.startswith("flowchart TD\n")
    assert "load_0 --> clean_0" in shown.result
