"""What a type checker knows of tasks and flows. Checked, never run."""

from collections.abc import Generator
from typing import assert_type

from nborch import Flow, State, Task, flow, get_run_logger, notebook_flow, task
from nborch.futures import Future, FutureList
from nborch.notebook.flows import NotebookFlow
from nborch.notebook.results.values import NotebookResult
from nborch.states import Completed
from nborch.tasks import task_input_hash


@task
def clean(rows: list[int], *, deep: bool = False) -> list[str]:
    return [str(row) for row in rows if deep]


@task(name="sum", retries=3, retry_delay_seconds=[1, 10], cache_key_fn=task_input_hash)
def total(a: int, b: int = 2) -> int:
    return a + b


@task
async def fetch(url: str) -> bytes:
    return url.encode()


@task
def rows(n: int) -> Generator[int, None, None]:
    yield from range(n)


class Shelf:
    @task
    def add(self, book: str) -> int:
        return len(book)

    @task
    async def find(self, book: str) -> bytes:
        return book.encode()

    @flow
    def sort(self, key: str) -> float:
        return float(key)


@flow(name="My Pipeline", tags=["nightly"])
def pipeline(n: int) -> float:
    get_run_logger().info("go")
    return total(n) / 2


def use() -> None:
    assert_type(clean([1], deep=True), list[str])
    assert_type(total(1), int)
    assert_type(pipeline(3), float)
    assert_type(pipeline.name, str)
    assert_type(Completed(), State)
    assert_type(clean.fn([1]), list[str])
    one: Task[[int], str] = task(lambda n: str(n))  # noqa: PLW0108
    assert_type(one(1), str)
    two: Flow[[int], float] = pipeline
    assert_type(two(1), float)


def use_submitted() -> None:
    future = total.submit(1)
    assert_type(future, Future[int])
    assert_type(future.result(), int)
    assert_type(total.map([1, 2]), FutureList[int])
    assert_type(total.map([1, 2]).result(), list[int])
    assert_type(fetch.submit("u").result(), bytes)
    assert_type(fetch.map(["u"]).result(), list[bytes])
    assert_type(rows.submit(3).result(), list[int])
    assert_type(rows(3), Generator[int, None, None])


def use_states() -> None:
    assert_type(total(1, return_state=True), State)
    assert_type(total.submit(1, return_state=True), State)
    assert_type(total.map([1], return_state=True), list[State])
    assert_type(pipeline(1, return_state=True), State)
    assert_type(total(1, wait_for=[total.submit(2)]), int)
    assert_type(total.submit(1, wait_for=[total.submit(2)]), Future[int])
    assert_type(fetch.submit("u", wait_for=[total.submit(2)]), Future[bytes])


def use_methods() -> None:
    shelf = Shelf()
    assert_type(shelf.add("a"), int)
    assert_type(shelf.add.submit("a").result(), int)
    assert_type(shelf.add.with_options(retries=3)("a"), int)
    assert_type(Shelf.add(shelf, "a"), int)
    assert_type(shelf.find.submit("a").result(), bytes)
    assert_type(shelf.sort("3"), float)
    assert_type(shelf.add.name, str)


def use_options() -> None:
    assert_type(total.with_options(retries=3)(1), int)
    assert_type(pipeline.with_options(name="x")(1), float)
    total.with_options(retry=3)  # error: call-arg
    pipeline.with_options(retries="3")  # error: arg-type


async def use_async() -> None:
    assert_type(await fetch("u"), bytes)
    assert_type(await fetch.submit("u"), bytes)
    assert_type(await fetch("u", return_state=True), State)
    assert_type(await Shelf().find("a"), bytes)


@pipeline.on_failure
def tell(_flow: object, _run: object, state: State) -> None:
    assert state


assert_type(tell(None, None, Completed()), None)


report = notebook_flow("report.ipynb", retries=1)
assert_type(report, NotebookFlow)
assert_type(report(month=7), NotebookResult)
assert_type(report(return_state=True), State)
assert_type(report.submit(month=7).result(), NotebookResult)
assert_type(report.map(month=[1, 2]).result(), list[NotebookResult])


def wrong() -> None:
    notebook_flow("report.ipynb", retrys=1)  # error: call-arg
    clean("abc")  # error: call-overload
    clean([1], depe=True)  # error: call-overload
    total()  # error: call-overload
    total("1")  # error: call-overload
    total.submit("1")  # error: call-overload
    pipeline(n="3")  # error: call-overload
    Shelf().add(3)  # error: call-overload
    Shelf().add()  # error: call-overload
    Shelf().sort.submit("3")  # error: attr-defined
    task(3)  # error: call-overload
    flow(name=3)  # error: call-overload
    task(retries="3")  # error: call-overload
    clean.nmae()  # error: attr-defined
