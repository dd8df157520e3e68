"""What a type checker knows of tasks and flows. Checked, never run."""

from typing import assert_type

from nborch import Flow, State, Task, flow, get_run_logger, task
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


async def use_async() -> None:
    assert_type(await fetch("u"), bytes)


@pipeline.on_failure
def tell(_flow: object, _run: object, state: State) -> None:
    assert state


assert_type(tell(None, None, Completed()), None)


def wrong() -> None:
    clean("abc")  # error: arg-type
    clean([1], depe=True)  # error: call-arg
    total()  # error: call-arg
    total("1")  # error: arg-type
    pipeline(n="3")  # error: arg-type
    task(3)  # error: call-overload
    flow(name=3)  # error: call-overload
    task(retries="3")  # error: call-overload
    clean.nmae()  # error: attr-defined
